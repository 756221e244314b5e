package media_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/media"
	"github.com/coexstream/coexstream/schemas"
)

var image = schemas.HashBytes([]byte("wamid.image"))

func newBook() *media.Book {
	cfg := media.DefaultConfig()
	return media.New(&cfg)
}

// docs/webhooks.md, History: join on the wamid only; the placeholder's direction and time win.
func TestFollowUpTakesOverThreadDirectionAndTimeOfItsPlaceholder(t *testing.T) {
	b := newBook()
	p := media.Placeholder{Thread: "16505551234", Timestamp: start.Unix() - 3600, Direction: schemas.DirectionOutbound}
	b.Placeholder(start, image, p)
	for range 2 { // the second time it is a duplicate, and the owner's to drop
		if got, ok := b.Find(image); !ok || got != p {
			t.Fatalf("Find = %+v, %v; want %+v", got, ok, p)
		}
	}
	if _, ok := b.Find(schemas.HashBytes([]byte("wamid.other"))); ok {
		t.Fatal("found a placeholder of another wamid")
	}
}

// docs/webhooks.md, History: the follow-up may come before the placeholder's chunk.
func TestFollowUpWaitsForItsPlaceholder(t *testing.T) {
	b := newBook()
	for _, v := range []string{"first", "second", "first"} {
		if !b.Wait(start, image, []byte(v)) {
			t.Fatalf("%s does not wait", v)
		}
	}
	got := values(b.Placeholder(start.Add(29*time.Minute), image, media.Placeholder{Timestamp: start.Unix()}))
	if !slices.Equal(got, []string{"first", "second"}) {
		t.Fatalf("left: %q", got)
	}
	if left := b.Tick(start.Add(time.Hour)); len(left) != 0 {
		t.Fatalf("left again: %q", values(left))
	}
}

// docs/webhooks.md, History: … or never.
func TestFollowUpLeavesUnjoinedWhenItsTimeIsOver(t *testing.T) {
	b := newBook()
	b.Wait(start, image, []byte("asset"))
	due := start.Add(media.DefaultConfig().Hold)
	if d := b.Deadline(); !d.Equal(due) {
		t.Fatalf("deadline %v, want %v", d, due)
	}
	if left := b.Tick(due.Add(-1)); len(left) != 0 {
		t.Fatalf("left early: %q", values(left))
	}
	if left := values(b.Tick(due)); !slices.Equal(left, []string{"asset"}) {
		t.Fatalf("left: %q", left)
	}
}

// docs/webhooks.md, H16: by the documents an asset follows for media of the last 14 days; others were seen.
func TestAPlaceholderIsRememberedHoweverOldItsMessageIs(t *testing.T) {
	for name, at := range map[string]int64{
		"now": start.Unix(), "31 days ago": start.Add(-31 * 24 * time.Hour).Unix(), "years ago": 1739230955, "without a time": 0,
		"before 1970": -5, "after 2106": 1 << 33,
	} {
		for _, assetFirst := range []bool{false, true} {
			b := newBook()
			p := media.Placeholder{Thread: "16505551234", Group: at%2 == 0, Timestamp: at, Direction: schemas.DirectionOutbound}
			if assetFirst {
				b.Wait(start, image, []byte("asset"))
			}
			if left := values(b.Placeholder(start, image, p)); (len(left) == 1) != assetFirst {
				t.Errorf("%s: left: %q", name, left)
			}
			again := restored(t, b)
			for _, b := range []*media.Book{b, again} {
				if got, ok := b.Find(image); !ok || got != p {
					t.Errorf("%s, asset first %v: Find = %+v, %v", name, assetFirst, got, ok)
				}
			}
			again.Tick(start.Add(16 * 24 * time.Hour))
			if _, ok := again.Find(image); ok {
				t.Errorf("%s: remembered for longer than a placeholder is", name)
			}
		}
	}
}

// restored is a Book made of the state of another one.
func restored(t *testing.T, b *media.Book) *media.Book {
	t.Helper()
	again := newBook()
	b.TakeState(func(key string, value []byte) {
		if err := again.Restore(key, value); err != nil {
			t.Fatal(err)
		}
	})
	return again
}

// docs/ARCHITECTURE.md, principle 8: reaching a limit is an answer.
func TestWaitingIsBoundedByCountAndBytes(t *testing.T) {
	cfg := media.DefaultConfig()
	cfg.HoldItemsMax, cfg.HoldBytesMax = 3, 10
	b := media.New(&cfg)
	key := func(i byte) schemas.Hash { return schemas.HashBytes([]byte{i}) }
	for _, test := range []struct {
		key   byte
		value string
		want  bool
	}{{1, "four", true}, {2, "seven..", false}, {2, "three", true}, {3, "1", true}, {4, "", false}, {1, "four", true}} {
		if got := b.Wait(start, key(test.key), []byte(test.value)); got != test.want {
			t.Errorf("Wait(%d, %q) = %v, want %v", test.key, test.value, got, test.want)
		}
	}
	b.Placeholder(start, key(1), media.Placeholder{Timestamp: start.Unix()})
	if !b.Wait(start, key(4), nil) {
		t.Error("no room after one left")
	}
	cfg.Hold = 0
	if media.New(&cfg).Wait(start, image, nil) {
		t.Error("waits although hold is 0")
	}
}

