package judge

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/coexstream/coexstream/internal/verify/truth"
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
	mayBeLate              bool  // its place may have passed when it was in the log, at the latest when it was acknowledged
	unsure                 bool  // or when it had been in the spool for a while
	lateFrom               int64 // the time from which its place has passed: a wait is over
	waited                 bool  // lateFrom counts only the chunks before it in the log
	closedMS, closedSentMS int64 // an account event behind it that ended the window: received, first sent; 0: none
	pending                bool  // held behind a gap whose wait is not over
	twin                   bool  // the same chunk as another one, in other bytes
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
	closed struct {
		known  bool
		at     place
		offset int64 // of the first chunk that left late because the window was closed
	}
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

// arrange sorts the chunks in the raw log, and finds those that may be late.
func (j *Judge) arrange(n *number, w *window) {
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
	j.findPassed(n, w)
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

// name returns the chunk's place in words.
func (c *chunk) name() string {
	if !c.placed() {
		return "chunk without a place"
	}
	return fmt.Sprintf("phase %d, chunk %d", c.phase, c.order)
}
