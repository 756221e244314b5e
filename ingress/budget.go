package ingress

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// budget bounds the memory of all bodies in the server. Short bodies, long bodies, and decoded bodies have shares of their
// own, so that a flood of history cannot displace a live message.
//
// A short body reserves bytes as it arrives, or is refused at once. A long body waits for its bytes while the rest of it
// waits in the socket: backpressure costs the sender less than a second transfer. It reserves all that it may need at
// once, so that no two bodies wait for each other. An encoded body reserves its decoded length after it was read. It then
// waits while it has other shares; a body that has its decoded share waits for no other share, so there is no deadlock.
//
// Clients without a right signature lately share half of the room of long bodies, so that known senders do not wait
// behind them. While short bodies arrive on unverified connections, those of known and of unknown clients have a third of
// that room each. So bodies that have arrived always find room, and known clients do not depend on unknown ones.
type budget struct {
	short      atomic.Int64
	shortMost  int64
	arriving   [standings]atomic.Int64 // of short, for bodies on unverified connections that are arriving
	long       share
	unverified share // of long
	decoding   share
}

// share is a bounded number of bytes that callers can wait for.
type share struct {
	sem   *semaphore.Weighted
	taken atomic.Int64
}

// shortBytesMax is the longest body that counts as short.
const shortBytesMax = 64 << 10

// newBudget divides total bytes. Each share has room for the longest body, and for the longest decoded body.
func newBudget(total, longest, decoded int64) *budget {
	short, long, decoding := shares(total, longest, decoded)
	return &budget{
		shortMost: short,
		long:      share{sem: semaphore.NewWeighted(long)}, decoding: share{sem: semaphore.NewWeighted(decoding)},
		unverified: share{sem: semaphore.NewWeighted(max(long/2, longest))},
	}
}

// shares divides total bytes.
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

// standing is the knowledge about the client of an unverified connection.
type standing uint8

const (
	standingUnknown standing = iota // no right signature lately
	standingKnown                   // a right signature lately, on another connection
	standings
)

// arrivingMost is the room of arriving bodies of a standing. Above it, one makes room for another. An evicted body takes a
// moment to release its bytes, so that a little more is allowed.
func (b *budget) arrivingMost() int64 { return b.shortMost / 3 }

// acquireArriving reserves n bytes of the room of arriving bodies of a standing. evict evicts one of them.
func (b *budget) acquireArriving(n int64, of standing, evict func(standing) bool) bool {
	taken, most := b.arriving[of].Add(n), b.arrivingMost()
	if taken <= most || taken <= most+most/4 && evict(of) {
		return true
	}
	b.arriving[of].Add(-n)
	return false
}

// scarce reports whether three quarters of the share of short bodies are reserved.
func (b *budget) scarce() bool { return b.short.Load() > b.shortMost/4*3 }

// evictEvery is the time between two evictions for a long body that waits.
const evictEvery = 100 * time.Millisecond

// acquire reserves n bytes. It waits until the deadline, and meanwhile evicts slow bodies if open is not nil.
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

// evictUntil evicts slow bodies until done is closed.
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

// tryAcquire reserves n bytes if that is possible without waiting.
func (s *share) tryAcquire(n int64) bool {
	if !s.sem.TryAcquire(n) {
		return false
	}
	s.taken.Add(n)
	return true
}

// reserved returns the number of reserved bytes.
func (b *budget) reserved() int64 {
	return b.short.Load() + b.long.taken.Load() + b.decoding.taken.Load()
}
