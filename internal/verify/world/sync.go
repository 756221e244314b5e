package world

import "math"

// A message takes about this many bytes of a chunk; at most this many, with everything around it.
const (
	messageBytes    = 330
	messageBytesMax = 420
)

// planSync plans the chunks of one onboarding of a number and returns their bodies in order.
func (w *World) planSync(n *number, window int32, salt uint64) []int {
	d := roll(w.cfg.Seed, atPlan, uint64(n.index), uint64(window), salt)
	spans := w.windowSpans(n, window)
	if spans[0][0] == spans[2][1] {
		return nil
	}
	numbering, overall := w.cfg.Numbering, w.cfg.Progress == ProgressOverall
	if numbering == NumberingMixed {
		numbering = [...]string{NumberingRestart, NumberingThrough, NumberingNone}[d.n(3)]
	}
	if w.cfg.Progress == ProgressMixed {
		overall = d.chance(0.5)
	}
	start := int32(1)
	if d.chance(w.cfg.ZeroStart) {
		start = 0
	}
	size := w.chunkMessages(&d)
	if n.ycloud {
		numbering, size = NumberingNone, 1 // a message for each event
	}
	first, total := len(w.chunks), spans[2][1]-spans[0][0]
	order, done := start, 0
	for phase, span := range spans {
		if numbering == NumberingRestart {
			order = start
		}
		phaseDone := 0
		for from := span[0]; from < span[1]; {
			// Chunks of one phase differ in size, the last one most.
			to := min(span[1], from+max(1, size/2+d.n(size/2+1)))
			if n.ycloud {
				to = from + 1
			}
			c := chunk{
				number: int32(n.index), window: window, phase: int32(phase), order: order, from: int32(from), to: int32(to),
			}
			done, phaseDone = done+to-from, phaseDone+to-from
			if overall {
				c.progress = int32(100 * done / total)
			} else {
				c.progress = int32(100 * phaseDone / (span[1] - span[0]))
			}
			if numbering == NumberingNone {
				c.order = -1
			}
			if !n.ycloud {
				c.odd, c.failure = d.odd(w.cfg.Odd), c.order >= 0 && d.chance(w.cfg.Failures/2)
			}
			w.chunks = append(w.chunks, c)
			order++
			from = to
		}
	}
	if !n.ycloud {
		w.overlap(w.chunks[first:], &d)
	}
	bodies := make([]int, 0, len(w.chunks)-first)
	for i := first; i < len(w.chunks); i++ {
		bodies = append(bodies, w.add(body{changes: []change{{kind: changeChunk, number: int32(n.index), a: int32(i)}}}))
	}
	return bodies
}

// failures plans the errors of some of a sync's chunks, the first of which is given: they come all the same.
func (p *planner) failures(first int) (bodies []int) {
	for i := first; i < len(p.w.chunks) && len(bodies) < failuresMax; i++ {
		if c := &p.w.chunks[i]; c.order >= 0 && p.d.chance(p.w.cfg.Failures) {
			bodies = append(bodies, p.w.add(body{changes: []change{{kind: changeFailure, number: c.number, a: int32(i)}}, solo: true}))
		}
	}
	return bodies
}

// failuresMax keeps most syncs, with the errors that stand beside messages, below what a sync lists.
const failuresMax = 8

// windowSpans are the messages of each phase. A second onboarding tells again the last third of the
// first one's messages, and before them the fresh ones.
func (w *World) windowSpans(n *number, window int32) [3][2]int {
	if window == 1 {
		a, b := n.spans[0], n.spans[0]+n.spans[1]
		return [3][2]int{{0, a}, {a, b}, {b, n.messages()}}
	}
	count := n.messages()
	// Two at least, for the first two phases: the processor waits for a phase of which nothing comes.
	from, to := count-min(count, max(count/3, 2)), count+max(n.fresh, 1)
	// The fresh ones come last by index and are the first phase: a window's messages are one range.
	a := from + (count-from)/2
	return [3][2]int{{from, a}, {a, max(a+1, count)}, {max(a+1, count), max(to, a+2)}}
}

func (w *World) chunkMessages(d *dice) int {
	lo, hi := math.Log(float64(w.cfg.ChunkBytesMin)), math.Log(float64(w.cfg.ChunkBytesMax))
	size := math.Exp(lo + (hi-lo)*d.share())
	if w.cfg.ChunkBytesMin == w.cfg.ChunkBytesMax {
		size = float64(w.cfg.ChunkBytesMax)
	}
	return max(1, int(size/messageBytesMax))
}

// overlap lets some chunks repeat messages of another chunk of the same onboarding.
func (w *World) overlap(chunks []chunk, d *dice) {
	if len(chunks) < 2 {
		return
	}
	for i := range chunks {
		if !d.chance(w.cfg.OverlapRate) {
			continue
		}
		other := &chunks[(i+1+d.n(len(chunks)-1))%len(chunks)]
		c := &chunks[i]
		// A twentieth at most keeps the body within its limit.
		count := min(int32(1+d.n(40)), other.to-other.from, max(1, (c.to-c.from)/20))
		c.againFrom = other.from + int32(d.n(int(other.to-other.from-count)+1))
		c.againTo, c.front = c.againFrom+count, d.chance(0.5)
	}
}
