package history

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Boundary is an account event between two onboardings: the number was offboarded, removed from the
// partner, reconnected, or added to the partner.
type Boundary struct {
	// Opens reports that the event only begins an onboarding: a sync that runs is the one that it began.
	Opens      bool
	Time       time.Time // entry.time, when it happened, in seconds; zero: the webhook had none
	ReceivedAt time.Time // from the raw record
	// Seq numbers the events that the owner keeps for many numbers, from 1. 0: the record of the number holds the event.
	Seq int64
}

// BoundarySlack is the maximum error of the times of events. They are in seconds, and sometimes one second out of
// order.
const BoundarySlack = 2 * time.Second

// pendingMax bounds the pending boundaries. Beyond it, the oldest one is dropped, and the two windows that it would
// separate become one.
const pendingMax = 64

// failureBytesMax bounds the stored errors of a decline. Meta's sample has 200 bytes.
const failureBytesMax = 64 << 10

// Boundary records an account event. It takes effect with the first chunk, decline or tick at or after it.
func (n *Number) Boundary(_ time.Time, b Boundary) {
	b.ReceivedAt = at(b.ReceivedAt).time()
	if !b.Time.IsZero() {
		b.Time = at(b.Time).time()
	}
	n.seq = max(n.seq, b.Seq)
	for i := range n.pending {
		if p := &n.pending[i]; !b.Time.IsZero() && p.Time.Equal(b.Time) && p.Opens == b.Opens {
			// The same event was delivered again: the earlier receipt counts.
			if p.ReceivedAt.After(b.ReceivedAt) {
				n.pending = slices.Delete(n.pending, i, i+1)
				break
			}
			return
		}
	}
	i, _ := slices.BinarySearchFunc(n.pending, b, func(a, b Boundary) int { return a.ReceivedAt.Compare(b.ReceivedAt) })
	n.pending = slices.Insert(n.pending, i, b)
	if len(n.pending) > pendingMax {
		n.pending = slices.Delete(n.pending, 0, 1)
	}
	n.note(b)
}

// passBoundaries applies the boundaries received until t.
func (n *Number) passBoundaries(t millis) {
	for len(n.pending) > 0 && at(n.pending[0].ReceivedAt) <= t {
		b := n.pending[0]
		n.pending = slices.Delete(n.pending, 0, 1)
		fence, fenced := n.fence, n.fenced
		n.pass(b)
		n.passed(b, fence != n.fence || fenced != n.fenced)
	}
	if len(n.pending) == 0 {
		n.pending = nil
	}
}

// parts reports whether a boundary separates the last window from later chunks.
func (n *Number) parts(b Boundary) bool {
	w := n.last()
	switch {
	case w == nil:
		return false // the first chunk opens a window anyway
	// The two times of receipt are exact. The time of the event is not.
	case at(b.ReceivedAt) <= w.openedAt, !b.Time.IsZero() && at(b.Time) <= w.openedAt.plus(span(BoundarySlack)):
		return false // it concerns the window before
	case b.Opens && !w.ended && !n.overdue(w, at(b.ReceivedAt)):
		return false // it began the sync that runs
	}
	return true
}

func (n *Number) pass(b Boundary) {
	if !n.parts(b) {
		return
	}
	w := n.last()
	if b.Opens && !w.ended {
		n.lapse(w, at(b.ReceivedAt))
	}
	if !w.ended {
		n.end(w, max(at(b.ReceivedAt), w.openedAt), schemas.SyncOffboarded, schemas.SyncEndOffboarded)
	}
	if b.Opens {
		n.setFence(at(b.ReceivedAt), fenceOpens)
	} else {
		n.setFence(at(b.ReceivedAt), fenceCloses)
	}
}

// setFence makes the first chunk received at t or later begin a new window. Of two fences without a chunk between them,
// the first one counts. The caller records that the record of the number is old.
func (n *Number) setFence(t millis, kind fenceKind) {
	if n.fenced != fenceNone {
		t = min(t, n.fence)
	}
	n.fence, n.fenced = t, max(kind, n.fenced)
}

// Decline records that the business does not share its history. failure is history[].errors[], verbatim; Decline copies
// it.
func (n *Number) Decline(_, receivedAt time.Time, failure []byte) {
	t := at(receivedAt)
	n.passBoundaries(t)
	w := n.last()
	switch {
	case w == nil:
		w = n.open(always, t)
	case n.fenced != fenceNone && t < n.fence || t < w.openedAt:
		return // of a window that has ended, or from before the first chunk of this one
	case n.fenced == fenceDecline:
		return // a repetition
	case n.fenced != fenceNone:
		w = n.open(n.fence, t)
	case w.ended:
		w = n.open(t, t)
	case w.chunks > 0 && n.declinedBefore(w):
		return // of the window before, delivered again
	}
	w.failure = errorsOf(failure)
	n.end(w, t, schemas.SyncDeclined, schemas.SyncEndDeclined)
	n.setFence(t, fenceDecline)
	n.changed = true
}

func (n *Number) declinedBefore(w *window) bool {
	i := slices.Index(n.windows, w)
	return i > 0 && n.windows[i-1].reason == schemas.SyncEndDeclined
}

// errorsOf returns a copy of a decline's errors. A single object becomes an array of one. Other values, and errors that
// are too long for every change of the sync, stay in the raw log only.
func errorsOf(b []byte) json.RawMessage {
	if len(b) > 0 && b[0] == '{' {
		b = slices.Concat([]byte{'['}, b, []byte{']'})
	}
	var objects []map[string]json.RawMessage
	if len(b) > failureBytesMax || json.Unmarshal(b, &objects) != nil || len(objects) == 0 {
		return nil
	}
	for _, o := range objects {
		if o == nil { // null
			return nil
		}
	}
	return slices.Clone(b)
}
