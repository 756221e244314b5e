package ingress

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// budget bounds the memory of all bodies in the server. Short bodies, long bodies, and what comes of encoded ones have shares of
// their own, so that a flood of history cannot keep a live message out.
//
// A short body takes its share as it arrives, or is refused at once. A long one waits for its turn while its bytes
// wait in the socket: backpressure costs the sender less than sending megabytes again. It takes all
// that it can come to need in one piece, so that no two wait for each other. So does an encoded one when it has been read, and who
// waits for that share holds others, but nobody who has it waits for another.
//
// Strangers share half of the room of long bodies, so that senders who are known do not wait behind them.
type budget struct {
	short      atomic.Int64
	shortMost  int64
	long       share
	unverified share // of long
	decoding   share
}

// share is one that is waited for.
type share struct {
	sem   *semaphore.Weighted
	taken atomic.Int64
}

// shortBytesMax is what a body can have without asking for a long share.
const shortBytesMax = 64 << 10

// newBudget shares out total bytes, so that the longest body, and what comes of an encoded one, have room.
func newBudget(total, longest, decoded int64) *budget {
	short, long, decoding := shares(total, longest, decoded)
	return &budget{
		shortMost: short,
		long:      share{sem: semaphore.NewWeighted(long)}, decoding: share{sem: semaphore.NewWeighted(decoding)},
		unverified: share{sem: semaphore.NewWeighted(max(long/2, longest))},
	}
}

// shares is the shares of total.
func shares(total, longest, decoded int64) (short, long, decoding int64) {
	short = total / 4
	rest := total - short
	decoding = max(decoded, min(total/8, rest-longest))
	return short, rest - decoding, decoding
}

func (b *budget) acquireShort(n int64) bool {
	if b.short.Add(n) <= b.shortMost {
		return true
	}
	b.short.Add(-n)
	return false
}

func (b *budget) releaseShort(n int64) { b.short.Add(-n) }

// scarce tells whether most of the share of short bodies is taken.
func (b *budget) scarce() bool { return b.short.Load() > b.shortMost/4*3 }

// evictEvery is how often a long body that waits asks others to make room.
const evictEvery = 100 * time.Millisecond

// acquire waits for n bytes until the deadline. Meanwhile slow bodies make room, if open is not nil.
func (s *share) acquire(n int64, deadline, now time.Time, open *openConns) bool {
	if !s.sem.TryAcquire(n) {
		ctx, cancel := context.WithTimeout(context.Background(), deadline.Sub(now))
		defer cancel()
		if open != nil {
			taken := make(chan struct{})
			defer close(taken)
			go evictUntil(taken, open, n)
		}
		if s.sem.Acquire(ctx, n) != nil {
			return false
		}
	}
	s.taken.Add(n)
	return true
}

// evictUntil has slow bodies make room until done is closed.
func evictUntil(done <-chan struct{}, open *openConns, n int64) {
	tick := time.NewTicker(evictEvery)
	defer tick.Stop()
	for {
		open.evictSlowLong(n)
		select {
		case <-tick.C:
		case <-done:
			return
		}
	}
}

func (s *share) release(n int64) {
	s.taken.Add(-n)
	s.sem.Release(n)
}

// tryAcquire takes n bytes if they are there.
func (s *share) tryAcquire(n int64) bool {
	if !s.sem.TryAcquire(n) {
		return false
	}
	s.taken.Add(n)
	return true
}

// reserved is how many bytes are reserved.
func (b *budget) reserved() int64 {
	return b.short.Load() + b.long.taken.Load() + b.decoding.taken.Load()
}
