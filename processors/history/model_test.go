package history

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

var seed = flag.Uint64("seed", 0, "play this seed only")

const seeds = 1000

func eachSeed(t *testing.T, play func(t *testing.T, rng *rand.Rand)) {
	from, to := uint64(1), uint64(seeds)
	if *seed != 0 {
		from, to = *seed, *seed
	}
	for s := from; s <= to; s++ {
		play(t, rand.New(rand.NewPCG(s, 0)))
		if t.Failed() {
			t.Fatalf("play again with -run %s -seed %d", t.Name(), s)
		}
	}
}

// naive knows everything that will come: it sorts.
func naive(s scenario) (sorted []Ref) {
	type slot struct {
		ref Ref
		p   place
	}
	var slots []slot
	for _, e := range s.events {
		if e.kind != eventChunk {
			continue
		}
		p := place{window: e.window, phase: e.chunk.Phase, order: e.chunk.Order}
		if !slices.ContainsFunc(slots, func(s slot) bool { return s.p.compare(p) == 0 }) {
			slots = append(slots, slot{e.chunk.Ref, p})
		}
	}
	slices.SortFunc(slots, func(a, b slot) int { return a.p.compare(b.p) })
	for _, s := range slots {
		sorted = append(sorted, s.ref)
	}
	return sorted
}

// TestChunksThatComeInTimeLeaveAsIfSorted covers docs/webhooks.md: chunks arrive out of order and again, phases
// overlap and are absent, chunk_order restarts or runs through, progress is overall or by phase.
func TestChunksThatComeInTimeLeaveAsIfSorted(t *testing.T) {
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		s := randomScenario(rng, true)
		var got []Ref
		r := run{owner: newOwner(t, DefaultConfig())}
		r.verdict = func(event, Verdict) {}
		r.departure = func(d Departure, _ []message) {
			if d.Late {
				t.Errorf("late: %s", describe(d))
			}
			got = append(got, d.Ref)
		}
		r.play(s, rng, rng.IntN(2) == 0)
		r.finish()
		if want := naive(s); !slices.Equal(got, want) {
			t.Errorf("left %v\nwant %v", got, want)
		}
	})
}

// book is what a random run must not break.
type book struct {
	t        *testing.T
	accepted map[Ref]event
	seen     map[string]int // copies of the same chunk that are held or left
	left     map[Ref]bool
	waiting  map[Ref]place
	places   map[int32][]place // that left, by window
	inOrder  map[int32]place   // the last one that left in order
	emitted  map[string]schemas.Rank
	windows  map[int32]int32 // truth by window
}

func newBook(t *testing.T) *book {
	return &book{
		t: t, accepted: make(map[Ref]event), seen: make(map[string]int), left: make(map[Ref]bool),
		waiting: make(map[Ref]place), places: make(map[int32][]place), inOrder: make(map[int32]place),
		emitted: make(map[string]schemas.Rank), windows: make(map[int32]int32),
	}
}

func sameChunk(e event) string {
	c := e.chunk
	return fmt.Sprint(e.window, c.Phase, c.HasOrder, c.Order, c.Digest)
}

func (b *book) verdict(e event, v Verdict) {
	if has := b.seen[sameChunk(e)] > 0; has != (v == Duplicate) {
		b.t.Errorf("chunk %v: duplicate is %v, though it was seen: %v", e.chunk, v == Duplicate, has)
	}
	if v == Accepted && e.chunk.Failed {
		b.seen[sameChunk(e)]++
	} else if v == Accepted {
		b.accepted[e.chunk.Ref] = e
		b.seen[sameChunk(e)]++
		b.waiting[e.chunk.Ref] = place{e.window, e.chunk.Phase, e.chunk.Order, e.chunk.HasOrder}
	}
}

func (b *book) departure(d Departure, readable, closed bool) {
	e, ok := b.accepted[d.Ref]
	if !ok || b.left[d.Ref] {
		b.t.Errorf("%s was not accepted, or left twice", describe(d))
	}
	b.left[d.Ref] = true
	delete(b.waiting, d.Ref)
	if !readable {
		b.seen[sameChunk(e)]--
	}
	if truth, ok := b.windows[d.Window]; ok && truth != e.window {
		b.t.Errorf("%s of sync %d left in a window of sync %d", describe(d), e.window, truth)
	}
	b.windows[d.Window] = e.window
	p := placeOf(d)
	if p.phase != e.chunk.Phase && p.ordered || p.ordered != e.chunk.HasOrder || p.order != e.chunk.Order && p.ordered {
		b.t.Errorf("%s is not the position of %v", describe(d), e.chunk)
	}
	if d.Known == nil && !closed || closed && !d.Late {
		b.t.Errorf("%s is of a closed window: %v", describe(d), closed)
	}
	if !p.ordered {
		return
	}
	behind := slices.ContainsFunc(b.places[d.Window], func(q place) bool { return p.compare(q) <= 0 })
	b.places[d.Window] = append(b.places[d.Window], p)
	if d.Late {
		if !behind && !closed {
			b.t.Errorf("%s is late, though nothing at or behind its place had left", describe(d))
		}
		return
	}
	if behind {
		b.t.Errorf("%s is not late, though something at or behind its place had left", describe(d))
	}
	for ref, q := range b.waiting {
		if q.ordered && q.window == e.window && q.compare(place{e.window, p.phase, p.order, true}) < 0 {
			b.t.Errorf("%s left before its predecessor %v (%+v)", describe(d), ref, q)
		}
	}
}

