package partition_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
)

// heldOf returns the next held chunk, and its record read again.
func (p *harness) heldOf() (partition.HeldChunk, *partition.Origin, *split.Body) {
	p.t.Helper()
	h, ok := p.core.NextHeld()
	if !ok {
		p.t.Fatal("no chunk is held")
	}
	b, err := split.NewScanner(split.Limits{}).Scan(append([]byte{}, p.raw[h.Ref().Offset].body...))
	if err != nil {
		p.t.Fatal(err)
	}
	return h, p.origin(int(h.Ref().Offset)), b
}

// process writes a body to the raw log and processes it, without releasing held chunks.
func (p *harness) process(body string, replay *partition.Replay) {
	p.t.Helper()
	at := len(p.raw)
	p.raw = append(p.raw, rawRecord{[]byte(body), p.clock})
	o := p.origin(at)
	if o.Replay = replay; replay != nil {
		p.copied[at] = replay
		p.core.PassFor(o, o.ReceivedAt)
		if !p.core.Replayed(o) {
			p.t.Fatal("the copy is not processed")
		}
	}
	b, err := p.scanner.Scan([]byte(body))
	if err != nil {
		p.t.Fatal(err)
	}
	p.core.Webhook(o, b)
}

// holdTwo makes a partition of two numbers, each with a long chunk that has to be read again before it leaves.
func holdTwo(t *testing.T, messages int) *harness {
	t.Helper()
	p := newPartition(t)
	of := func(number, body string) string { return strings.ReplaceAll(body, phone, number) }
	for _, number := range []string{"1001", "1002"} {
		var ids []string
		for i := range messages {
			ids = append(ids, fmt.Sprintf("%s-%04d", number, i))
		}
		p.process(of(number, chunk(0, 2, 100, ids...)), nil)
		p.process(of(number, chunk(0, 1, 50, number+"-first")), nil)
	}
	return p
}

// Several numbers take turns, a part each. A chunk that left in part is still held, before any next number.
func TestReleaseReportsWhetherTheChunkIsStillHeld(t *testing.T) {
	const messages = 3 * partition.PartItems
	p := holdTwo(t, messages)
	p.core.Bound(partition.Turn{Items: 1})
	from := map[int64]int{}
	var order []int64
	left := map[int64]bool{}
	for len(left) < 2 {
		h, o, b := p.heldOf()
		at := h.Ref().Offset
		if h.From() != from[at] {
			t.Fatalf("the chunk of record %d goes on at message %d, want %d", at, h.From(), from[at])
		}
		order = append(order, at)
		from[at] += partition.PartItems
		if got, want := h.Release(o, b), from[at] == messages; got != want {
			t.Fatalf("record %d, %d of %d messages have left: Release reports %v", at, from[at], messages, got)
		} else if got {
			left[at] = true
		}
	}
	if got, want := fmt.Sprint(order), "[0 2 0 2 0 2]"; got != want {
		t.Errorf("the records were read in the order %s, want %s", got, want)
	}
	if h, ok := p.core.NextHeld(); ok {
		t.Errorf("%+v is held after all have left", h.Ref())
	}
}

// NextHeld may be asked any number of times, but what it returned is consumed once: a second use would release, or give
// up, a chunk of which nobody knows the bytes.
func TestAHeldChunkIsConsumedOnce(t *testing.T) {
	uses := map[string]func(partition.HeldChunk, *partition.Origin, *split.Body){
		"released": func(h partition.HeldChunk, o *partition.Origin, b *split.Body) { h.Release(o, b) },
		"lost":     func(h partition.HeldChunk, _ *partition.Origin, _ *split.Body) { h.Lost() },
	}
	for first, use := range uses {
		for second, again := range uses {
			for _, items := range []int{0, 1} { // 1: a part of it leaves, and the rest is another handle's
				t.Run(fmt.Sprintf("%s, then %s, limit %d", first, second, items), func(t *testing.T) {
					p := holdTwo(t, 2*partition.PartItems)
					p.core.Bound(partition.Turn{Items: items})
					h, o, b := p.heldOf()
					if same, ok := p.core.NextHeld(); !ok || same != h {
						t.Fatalf("asked again, the next held chunk is %+v, want %+v", same.Ref(), h.Ref())
					}
					use(h, o, b)
					next, _, _ := p.heldOf()
					func() {
						defer func() {
							if recover() == nil {
								t.Error("the chunk was consumed twice")
							}
						}()
						again(h, o, b)
					}()
					if now, _, _ := p.heldOf(); now != next {
						t.Errorf("the next held chunk is %+v, want %+v", now.Ref(), next.Ref())
					}
				})
			}
		}
	}
}

// A chunk of a replay with a state of its own is released in that state. Another call may ask for the next held chunk
// meanwhile, and the live state has one only afterwards.
func TestAHeldChunkBelongsToTheStateThatHeldIt(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 2, 100, "b1", "b2"))
	p.webhook(chunk(0, 1, 50, "a1"))
	p.clock = p.clock.Add(time.Minute)
	replay := &partition.Replay{ID: []byte("r1"), Own: true, Seen: p.clock}
	for offset := range 2 {
		p.process(string(p.raw[offset].body), replay)
	}
	h, o, b := p.heldOf()
	if _, again, _ := p.heldOf(); again.Offset != o.Offset || o.Replay == nil {
		t.Fatalf("the held chunk is of record %d, and is a copy: %v", o.Offset, o.Replay != nil)
	}
	if !h.Release(o, b) {
		t.Error("the chunk is still held")
	}
	p.commit()
	if got, want := len(p.of("r1")), len(p.of("")); got != want || got != 3 {
		t.Errorf("%d events of the replay, %d before it, want 3", got, want)
	}
}
