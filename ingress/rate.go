package ingress

import (
	"sync/atomic"
	"time"
)

// rate limits how much is taken in a second, by the generic cell rate algorithm: one number, no lock, no
// allocation. What a second allows may come at once. A cost beyond that passes when nothing was taken for a
// second, and what follows waits for the longer.
type rate struct {
	perSecond int64        // 0: no limit
	spent     atomic.Int64 // the time until which what was taken is spread, in nanoseconds
}

// rateMost is the largest rate: with it a cost of 256 MiB still spreads over a time that can be told.
const rateMost = 64 << 30

// exhausted tells whether take would refuse any cost.
func (r *rate) exhausted(now time.Time) bool {
	return r.perSecond > 0 && r.spent.Load() > now.UnixNano()
}

// take takes cost, or tells that there is not enough.
func (r *rate) take(now time.Time, cost int64) bool {
	if r.perSecond == 0 {
		return true
	}
	at := now.UnixNano()
	spread := int64(float64(cost) / float64(r.perSecond) * float64(time.Second))
	for {
		spent := r.spent.Load()
		from := max(spent, at-int64(time.Second))
		if from+min(spread, int64(time.Second)) > at {
			return false
		}
		if r.spent.CompareAndSwap(spent, from+spread) {
			return true
		}
	}
}
