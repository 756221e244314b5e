package judge

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// none is the value of a missing phase, order or progress.
const none = math.MinInt32

// chunk is one chunk of one onboarding window.
type chunk struct {
	digest                 truth.Digest
	part                   int32
	window                 int32
	phase, order, progress int32
	from, to               int32 // items
	place                  int32 // in the window's order, from 0
	lastIndex              int32 // last event of a chunk that left late
	mayBeLate              bool
	pending                bool // held behind a gap whose wait is not over
	twin                   bool // the same chunk as another one, in other bytes
}

func (c *chunk) placed() bool { return c.phase != none && c.order != none }

// window is one onboarding window of a number.
type window struct {
	id     int32
	chunks []int32 // all of the truth, then those in the raw log, in order
	holes  bool    // a chunk of it is not in the raw log
	cut    bool    // it has unknown gaps: chunks that were never sent
	counts struct{ chunks, messages int64 }
	sure   bool // counts are certain
	// gaps has, for each chunk that the raw log lacks, the receipt of the first chunk behind it in its phase.
	gaps []int64

	failures []failure
}

// failure is an error in place of a chunk.
type failure struct {
	body         int32
	digest       truth.Digest // of the chunk with the error
	told         truth.Failure
	phase, order int32
}

func (n *number) window(id int32) *window {
	for _, w := range n.windows {
		if w.id == id {
			return w
		}
	}
	w := &window{id: id, sure: true}
	n.windows = append(n.windows, w)
	slices.SortFunc(n.windows, func(a, b *window) int { return int(a.id - b.id) })
	return w
}

const (
	// slack is the maximum difference between the clocks of two machines.
	slack = time.Second
	// tickGrace is how far the time of the partitions stays behind the clock, by contract. A record that is
	// acknowledged within it is in time.
	tickGrace = 5 * time.Second
	// reroutedLag is how long a body that concerns several WABAs may take to the partition of each. The partition of its
	// raw record may be behind, and the others do not know of the body.
	reroutedLag = time.Hour
)

// readAt returns the latest time that can have passed for a partition when it read a body. An earlier record of its
// partition lets time pass up to its receipt, and that can be later, because requests overtake each other. Without such
// a record, time passes up to tickGrace before the body is in the log, which is no later than its acknowledgement.
func (b *bodyRecord) readAt() int64 {
	at := b.receivedMS + slack.Milliseconds()
	if b.first.topic == schemas.TopicRawBulk { // the other inputs let no time pass
		at = max(at, b.passedMS)
	}
	if b.split {
		at = max(at, b.receivedMS+reroutedLag.Milliseconds())
	}
	return max(at, b.ackedMS-tickGrace.Milliseconds())
}

// arrange sorts the chunks in the raw log, and finds those that may be late.
func (j *Judge) arrange(w *window) {
	var here []int32
	var absent []int32
	seen := map[truth.Digest]bool{}
	for _, i := range w.chunks {
		c := &j.chunks[i]
		if !j.bodyOf(c).present() {
			absent = append(absent, i)
			continue
		}
		if seen[c.digest] {
			c.twin = true
			continue
		}
		seen[c.digest] = true
		here = append(here, i)
	}
	slices.SortStableFunc(here, func(a, b int32) int { return j.compare(&j.chunks[a], &j.chunks[b]) })
	for place, i := range here {
		j.chunks[i].place, j.chunks[i].lastIndex = int32(place), -1
	}
	w.holes = len(absent) > 0
	for _, i := range absent {
		j.suspend(&j.chunks[i], here)
		if at := j.firstBehind(&j.chunks[i], here); at != 0 {
			w.gaps = append(w.gaps, at)
		}
	}
	w.chunks = here
	j.findLate(here)
	if j.cut {
		w.cut = j.suspendUnsent(here)
		w.holes = w.holes || w.cut
	}
}

