package history

import (
	"github.com/coexstream/coexstream/schemas"
)

// end stops the window from taking anything in order. It is closed when what it holds has left.
// The time is that of what ended it, not of when that was noticed: who processes the log again comes to the
// same.
func (w *window) end(at millis, state, reason string) {
	w.ended, w.closedAt, w.state, w.reason = true, at, state, reason
	w.touch()
	w.closeIfEmpty()
}

func (w *window) closeIfEmpty() {
	if !w.ended || w.closed || w.held() > 0 {
		return
	}
	w.closed = true
	if w.closedAt == 0 { // a record of state of before the end had a time of its own
		w.closedAt = w.lastAt
	}
	w.touch()
}

func (n *Number) end(w *window, at millis, state, reason string) {
	w.end(at, state, reason)
	n.settle(w, always)
}

// settle ends a window that is complete, and closes it when it is empty. waited is the time until which
// waiting may end: always, but for a tick.
func (n *Number) settle(w *window, waited millis) {
	if t, ok := w.complete(&n.waits); ok && t <= waited {
		w.end(max(t, w.lastAt), schemas.SyncDone, schemas.SyncEndComplete)
	}
	w.closeIfEmpty()
}

// overdue reports whether a window should have ended by a time, had there been a tick.
func (n *Number) overdue(w *window, t millis) bool {
	return t >= min(w.lastAt.plus(n.waits.quiet), w.openedAt.plus(n.waits.ceiling))
}

// release gives the memory of a closed window's messages back. Until then a chunk that comes late, a 0 after
// the 1 for example, still knows which of its messages have left.
func (n *Number) release(w *window) {
	for ; w.pages > 0; w.pages-- {
		n.journal.put(pageKey(w.number, w.pages-1), nil)
	}
	w.known, w.pagesGone, w.changed = nil, 0, true
}

// releasedAt is when a window's memory is given back: as long after its end as a hole is waited for.
func (n *Number) releasedAt(w *window) millis {
	if !w.closed || w.known == nil {
		return never
	}
	return w.closedAt.plus(n.waits.gap)
}

// lapse ends what a window waited for until a time, and the window itself where its own time is over.
func (n *Number) lapse(w *window, t millis) {
	for !w.ended {
		s := w.decide(&n.waits)
		if s.action <= releases || s.until > t {
			break
		}
		w.endWait(s)
	}
	n.settle(w, t)
	ceiling, quiet := w.openedAt.plus(n.waits.ceiling), w.lastAt.plus(n.waits.quiet)
	switch {
	case w.ended:
	case t >= ceiling && ceiling <= quiet:
		n.end(w, ceiling, schemas.SyncDone, schemas.SyncEndCeiling)
	case t >= quiet:
		n.end(w, quiet, schemas.SyncDone, schemas.SyncEndQuiet)
	}
}

// expiry is when a window is forgotten.
func (n *Number) expiry(w *window) millis {
	if !w.closed || w.held() > 0 {
		return never
	}
	return w.closedAt.plus(n.waits.memory)
}

// forgetOldest drops a window that is closed and holds nothing.
func (n *Number) forgetOldest() {
	w := n.windows[0]
	if w.untold && !w.closedTold {
		n.farewell = append(n.farewell, n.sync(w))
	}
	n.release(w)
	n.windows[0] = nil
	n.windows = n.windows[1:]
	n.journal.put(windowKey(w.number), nil)
	for i := range w.chunks {
		n.journal.put(chunkKey(w.number, i), nil)
	}
	if len(n.windows) == 0 {
		n.fenced = fenceNone
	}
	n.changed = true
}
