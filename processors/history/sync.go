package history

import (
	"math"
	"slices"

	"github.com/coexstream/coexstream/schemas"
)

// gapsToldMax bounds the gaps of a phase that a sync's state lists.
const gapsToldMax = 64

// TakeSync returns a sync whose state has changed since the last call. Call it until it returns false. A closed window
// comes before the one that follows it. After its closing, TakeSync returns nothing more of a window before the last,
// because the newest record is the state of the number's sync.
func (n *Number) TakeSync() (schemas.Sync, bool) {
	n.retold = false
	if len(n.farewell) > 0 {
		s := n.farewell[0]
		n.farewell = slices.Delete(n.farewell, 0, 1)
		return s, true
	}
	pending := n.requests != nil && n.requests.Window == 0 // the newest record is that of the requests
	for i, w := range n.windows {
		lastOne := i == len(n.windows)-1 && !pending
		if w.untold && (lastOne || !w.closedTold) {
			w.untold = false
			w.closedTold = w.closed
			if pending {
				n.requests.behind = !n.requests.untold
				n.requests.untold = true
			}
			return n.sync(w), true
		}
		w.untold = false
		if !w.closed && !pending {
			break
		}
	}
	if pending && n.requests.untold {
		n.retold = n.requests.behind
		n.requests.untold, n.requests.behind = false, false
		return n.pendingSync(n.requests), true
	}
	return schemas.Sync{}, false
}

// Retold reports whether TakeSync returned the same state of a request before. It returns it again behind the sync of a
// window.
func (n *Number) Retold() bool {
	return n.retold
}

// Retell makes TakeSync return the newest sync although nothing changed. It reports whether that was necessary.
func (n *Number) Retell() bool {
	w := n.last()
	if r := n.requests; r != nil && r.Window == 0 {
		told := !r.untold
		r.untold = true
		return told
	}
	if w == nil || w.untold {
		return false
	}
	w.untold = true
	return true
}

func (n *Number) sync(w *window) schemas.Sync {
	s := schemas.Sync{
		WABAID: n.id.WABAID, PhoneNumberID: n.id.PhoneNumberID, DisplayPhoneNumber: n.id.DisplayPhoneNumber,
		Window: w.number, State: schemas.SyncRunning, OrderKnown: w.orderKnown,
		Phases: make([]schemas.SyncPhase, len(w.phases)), Progress: w.progress,
		Chunks: w.left, ChunksHeld: int64(w.held()), ChunksLate: w.late, ChunksDuplicate: w.duplicate,
		ChunksLost: w.lost, Messages: w.messages, Duplicates: w.duplicates,
		OpenedAt: w.openedAt.time(), LastAt: w.lastAt.time(), Error: w.failure,
		Errors: slices.Clone(w.errors), ErrorsOmitted: w.errorsOmitted,
	}
	if w.closed {
		s.State, s.EndReason = w.state, w.reason
		ended := w.closedAt.time()
		s.EndedAt = &ended
	} else if until := w.deadline(&n.waits); until != never {
		deadline := until.time()
		s.DeadlineAt = &deadline
	}
	if r := n.requests; r != nil && r.Window == w.number {
		n.tellRequests(&s, r, w)
	}
	for i := range w.phases {
		s.Phases[i] = w.phaseState(i)
	}
	for i, live := 0, w.loose.live(); i < len(live); i++ {
		if h := &live[i]; h.flags&hasPhase != 0 {
			s.Phases[w.phase(h.phase)].Held++
		}
	}
	return s
}

func (w *window) phaseState(i int) schemas.SyncPhase {
	p := &w.phases[i]
	s := schemas.SyncPhase{
		Phase: p.number, Left: p.left, Held: int64(p.held.len()), Progress: p.progress,
	}
	if !p.ordered {
		return s
	}
	s.Next = clamp(w.expected(i))
	s.Finished = p.held.len() == 0 && p.gapCount() == 0 && (p.full || p.over || int64(p.number) < w.reach) && !w.anyFailed(p.number) && !w.unfinished(i)
	tell := func(g schemas.SyncGap) {
		if len(s.Gaps) == gapsToldMax {
			s.GapsOmitted++
			return
		}
		s.Gaps = append(s.Gaps, g)
	}
	for _, g := range p.gaps {
		tell(schemas.SyncGap{
			From: clamp(g.From), To: clamp(g.To), Since: g.Since.time(), GivenUp: !g.Lost, Lost: g.Lost,
		})
	}
	s.GapsOmitted += p.forgot
	if w.ended {
		return s // its held chunks leave at once
	}
	next := w.expected(i)
	if before := w.before(i); before >= 0 && !p.started && w.numbering == numberingUnknown {
		if p.lowest > w.phases[before].highest {
			next = p.lowest // it is not known yet whether chunks are missing at its start
		}
	}
	var first [gapsToldMax]gap
	n := p.holes(next, first[:])
	s.Gaps = slices.Grow(s.Gaps, min(n, gapsToldMax-len(s.Gaps)))
	for i := range min(n, len(first)) {
		tell(schemas.SyncGap{From: clamp(first[i].From), To: clamp(first[i].To), Since: first[i].Since.time()})
	}
	s.GapsOmitted += int64(max(n-len(first), 0))
	return s
}

// holes counts the missing runs of orders from next on, below the held chunks. It also returns the first runs, each
// with the receipt of the first chunk behind it. Each transaction calls it, and there may be as many runs as held
// chunks.
func (p *phase) holes(next int64, first []gap) (n int) {
	behind := never // when the first chunk behind the last gap was received
	p.held.each(func(h *held) {
		order := int64(h.order)
		if order > next {
			if n > 0 && n <= len(first) {
				first[n-1].Since = behind
			}
			if n < len(first) {
				first[n] = gap{From: next, To: order - 1}
			}
			if n++; n <= len(first) {
				behind = never
			}
		}
		behind = min(behind, h.at)
		next = max(next, order+1)
	})
	for k := min(n, len(first)) - 1; k >= 0; k-- {
		if k == n-1 || k == len(first)-1 {
			first[k].Since = behind
		} else {
			first[k].Since = min(first[k].Since, first[k+1].Since)
		}
	}
	return n
}

func clamp(order int64) int32 { return int32(min(order, math.MaxInt32)) }
