package partition_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// interleaved are bodies of many chunks that leave in turn: body b has the chunks b, b+n, b+2n, …, and the first chunk of all
// comes last.
func interleaved(bodies, chunks int, chunkOf func(order int) string) []string {
	all := make([]string, 0, bodies+1)
	for b := range bodies {
		all = append(all, changes(change("history", `"history":[`+many(chunks, func(i int) string { return chunkOf(2 + b + i*bodies) })+`]`)))
	}
	return append(all, changes(change("history", `"history":[`+chunkOf(1)+`]`)))
}

func plainChunk(order int) string {
	return fmt.Sprintf(`{"metadata":{"phase":0,"chunk_order":%d,"progress":1},"threads":[{"id":"16505550100","messages":[%s]}]}`, order, incoming(fmt.Sprint("m", order), ""))
}

func TestChunksOfBodiesThatLeaveInTurnAreCutOnce(t *testing.T) {
	const bodies, chunks = 3, 500
	p := newPartition(t)
	p.pieces = map[partition.ChunkRef]*split.Piece{}
	in := 0
	for _, body := range interleaved(bodies, chunks, plainChunk) {
		in += len(body)
		p.webhook(body)
	}
	var want []string
	for order := range 1 + bodies*chunks {
		want = append(want, fmt.Sprint("m", order+1))
	}
	if got := wamids(events[schemas.Message](p, schemas.TopicHistory)); !reflect.DeepEqual(got, want) {
		t.Fatalf("history is %v", got)
	}
	if p.cutAgain > 0 {
		t.Errorf("%d bytes were cut again, of %d", p.cutAgain, in)
	}

	// After a restart nothing is set apart, and each body is cut once more.
	p = newPartition(t)
	all := interleaved(bodies, chunks, plainChunk)
	for _, body := range all[:bodies] {
		p.webhook(body)
	}
	p.pieces = map[partition.ChunkRef]*split.Piece{}
	p.restart()
	p.webhook(all[bodies])
	if got := wamids(events[schemas.Message](p, schemas.TopicHistory)); !reflect.DeepEqual(got, want) {
		t.Fatalf("history after a restart is %v", got)
	}
	if p.cutAgain > in {
		t.Errorf("after a restart %d bytes were cut again, of %d", p.cutAgain, in)
	}
}

// A chunk that leaves as a piece gives the same events, state and letters as one that is cut out of its body: byte for
// byte and in the same order. Numbers take turns.
func TestAChunkLeavesAsAPieceAsItDoesFromItsBody(t *testing.T) {
	seed, made := seed.Of(t), 0
	defer func() {
		if made < 1000 {
			t.Errorf("there were %d pieces", made)
		}
	}()
	for range 60 {
		seed++
		r := rand.New(rand.NewPCG(seed, 1))
		var got [2][]record
		bodies := oddBodies(r)
		restartAt := r.IntN(len(bodies) + 1)
		limit := 16<<10 + r.IntN(1<<12)
		for i, pieces := range []map[partition.ChunkRef]*split.Piece{nil, {}} {
			p := newPartition(t)
			p.cfg.EventBytesMax = limit
			p.pieces = pieces
			p.restart()
			for k, body := range bodies {
				if k == restartAt {
					p.restart()
				}
				p.webhook(body)
			}
			p.tick(48 * 3600 * 1e9)
			for topic, records := range p.topics {
				if topic != schemas.TopicState {
					got[i] = append(got[i], records...)
				}
			}
			newest := map[string]record{}
			for _, r := range p.topics[schemas.TopicState] {
				newest[r.key] = r
			}
			for _, key := range slices.Sorted(maps.Keys(newest)) {
				got[i] = append(got[i], newest[key])
			}
			made += len(p.pieces)
		}
		for _, records := range got {
			slices.SortStableFunc(records, func(a, b record) int {
				return cmp.Or(cmp.Compare(a.topic, b.topic), strings.Compare(a.headers["ce_source"], b.headers["ce_source"]), strings.Compare(a.headers["__dlq.errors.offset"], b.headers["__dlq.errors.offset"]))
			})
		}
		if len(got[0]) != len(got[1]) {
			t.Fatalf("seed %d: %d records, and %d with pieces", seed, len(got[0]), len(got[1]))
		}
		for k := range got[0] {
			a, b := got[0][k], got[1][k]
			if a.topic == schemas.TopicDLQ && b.value == nil {
				a.value = nil // the body is in the log
			}
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("seed %d: record %d is\n%s %s %s %v\nand with pieces\n%s %s %s %v", seed, k, a.topic, a.key, a.value, a.headers, b.topic, b.key, b.value, b.headers)
			}
		}
	}
}

