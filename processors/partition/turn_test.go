package partition_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// inTurns processes a record whose chunks leave in turns, and returns how many messages left in each call. after is called
// between two calls.
func (p *harness) inTurns(body string, u partition.Turn, after func()) (left []int) {
	p.t.Helper()
	p.raw = append(p.raw, rawRecord{[]byte(body), p.clock})
	history := func() (n int) {
		for _, r := range p.pending {
			if r.topic == schemas.TopicHistory {
				n++
			}
		}
		return n + len(p.topics[schemas.TopicHistory])
	}
	scan := func(offset int) *split.Body {
		b, err := p.scanner.Scan(append([]byte{}, p.raw[offset].body...))
		if err != nil {
			p.t.Fatal(err)
		}
		return b
	}
	offset := len(p.raw) - 1
	before := history()
	call := func(do func()) {
		p.core.Bound(u)
		do()
		p.core.Bound(partition.Turn{})
		left = append(left, history()-before)
		before = history()
		after()
	}
	b := scan(offset)
	call(func() { p.core.Webhook(p.origin(offset), b) })
	for {
		h, ok := p.core.NextHeld()
		if !ok {
			return left
		}
		if len(left)%2 == 0 { // the owner has released the body meanwhile
			b = scan(int(h.Ref().Offset))
		}
		call(func() { h.Release(p.origin(int(h.Ref().Offset)), b) })
	}
}

// TestABodyOfManyChunksThatLeavesInTurnsIsTheSame: the events do not depend on how much leaves in a call, on where
// transactions end, and on restarts. A limit of items bounds the items of a call, for any division of the body into
// chunks.
func TestABodyOfManyChunksThatLeavesInTurnsIsTheSame(t *testing.T) {
	const chunksOfBody, perChunk = 40, 30
	var all []string
	for c := range chunksOfBody {
		var ms []string
		for i := range perChunk {
			ms = append(ms, text(fmt.Sprintf("m%02d.%02d", c, i)))
		}
		all = append(all, fmt.Sprintf(`{"metadata":{"phase":0,"chunk_order":%d,"progress":%d},"threads":[{"id":"%s","messages":[%s]}]}`,
			c+1, 100*(c+1)/chunksOfBody, user, strings.Join(ms, ",")))
	}
	bodyOf := func(elements []string) string {
		return envelope("history", value(`"history":[`+strings.Join(elements, ",")+`]`))
	}
	backward := slices.Clone(all)
	slices.Reverse(backward)
	for name, body := range map[string]string{"forward": bodyOf(all), "backward": bodyOf(backward)} {
		whole := newPartition(t)
		whole.webhook(body)
		want := whole.topics[schemas.TopicHistory]
		if len(want) != chunksOfBody*perChunk {
			t.Fatalf("%s: %d events", name, len(want))
		}
		for _, u := range []partition.Turn{{Items: 1}, {Items: 200}, {OneChunk: true}, {Items: 10, OneChunk: true}} {
			for restarts := range 3 { // none; transactions; transactions and restarts
				p := newPartition(t)
				left := p.inTurns(body, u, func() {
					if restarts > 0 {
						p.commit()
					}
					if restarts > 1 {
						p.restart()
					}
				})
				p.commit()
				got := p.topics[schemas.TopicHistory]
				if len(got) != len(want) {
					t.Fatalf("%s, %+v: %d events, want %d", name, u, len(got), len(want))
				}
				for i := range got {
					if got[i].key != want[i].key || string(got[i].value) != string(want[i].value) || !maps.Equal(got[i].headers, want[i].headers) {
						t.Fatalf("%s, %+v: event %d is %s, want %s", name, u, i, got[i].value, want[i].value)
					}
				}
				most := perChunk
				if !u.OneChunk {
					most = u.Items + partition.PartItems
				} else if left[0] != 0 {
					t.Errorf("%s, %+v: %d messages left with the body", name, u, left[0])
				}
				if slices.Max(left) > most {
					t.Errorf("%s, %+v: %v messages left in the calls, want at most %d in each", name, u, left, most)
				}
			}
		}
	}
}

// TestTurnsCostNoState: a chunk that leaves in many turns of one transaction writes the state of one that leaves at once.
func TestTurnsCostNoState(t *testing.T) {
	var ids []string
	for i := range 1000 {
		ids = append(ids, fmt.Sprint("m", i))
	}
	whole, p := newPartition(t), newPartition(t)
	whole.webhook(chunk(0, 1, 50, ids...))
	if left := p.inTurns(chunk(0, 1, 50, ids...), partition.Turn{Items: 1}, func() {}); len(left) < 8 {
		t.Fatalf("%v messages left in the calls; want many calls", left)
	}
	p.commit()
	want, got := whole.topics[schemas.TopicState], p.topics[schemas.TopicState]
	if len(got) != len(want) {
		t.Fatalf("%d records of state, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].key != want[i].key || len(got[i].value) != len(want[i].value) {
			t.Errorf("record %d is %s with %d bytes, want %s with %d", i, got[i].key, len(got[i].value), want[i].key, len(want[i].value))
		}
	}
}
