package ingress

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// budget bounds the memory of all bodies in the server. Short and long bodies have shares of their own,
// so that a flood of history cannot keep a live message out.
//
// A short body takes its share or is refused at once. A long one waits for its turn while its bytes
// wait in the socket: backpressure costs the sender less than sending megabytes again. It takes all
// that it can come to need in one piece, so that no two wait for each other.
type budget struct {
	short     atomic.Int64
	shortMost int64
	long      *semaphore.Weighted
	longTaken atomic.Int64
}

// shortBytesMax is what a body can have without asking for a long share.
const shortBytesMax = 64 << 10

func newBudget(total int64) *budget {
	return &budget{shortMost: total / 4, long: semaphore.NewWeighted(total - total/4)}
}

func (b *budget) takeShort(n int64) bool {
	if b.short.Add(n) <= b.shortMost {
		return true
	}
	b.short.Add(-n)
	return false
}

func (b *budget) giveShort(n int64) { b.short.Add(-n) }

func (b *budget) takeLong(n int64, deadline, now time.Time) bool {
	if !b.long.TryAcquire(n) {
		ctx, cancel := context.WithTimeout(context.Background(), deadline.Sub(now))
		defer cancel()
		if b.long.Acquire(ctx, n) != nil {
			return false
		}
	}
	b.longTaken.Add(n)
	return true
}

func (b *budget) giveLong(n int64) {
	b.longTaken.Add(-n)
	b.long.Release(n)
}

// taken is how many bytes are reserved.
func (b *budget) taken() int64 { return b.short.Load() + b.longTaken.Load() }