// A part that was left out of a chunk at its arrival stays left out when the chunk leaves with others of its body.
func TestAPartThatWasLeftOutDoesNotLeaveWithItsChunk(t *testing.T) {
	p := newPartition(t)
	p.cfg.EventBytesMax = 16 << 10
	p.restart()
	long := strings.Repeat("x", 16<<10)
	p.webhook(changes(change("history", `"history":[`+many(3, func(i int) string {
		return fmt.Sprintf(`{"metadata":{"phase":0,"chunk_order":%d},"threads":[{"id":"%s","messages":[%s,%s]}]}`, i+2, user,
			incoming(fmt.Sprint("m", i+2), ""), incoming(fmt.Sprint("long", i+2), `,"text":{"body":"`+long+`"}`))
	})+`]`)))
	p.webhook(chunk(0, 1, 10, "m1"))
	if got := wamids(events[schemas.Message](p, schemas.TopicHistory)); !slices.Equal(got, []string{"m1", "m2", "m3", "m4"}) {
		t.Errorf("history is %v", got)
	}
	if l := p.theLetter(); l.headers[schemas.HeaderDLQPlaces] != "0.0.history.0.threads.0.messages.1,0.0.history.1.threads.0.messages.1,0.0.history.2.threads.0.messages.1" {
		t.Errorf("the letter is about %s", l.headers[schemas.HeaderDLQPlaces])
	}
}

// oddBodies have chunks of all kinds in their history[], contacts[] short and long, numbers in turn, and groups.
func oddBodies(r *rand.Rand) (bodies []string) {
	people := 1 + r.IntN(30)
	person := func() string {
		n := r.IntN(people)
		return []string{fmt.Sprintf("1650555%04d", n), fmt.Sprintf("+1 650 555 %04d", n), fmt.Sprintf("US.%d", n), ""}[r.IntN(4)]
	}
	message := func(id int) string {
		var more string
		switch r.IntN(6) {
		case 0:
			more = fmt.Sprintf(`,"group_id":"g%d"`, r.IntN(3))
		case 1:
			more = fmt.Sprintf(`,"from_user_id":"US.%d"`, r.IntN(people))
		case 2:
			more = fmt.Sprintf(`,"to":"%s","history_context":{"from_me":%v}`, person(), r.IntN(2) == 0)
		case 3:
			more = `,"text":{"body":"` + strings.Repeat("x", r.IntN(18<<10)) + `"}`
		case 4:
			more = `,"odd":1,"odd":2`
		}
		return fmt.Sprintf(`{"from":"%s","id":"wamid.%d","timestamp":"17392%05d","type":"text"%s}`, person(), id, id, more)
	}
	next := 0
	orders := r.Perm(120)
	for range 2 + r.IntN(4) {
		var all []string
		for range 1 + r.IntN(3) {
			contacts := many(r.IntN(25), func(int) string {
				return fmt.Sprintf(`{"profile":{"name":"N%d"},"wa_id":"%s","user_id":"%s"}`, r.IntN(1000), person(), person())
			})
			chunks := many(1+r.IntN(25), func(int) string {
				next++
				return fmt.Sprintf(`{"metadata":{"phase":%d,"chunk_order":%d,"progress":1},"threads":[%s]}`, r.IntN(2), 1+orders[next%len(orders)], many(r.IntN(3), func(int) string {
					return fmt.Sprintf(`{"id":"%s","context":{"username":"u%d"},"messages":[%s]}`, person(), r.IntN(9), many(r.IntN(4), func(i int) string { return message(10*next + i) }))
				}))
			})
			display := ""
			if r.IntN(2) == 0 {
				display = `,"display_phone_number":"15550783881"`
			}
			all = append(all, fmt.Sprintf(`{"field":"history","value":{"metadata":{"phone_number_id":"%d"%s},"contacts":[%s],"history":[%s]}}`, 1+r.IntN(2), display, contacts, chunks))
		}
		bodies = append(bodies, changes(strings.Join(all, ",")))
	}
	return bodies
}
