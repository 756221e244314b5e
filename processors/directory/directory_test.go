package directory_test

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/seed"
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
	rng := rand.New(rand.NewPCG(seed.Of(t), 0))
	for range 100 {
		rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
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
	for _, bad := range []string{"", "\x01", "\x03abc", "\x02\x05a", "\x02\x02a", "\x02\x80", "\x02\x01a\x02b", "\x02\x01a\x01b", "\x02\x01a\x09"} {
		if _, err := directory.Restore([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestOfTwoNamesOfOneTimeTheGreaterCounts(t *testing.T) {
	for _, order := range [][]string{{"b", "c"}, {"c", "b"}} {
		var n directory.Number
		for _, waba := range order {
			n.Named(waba, start)
		}
		if got := n.Of(start.Add(directory.Settled)); got != "c" {
			t.Errorf("told %v: %q, want c", order, got)
		}
	}
}

func TestANameChangesTheNumberOnceAlone(t *testing.T) {
	var n directory.Number
	for i, test := range []struct {
		waba string
		at   time.Duration
		want bool
	}{
		{"a", time.Hour, true},
		{"a", time.Hour, false},
		{"a", 2 * time.Hour, false}, // it is of that WABA since an hour before
		{"a", 0, true},              // earlier than was known
		{"b", 3 * time.Hour, true},
		{"b", 3 * time.Hour, false},
	} {
		if got := n.Named(test.waba, start.Add(test.at)); got != test.want {
			t.Errorf("name %d: changed is %v", i, got)
		}
	}
	if got := n.Of(start.Add(directory.Settled)); got != "a" {
		t.Errorf("from the earliest name on: %q, want a", got)
	}
}

func TestAnEarlierNameThatIsToldLateIsNotTheLast(t *testing.T) {
	var n directory.Number
	n.Named("b", start.Add(time.Hour))
	n.Named("a", start)
	if n.Last() != "b" {
		t.Errorf("last %q, want b", n.Last())
	}
}

func TestTheLatestFourNamesAreRemembered(t *testing.T) {
	var n directory.Number
	for i, waba := range []string{"a", "b", "c", "d"} {
		n.Named(waba, start.Add(time.Duration(i)*time.Hour))
	}
	if got := n.Of(start.Add(directory.Settled)); got != "a" {
		t.Errorf("of four names the first is %q, want a", got)
	}
	n.Named("e", start.Add(4*time.Hour))
	if got := n.Of(start.Add(directory.Settled)); got != "" {
		t.Errorf("of five names the first is still %q", got)
	}
	if got := n.Of(start.Add(time.Hour + directory.Settled)); got != "b" {
		t.Errorf("of five names the second is %q, want b", got)
	}
}

func TestANumberWithoutASettledNameIsRestored(t *testing.T) {
	var known, none directory.Number
	known.Known("a")
	for _, n := range []*directory.Number{&known, &none} {
		again, err := directory.Restore(n.AppendRecord(nil))
		if err != nil || !reflect.DeepEqual(n, again) {
			t.Errorf("%+v became %+v, %v", n, again, err)
		}
	}
}
