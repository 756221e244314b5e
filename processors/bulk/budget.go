package bulk

import (
	"sync/atomic"
	"time"
)

// Budget is the bulk work of one transaction. The first piece is always processed: a long chunk would never be released
// otherwise. The work ends when the bytes or the time are used up, or when live records wait. Workers share a budget. It has
// no clock: the worker passes the time in.
type Budget struct {
	Bytes       atomic.Int64
	Until       time.Time   // zero: any time
	TurnItems   int         // items of a body that are processed before the worker asks again
	LiveWaiting func() bool // live records wait to be polled
	Started     atomic.Bool // the first piece was started
	AtHandOnly  bool        // only work without a wait for the log or for a parse of a long body
}

// TryStart reports whether another piece may start now, and counts it as started.
func (b *Budget) TryStart(now time.Time) bool {
	if b.Bytes.Load() <= 0 {
		return false
	}
	return !b.Started.Swap(true) || (b.Until.IsZero() || now.Before(b.Until)) && !b.LiveWaiting()
}

// HasRoom reports whether TryStart would. It starts nothing.
func (b *Budget) HasRoom(now time.Time) bool {
	return b.Bytes.Load() > 0 && (!b.Started.Load() || b.TryStart(now))
}

// Spend takes bytes from the budget.
func (b *Budget) Spend(bytes int) { b.Bytes.Add(-int64(bytes)) }
