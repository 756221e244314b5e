package history

import (
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Held returns the number of held chunks.
func (n *Number) Held() (held int) {
	for _, w := range n.windows {
		held += w.held()
	}
	return held
}

// Gaps returns the number of open gaps in all remembered windows, given up or lost.
func (n *Number) Gaps() (gaps int) {
	for _, w := range n.windows {
		for i := range w.phases {
			gaps += int(w.phases[i].gapCount())
		}
	}
	return gaps
}

// TakeMissed returns the number of gaps since the previous call. A restored number begins with 0.
func (n *Number) TakeMissed() (missed int64) {
	missed, n.missed = n.missed, 0
	for _, w := range n.windows {
		missed += w.missed
		w.missed = 0
	}
	return missed
}

// Running returns when the newest window opened, if it is still open.
func (n *Number) Running() (openedAt time.Time, ok bool) {
	if w := n.last(); w != nil && !w.ended && !n.Awaiting() {
		return w.openedAt.time(), true
	}
	return time.Time{}, false
}

// Opened returns when the newest window opened.
func (n *Number) Opened() (openedAt time.Time, ok bool) {
	if w := n.last(); w != nil {
		return w.openedAt.time(), true
	}
	return time.Time{}, false
}

// Awaiting reports whether the next chunk can be the first of a new sync. This is so before the first window, and after
// an account event that separates windows.
func (n *Number) Awaiting() bool {
	return n.count == 0 || n.fenced != fenceNone || slices.ContainsFunc(n.pending, n.parts)
}

// Declined returns when the decline that ended the newest window was received, and its errors, verbatim.
func (n *Number) Declined() (receivedAt time.Time, failure []byte, ok bool) {
	if w := n.last(); w != nil && w.reason == schemas.SyncEndDeclined {
		return w.closedAt.time(), w.failure, true
	}
	return time.Time{}, nil, false
}

// Untouched reports whether the number has no window and no pending boundary.
func (n *Number) Untouched() bool {
	return n.count == 0 && n.fenced == fenceNone && len(n.pending) == 0
}

// Idle reports whether the number remembers only its count of windows, and has no record to write.
func (n *Number) Idle() bool {
	return len(n.windows) == 0 && len(n.pending) == 0 && !n.next.set && len(n.farewell) == 0 && n.staging == nil && n.requests == nil && !n.changed && len(n.journal.entries) == 0
}

// Forget yields the keys of the records that an idle number has.
func (n *Number) Forget(yield func(key string)) {
	if n.recorded {
		yield(numberKey)
	}
}
