package directory_test

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/directory"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestAWABACountsFromWhenItIsSettledUntilTheNextOneIs(t *testing.T) {
	var n directory.Number
	n.Named("a", start)
	n.Named("b", start.Add(time.Hour))
	for after, want := range map[time.Duration]string{
		-time.Hour: "", 0: "", directory.Settled - 1: "", directory.Settled: "a",
		time.Hour: "a", time.Hour + directory.Settled - 1: "a", time.Hour + directory.Settled: "b", 1000 * time.Hour: "b",
	} {
		if got := n.Of(start.Add(after)); got != want {
			t.Errorf("after %v: %q, want %q", after, got, want)
		}
	}
}

func TestTheOrderInWhichNamesAreToldDoesNotMatter(t *testing.T) {
	type name struct {
		waba string
		at   time.Duration
	}
	names := []name{{"a", 0}, {"a", time.Hour}, {"b", 2 * time.Hour}, {"b", 2 * time.Hour}, {"c", 2 * time.Hour}}
	var want directory.Number
	for _, n := range names {
		want.Named(n.waba, start.Add(n.at))
	}
	for range 100 {
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		var n directory.Number
		for _, x := range names {
			n.Named(x.waba, start.Add(x.at))
		}
		for after := time.Duration(0); after < 4*time.Hour; after += time.Minute {
			if got, want := n.Of(start.Add(after)), want.Of(start.Add(after)); got != want {
				t.Fatalf("%v: after %v: %q, want %q", names, after, got, want)
			}
		}
	}
}

func TestWhatIsKnownWithoutATimeIsTheLastAndSettlesNothing(t *testing.T) {
	var n directory.Number
	if !n.Known("a") || n.Known("a") {
		t.Error("want a change the first time alone")
	}
	if n.Last() != "a" || n.Of(start.Add(1000*time.Hour)) != "" {
		t.Errorf("last %q, settled %q", n.Last(), n.Of(start))
	}
	n.Named("b", start)
	if n.Last() != "b" {
		t.Errorf("last %q", n.Last())
	}
}

func TestARestoredNumberAnswersTheSame(t *testing.T) {
	var n directory.Number
	n.Known("z")
	for i, waba := range []string{"a", "b", "c", "d", "e", "f"} {
		n.Named(waba, start.Add(time.Duration(i)*time.Hour))
	}
	again, err := directory.Restore(n.AppendRecord(nil))
	if err != nil || !reflect.DeepEqual(&n, again) {
		t.Fatalf("%+v became %+v, %v", n, again, err)
	}
	old, err := directory.Restore([]byte("\x01102"))
	if err != nil || old.Last() != "102" || old.Of(start) != "102" {
		t.Errorf("a record of the first version: %+v, %v", old, err)
	}
	for _, bad := range []string{"", "\x01", "\x03abc", "\x02\x05a", "\x02\x01a\x01b", "\x02\x01a\x09"} {
		if _, err := directory.Restore([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
