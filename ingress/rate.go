package ingress

import (
	"sync/atomic"
	"time"
)

// rate limits the use in a second by the generic cell rate algorithm, with one atomic number and no lock (ADR 0039). A
// second's worth may be used at once. A larger cost passes after a second without use, and delays later ones.
type rate struct {
	perSecond int64        // 0: no limit
	spent     atomic.Int64 // the time until which the use is spread, in nanoseconds
}

// rateMost is the largest rate. At this rate a cost of 256 MiB is still some milliseconds.
const rateMost = 64 << 30

// exhausted reports whether take would refuse any cost.
func (r *rate) exhausted(now time.Time) bool {
	return r.perSecond > 0 && r.spent.Load() > now.UnixNano()
}

// take uses cost. It returns false when the limit is reached.
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
