package history

import (
	"github.com/coexstream/coexstream/schemas"
)

// end ends the window: it accepts no further chunk in order. It is closed when its held chunks have left. The time is
// that of the cause, not that of its detection, so a replay has the same result.
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
	if w.closedAt == 0 { // a record of state from before the end had a time of its own
		w.closedAt = w.lastAt
	}
	w.touch()
}

func (n *Number) end(w *window, at millis, state, reason string) {
	w.end(at, state, reason)
	n.settle(w, always)
}

// settle ends a window that is complete, and closes it when it is empty. A wait counts as over if its end is not after
// waited. Only a tick passes a time; other calls pass always.
func (n *Number) settle(w *window, waited millis) {
	if t, ok := w.complete(&n.waits); ok && t <= waited {
		w.end(max(t, w.lastAt), schemas.SyncDone, schemas.SyncEndComplete)
	}
	w.closeIfEmpty()
}

// overdue reports whether a tick at t would have ended the window.
func (n *Number) overdue(w *window, t millis) bool {
	return t >= min(w.lastAt.plus(n.waits.quiet), w.openedAt.plus(n.waits.ceiling))
}

// release frees the memory of a closed window's messages. Before that, a late chunk (a 0 after the 1, for example) is
// deduplicated against the messages that left.
func (n *Number) release(w *window) {
	for ; w.pages > 0; w.pages-- {
		n.journal.put(pageKey(w.number, w.pages-1), nil)
	}
	w.known, w.pagesGone, w.changed = nil, 0, true
}

// releasedAt returns when a window's memory is released: a gap timeout after its end.
func (n *Number) releasedAt(w *window) millis {
	if !w.closed || w.known == nil {
		return never
	}
	return w.closedAt.plus(n.waits.gap)
}

// lapse ends the waits of a window that are over at t, and the window itself if its own time is over.
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

// expiry returns when a window is forgotten.
func (n *Number) expiry(w *window) millis {
	if !w.closed || w.held() > 0 {
		return never
	}
	return w.closedAt.plus(n.waits.memory)
}

// forgetOldest removes a window that is closed and holds no chunk.
func (n *Number) forgetOldest() {
	w := n.windows[0]
	if w.untold && !w.closedTold {
		n.farewell = append(n.farewell, n.sync(w))
	}
	n.missed += w.missed
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