// TestNothingIsLostNothingLeavesTwiceNothingBeforeItsPredecessor plays hours of late, lost, repeated and
// contradicting chunks of every kind of sync.
func TestNothingIsLostNothingLeavesTwiceNothingBeforeItsPredecessor(t *testing.T) {
	late, gaps, complete, messages := 0, 0, 0, 0
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		s := randomScenario(rng, false)
		b := newBook(t)
		r := run{owner: newOwner(t, DefaultConfig()), verdict: b.verdict}
		if rng.IntN(2) == 0 {
			r.parts = rng
		}
		var window int32
		r.departure = func(d Departure, emitted []message) {
			_, readable := r.log[d.Ref]
			b.departure(d, readable, r.closed)
			if d.Window < window && !r.closed {
				t.Errorf("%s leaves in an open window after one of window %d", describe(d), window)
			}
			window = max(window, d.Window)
			if d.Late {
				late++
			}
			for _, m := range emitted {
				key := fmt.Sprint(d.Window, m.id)
				if was, again := b.emitted[key]; again && was >= m.rank && d.Known != nil {
					t.Errorf("message %s left in window %d twice, at rank %d and %d", m.id, d.Window, was, m.rank)
				}
				b.emitted[key] = m.rank
				messages++
			}
		}
		r.step = func(int) {
			held := r.n.Held()
			if limit := 8<<10 + 64*held + 24*len(b.accepted) + 24*1000; r.n.MemoryBytes() > limit {
				t.Errorf("%d bytes for %d held chunks and %d accepted", r.n.MemoryBytes(), held, len(b.accepted))
			}
			r.commit()
		}
		r.play(s, rng, false)
		r.finish()
		for ref := range b.accepted {
			if !b.left[ref] {
				t.Errorf("%v was accepted and never left", ref)
			}
		}
		for _, w := range r.n.windows {
			t.Errorf("window %d is remembered for good", w.number)
		}
		r.commit()
		for i, told := range r.syncs {
			// For a window before the last, the sync may keep a held chunk that came after its end.
			held := told.ChunksHeld != 0 && i == len(r.syncs)-1
			if told.State == schemas.SyncRunning || held || told.EndedAt == nil {
				t.Errorf("in the end: %s", describeSync(told))
			}
			if told.EndReason == schemas.SyncEndComplete {
				complete++
			}
			for _, p := range told.Phases {
				gaps += len(p.Gaps)
			}
		}
		if len(r.state) != 1 || r.state[numberKey] == nil {
			t.Errorf("state that is left: %d records", len(r.state))
		}
	})
	t.Logf("%d messages, %d late chunks, %d gaps told, %d syncs complete", messages, late, gaps, complete)
	if *seed == 0 && (messages == 0 || late == 0 || gaps == 0 || complete == 0) {
		t.Error("the scenarios do not reach what they should")
	}
}

// TestARestartChangesNothing restores the number from its records at random moments, also between the parts of a chunk.
// Departures, syncs and waits are the same as without restarts.
func TestARestartChangesNothing(t *testing.T) {
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		s := randomScenario(rng, false)
		dice, patient := rng.Uint64(), rng.IntN(8) == 0
		tell := func(restarts *rand.Rand) (story []string) {
			r := run{owner: newOwner(t, DefaultConfig())}
			r.parts = restarts
			r.verdict = func(e event, v Verdict) { story = append(story, fmt.Sprint(e.chunk.Ref, v)) }
			r.departure = func(d Departure, emitted []message) {
				story = append(story, fmt.Sprint(describe(d), d.Ref, d.Messages, emitted))
			}
			r.step = func(i int) {
				r.commit()
				for _, told := range r.syncs {
					story = append(story, describeSync(told))
				}
				r.syncs = nil
				story = append(story, fmt.Sprintf("%d: deadline %v", i, r.n.Deadline()))
				if restarts != nil && restarts.IntN(4) == 0 {
					r.restart(restarts)
				}
			}
			r.play(s, rand.New(rand.NewPCG(dice, 1)), patient)
			if restarts != nil {
				r.restart(restarts)
			}
			r.finish()
			return story
		}
		want, got := tell(nil), tell(rng)
		for i := range min(len(want), len(got)) {
			if want[i] != got[i] {
				t.Fatalf("restarted: %s\nwithout:   %s", got[i], want[i])
			}
		}
		if len(want) != len(got) {
			t.Errorf("restarted it tells %d things, without %d", len(got), len(want))
		}
	})
}