func TestWaitingValueIsACopy(t *testing.T) {
	b := newBook()
	value := []byte("asset")
	b.Wait(start, image, value)
	copy(value, "XXXXX")
	if left := values(b.Tick(start.Add(time.Hour))); !slices.Equal(left, []string{"asset"}) {
		t.Fatalf("left: %q", left)
	}
}

// A follow-up that waits and leaves within one transaction needs no state record, and no tombstone.
func TestStateHasOnlyWhatOutlivesATransaction(t *testing.T) {
	b := newBook()
	b.Wait(start, image, []byte("asset"))
	b.Tick(start.Add(time.Hour))
	b.TakeState(func(key string, value []byte) { t.Errorf("state record %s", key) })
}

func TestPageOfPlaceholdersIsWrittenAgainUntilItIsFull(t *testing.T) {
	b, topic := newBook(), state{}
	written := 0
	for i := range 640 {
		b.Placeholder(start, schemas.HashBytes(fmt.Append(nil, i)), media.Placeholder{Thread: "16505551234", Timestamp: start.Unix()})
		b.TakeState(func(key string, value []byte) {
			topic[key] = value
			written += len(value)
		})
	}
	if len(topic) != 10 {
		t.Errorf("%d pages of 640 placeholders, want 10", len(topic))
	}
	if per := written / 640; per > 64*40 {
		t.Errorf("%d bytes written for each placeholder", per)
	}
}

func TestPlaceholderCostsLittleMemory(t *testing.T) {
	b := newBook()
	const n = 100_000
	for i := range n {
		b.Placeholder(start, schemas.HashBytes(fmt.Append(nil, i)), media.Placeholder{Thread: fmt.Sprint("1650555", i/100), Timestamp: start.Unix()})
	}
	if per := float64(b.MemoryBytes()) / n; per > 24 {
		t.Errorf("%.1f bytes a placeholder, want at most 24", per)
	} else {
		t.Logf("%.1f bytes a placeholder", per)
	}
}

func TestAWaitingFollowUpCostsItsBytes(t *testing.T) {
	b := newBook()
	empty := b.MemoryBytes()
	b.Wait(start, image, make([]byte, 10_000))
	waits := b.MemoryBytes()
	if waits < empty+10_100 || waits > empty+11_000 {
		t.Errorf("%d bytes with a follow-up of 10000, %d without", waits, empty)
	}
	b.Waiting(image)
	if left := b.MemoryBytes(); left != empty {
		t.Errorf("%d bytes after it left, %d before it came", left, empty)
	}
}