// firstBehind returns the receipt of the first chunk behind a missing one in its phase; 0: there is none.
func (j *Judge) firstBehind(missing *chunk, here []int32) (ms int64) {
	for _, i := range here {
		if c := &j.chunks[i]; missing.placed() && c.placed() && c.phase == missing.phase && c.order > missing.order {
			if at := j.bodyOf(c).receivedMS; ms == 0 || at < ms {
				ms = at
			}
		}
	}
	return ms
}

func (j *Judge) bodyOf(c *chunk) *bodyRecord { return &j.bodies[j.parts[c.part].body] }

// compare returns the order in which chunks leave: by phase and order; those without a place by arrival.
func (j *Judge) compare(a, b *chunk) int {
	if !a.placed() || !b.placed() {
		return int(j.bodyOf(a).offset - j.bodyOf(b).offset)
	}
	if a.phase != b.phase {
		return int(a.phase - b.phase)
	}
	return int(a.order - b.order)
}

// suspend marks the chunks behind a gap as held, unless the gap was given up by now.
func (j *Judge) suspend(hole *chunk, here []int32) {
	if hole.placed() {
		j.hold(hole, here, math.MinInt64, j.opt.GapTimeout+j.opt.PhaseHold)
	}
}

// hold marks the chunks behind a place as held, unless the wait for the missing ones is over by now. The wait begins
// when the first held one came, but not before since. It reports whether there are any.
func (j *Judge) hold(at *chunk, here []int32, since int64, wait time.Duration) bool {
	first := int64(math.MaxInt64)
	for _, i := range here {
		if c := &j.chunks[i]; c.placed() && j.compare(c, at) > 0 {
			first = min(first, j.bodyOf(c).receivedMS)
		}
	}
	if first == math.MaxInt64 {
		return false
	}
	until := time.UnixMilli(max(first, since)).Add(wait)
	if j.opt.AsOf.After(until) {
		return true
	}
	if until.After(j.heldUntil) {
		j.heldUntil = until
	}
	for _, i := range here {
		if c := &j.chunks[i]; c.placed() && j.compare(c, at) > 0 {
			c.pending = true
		}
	}
	return true
}

// suspendUnsent finds the gaps of an interrupted run: the truth does not have chunks that were never sent, but the
// processor waits for them. It reports whether there are any.
func (j *Judge) suspendUnsent(here []int32) bool {
	phases := map[int32][]int32{}
	for _, i := range here { // which is sorted
		if c := &j.chunks[i]; c.placed() {
			phases[c.phase] = append(phases[c.phase], i)
		}
	}
	found := false
	hole := func(phase, order int32, since int64, wait time.Duration) {
		found = j.hold(&chunk{phase: phase, order: order}, here, since, wait) || found
	}
	begun, next := int32(0), int32(0) // lower phases were seen; the order after the highest one of them
	for _, phase := range slices.Sorted(maps.Keys(phases)) {
		members := phases[phase]
		if phase > begun {
			hole(phase-1, math.MaxInt32, math.MinInt64, j.opt.GapTimeout+j.opt.PhaseHold)
		}
		begun = phase + 1
		expected, finished, last := int32(1), false, int64(math.MinInt64)
		for k, i := range members {
			c := &j.chunks[i]
			if c.order > expected && (k > 0 || c.order != next) {
				hole(phase, c.order-1, math.MinInt64, j.opt.GapTimeout+j.opt.PhaseHold)
			}
			expected = c.order + 1
			finished = finished || c.progress == 100
			last = max(last, j.bodyOf(c).receivedMS)
		}
		next = expected
		if !finished {
			hole(phase, math.MaxInt32, last, 2*j.opt.PhaseHold)
		}
	}
	return found
}

