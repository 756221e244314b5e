package history

import (
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Held is the number of chunks that wait.
func (n *Number) Held() (held int) {
	for _, w := range n.windows {
		held += w.held()
	}
	return held
}

// Gaps is how many holes were given up or lost and are not filled, in all windows remembered.
func (n *Number) Gaps() (gaps int) {
	for _, w := range n.windows {
		for i := range w.phases {
			gaps += int(w.phases[i].gapCount())
		}
	}
	return gaps
}

// Running tells when the newest window opened, if it is still open.
func (n *Number) Running() (openedAt time.Time, ok bool) {
	if w := n.last(); w != nil && !w.ended && !n.Awaiting() {
		return w.openedAt.time(), true
	}
	return time.Time{}, false
}

// Opened tells when the newest window opened.
func (n *Number) Opened() (openedAt time.Time, ok bool) {
	if w := n.last(); w != nil {
		return w.openedAt.time(), true
	}
	return time.Time{}, false
}

// Awaiting reports whether the next chunk can be the first of a sync that nobody has seen yet: there was none,
// or an account event has parted what came from what comes.
func (n *Number) Awaiting() bool {
	return n.count == 0 || n.fenced != fenceNone || slices.ContainsFunc(n.pending, n.parts)
}

// Declined tells when the decline was received with which the newest window ended, and its errors, verbatim.
func (n *Number) Declined() (receivedAt time.Time, failure []byte, ok bool) {
	if w := n.last(); w != nil && w.reason == schemas.SyncEndDeclined {
		return w.closedAt.time(), w.failure, true
	}
	return time.Time{}, nil, false
}

// Untouched reports whether nothing of a history came yet, and no boundary was told.
func (n *Number) Untouched() bool {
	return n.count == 0 && n.fenced == fenceNone && len(n.pending) == 0
}

// Idle reports whether nothing is remembered but how many windows there were, and nothing waits to be written.
func (n *Number) Idle() bool {
	return len(n.windows) == 0 && len(n.pending) == 0 && !n.next.set && len(n.farewell) == 0 && n.staging == nil && !n.changed && len(n.journal.entries) == 0
}

// Forget names the records that an idle number has.
func (n *Number) Forget(yield func(key string)) {
	if n.recorded {
		yield(numberKey)
	}
}