func TestTheLeastAndTheMostOfTheConfigAreAllowed(t *testing.T) {
	for _, c := range []media.Config{
		{Remember: time.Minute},
		{Remember: time.Minute, Hold: time.Minute},
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestConfigNamesKeyValueAndWhatIsAllowed(t *testing.T) {
	good := media.DefaultConfig()
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*media.Config){
		"processor.media.remember: 0s is not allowed; allowed: 1m0s or more": func(c *media.Config) { c.Remember = 0 },
		"processor.media.hold: -1s is not allowed; allowed: 0s or more":      func(c *media.Config) { c.Hold = -time.Second },
		"processor.media.hold: 2h0m0s is not allowed; allowed: at most processor.media.remember (1h0m0s)": func(c *media.Config) {
			c.Hold, c.Remember = 2*time.Hour, time.Hour
		},
		"processor.media.hold_items_max: -1 is not allowed; allowed: 0 or more": func(c *media.Config) { c.HoldItemsMax = -1 },
		"processor.media.hold_bytes_max: -1 is not allowed; allowed: 0 or more": func(c *media.Config) { c.HoldBytesMax = -1 },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestStateThatCannotBeReadIsNamed(t *testing.T) {
	for key, value := range map[string]string{
		"p|1": "\x01", "p|x|0": "\x01", "p|1|-1": "\x01", "x|1": "\x01", "f|x": "\x01" + strings.Repeat("x", 30), "f|1": "\x01short",
		"p|1|0": "\x01short", "p|2|0": "", "p|3|0": "\x02",
	} {
		if err := newBook().Restore(key, []byte(value)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", key)) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if err := newBook().Restore("p|1|0", nil); err != nil {
		t.Errorf("a tombstone: %v", err)
	}
}

func TestABookIsIdleWhenNothingIsHeldAndNothingIsToBeWritten(t *testing.T) {
	b := newBook()
	write := func() { b.TakeState(func(string, []byte) {}) }
	idle := func(want bool, when string) {
		t.Helper()
		if b.Idle() != want {
			t.Errorf("%s: idle is %v", when, !want)
		}
	}
	idle(true, "empty")
	b.Placeholder(start, image, media.Placeholder{Thread: "16505551234"})
	idle(false, "with a placeholder")
	write()
	idle(false, "with a placeholder that was written")
	b.Tick(start.Add(16 * 24 * time.Hour))
	idle(false, "a page is to be taken away")
	write()
	idle(true, "the page is gone")

	now := start.Add(16 * 24 * time.Hour)
	b.Wait(now, image, []byte("asset"))
	idle(false, "with a follow-up")
	write()
	b.Waiting(image)
	idle(false, "the record of the follow-up is to be taken away")
	write()
	idle(true, "the record is gone")
}

// MemoryBytes includes buckets, threads, and the placeholders that do not fit into a cell.
func TestMemoryGrowsWithAllThatIsRemembered(t *testing.T) {
	const n = 1000
	for name, test := range map[string]struct {
		placeholder func(i int) (time.Time, media.Placeholder)
		least, most int // bytes for each placeholder
	}{
		"cells": {func(int) (time.Time, media.Placeholder) { return start, media.Placeholder{Thread: "1"} }, 16, 30},
		"threads": {func(i int) (time.Time, media.Placeholder) {
			return start, media.Placeholder{Thread: strings.Repeat("x", 1000) + fmt.Sprint(i)}
		}, 1000, 2200},
		"rare": {func(int) (time.Time, media.Placeholder) { return start, media.Placeholder{Timestamp: -1} }, 16 + 128, 16 + 160},
		"buckets": {func(i int) (time.Time, media.Placeholder) {
			return start.Add(time.Duration(i) * 24 * time.Hour), media.Placeholder{}
		}, 256 + 16*16, 1000},
	} {
		b := newBook()
		for i := range n {
			at, p := test.placeholder(i)
			b.Placeholder(at, schemas.HashBytes(fmt.Append(nil, i)), p)
		}
		if per := b.MemoryBytes() / n; per < test.least || per > test.most {
			t.Errorf("%s: %d bytes each, want %d to %d", name, per, test.least, test.most)
		}
	}
}

func TestAPlaceholderThatComesTwiceIsRememberedOnce(t *testing.T) {
	b := newBook()
	for range 3 {
		for i := range 5 {
			b.Placeholder(start, schemas.HashBytes(fmt.Append(nil, i)), media.Placeholder{Thread: fmt.Sprint(i)})
		}
	}
	if n, _ := b.Len(); n != 5 {
		t.Errorf("%d placeholders, want 5", n)
	}
}

// pageOf is the state of so many placeholders of a few threads.
func pageOf(t *testing.T, n int, thread func(i int) string) (key string, value []byte) {
	t.Helper()
	b := newBook()
	for i := range n {
		b.Placeholder(start, schemas.HashBytes(fmt.Append(nil, i)), media.Placeholder{Thread: thread(i), Timestamp: start.Unix(), Direction: "inbound"})
	}
	b.TakeState(func(k string, v []byte) { key, value = k, v })
	return key, value
}

func TestAPageIsReadToTheEndOfAnEntryOnly(t *testing.T) {
	thread := func(i int) string { return []string{"16505551234", "16505551234", "US.1", ""}[i%4] }
	ends := map[int]bool{1: true} // a page of none
	for n := 1; n <= 8; n++ {
		_, value := pageOf(t, n, thread)
		ends[len(value)] = true
	}
	key, value := pageOf(t, 8, thread)
	for i := 1; i <= len(value); i++ {
		if err := newBook().Restore(key, value[:i:i]); (err == nil) != ends[i] {
			t.Errorf("cut after %d of %d bytes: %v", i, len(value), err)
		}
	}
	entry := strings.Repeat("x", 16)
	for _, bad := range []string{entry + "\x80", entry + "\x02\x01\x80", entry + "\x02\x01\x02a", entry + "\x02\x03", entry + "\x02\x03\x00", entry + "\x02\x83"} {
		if err := newBook().Restore(key, []byte("\x01"+bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// A thread stands once in a page, where its placeholders follow each other.
func TestAPageOfOneThreadNamesItOnce(t *testing.T) {
	const n = 64
	thread := strings.Repeat("x", 100)
	if _, value := pageOf(t, n, func(int) string { return thread }); len(value) > n*(16+5+1)+110 {
		t.Errorf("%d bytes for a page of one thread", len(value))
	}
}

func TestAFollowUpWithoutAValueIsRestored(t *testing.T) {
	b := newBook()
	b.Wait(start, image, nil)
	if left := values(restored(t, b).Tick(start.Add(time.Hour))); len(left) != 1 || left[0] != "" {
		t.Errorf("left: %q", left)
	}
}