// findLate marks the chunks whose place may have passed at their arrival.
func (j *Judge) findLate(here []int32) {
	phases := map[int32][]int32{}
	for _, i := range here {
		if c := &j.chunks[i]; c.placed() {
			phases[c.phase] = append(phases[c.phase], i)
		}
	}
	quietAt := quiet(j.arrivals(here), math.MinInt64, j.opt.QuietTime)
	for phase, members := range phases {
		later := int64(math.MaxInt64)
		before := map[int32]int64{} // chunk_order in the phases before, and the arrival of the first chunk of each
		for other, them := range phases {
			if other > phase {
				later = min(later, j.arrivals(them)[0].received)
				continue
			}
			for _, i := range them {
				if c := &j.chunks[i]; other < phase {
					at, seen := before[c.order]
					if b := j.bodyOf(c); !seen || b.receivedMS < at {
						before[c.order] = b.receivedMS
					}
				}
			}
		}
		// The phase counts as finished if no chunk of it came for the hold while a later one waited.
		heldAt := int64(math.MaxInt64)
		if later != math.MaxInt64 {
			heldAt = quiet(j.arrivals(members), later, j.opt.PhaseHold)
		}
		behind := int64(math.MaxInt64) // first arrival of a chunk of the phase with a higher order
		goesOn := int64(math.MaxInt64) // since when a chunk with a higher order would continue a phase before
		for k := len(members) - 1; k >= 0; k-- {
			c := &j.chunks[members[k]]
			b := j.bodyOf(c)
			at := b.readAt()
			c.mayBeLate = at >= heldAt || at >= quietAt ||
				behind != math.MaxInt64 && at >= behind+j.opt.GapTimeout.Milliseconds() ||
				goesOn != math.MaxInt64 && at >= goesOn+j.opt.PhaseHold.Milliseconds()
			if k > 0 && j.chunks[members[k-1]].order == c.order { // two texts of one chunk
				c.mayBeLate, j.chunks[members[k-1]].mayBeLate = true, true
			}
			if c.order == 0 && k+1 < len(members) {
				// A phase starts with 1 until a 0 is seen.
				next := j.bodyOf(&j.chunks[members[k+1]])
				c.mayBeLate = c.mayBeLate || b.split || next.split || next.first != b.first || next.offset < b.offset
			}
			if k+1 < len(members) && j.chunks[members[k+1]].order == c.order && j.chunks[members[k+1]].mayBeLate {
				c.mayBeLate = true
			}
			behind = min(behind, b.receivedMS)
			if at, ok := before[c.order-1]; ok {
				goesOn = min(goesOn, max(at, b.receivedMS))
			}
		}
	}
}

// arrival is the receipt of a chunk, and the latest time that can have passed when it was read.
type arrival struct{ received, read int64 }

// arrivals returns the arrivals of chunks, sorted by their receipt.
func (j *Judge) arrivals(chunks []int32) []arrival {
	at := make([]arrival, len(chunks))
	for k, i := range chunks {
		b := j.bodyOf(&j.chunks[i])
		at[k] = arrival{b.receivedMS, b.readAt()}
	}
	slices.SortFunc(at, func(a, b arrival) int { return cmp.Compare(a.received, b.received) })
	return at
}

// quiet returns the first moment, not before since, at which no chunk may have arrived for the hold.
func quiet(arrivals []arrival, since int64, hold time.Duration) int64 {
	k := sort.Search(len(arrivals), func(k int) bool { return arrivals[k].received > since })
	from := since
	if k > 0 {
		from = max(from, arrivals[k-1].received)
	}
	for ; k < len(arrivals); k++ {
		if from != math.MinInt64 && arrivals[k].read-from >= hold.Milliseconds() {
			break
		}
		from = arrivals[k].received
	}
	if from == math.MinInt64 || from > math.MaxInt64-hold.Milliseconds() {
		return math.MaxInt64
	}
	return from + hold.Milliseconds()
}

// name returns the chunk's place in words.
func (c *chunk) name() string {
	if !c.placed() {
		return "chunk without a place"
	}
	return fmt.Sprintf("phase %d, chunk %d", c.phase, c.order)
}
