package ingress

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// allowance bounds failures, of each client and of all clients together. Only failures count, so that correct requests use
// nothing up. Its memory is fixed: clients whose addresses have the same hash share a cell.
type allowance struct {
	client, all quota
	begun       time.Time // monotonic: setting the clock has no effect
	seed        maphash.Seed
	clients     [allowanceCells]atomic.Int64
	total       atomic.Int64
}

const allowanceCells = 4096

// quota is a rate with a burst. Use is stored as the time until which it is spread over the rate.
type quota struct {
	each  float64 // nanoseconds for one; 0: no limit
	burst time.Duration
}

// newAllowance allows failures at a rate in a second, and bursts of some seconds' worth. A rate of 0 is no limit.
func newAllowance(client, all float64, clientAtOnce, allAtOnce time.Duration) *allowance {
	per := func(second float64) float64 {
		if second == 0 {
			return 0
		}
		return float64(time.Second) / second
	}
	return &allowance{
		client: quota{per(client), clientAtOnce}, all: quota{per(all), allAtOnce},
		begun: time.Now(), seed: maphash.MakeSeed(),
	}
}

// now returns a time that is later than the longest burst.
func (a *allowance) now() int64 {
	return int64(time.Since(a.begun) + max(a.client.burst, a.all.burst))
}

func (a *allowance) cell(c clientAddress) *atomic.Int64 {
	return &a.clients[maphash.Comparable(a.seed, c)%allowanceCells]
}

// exhausted returns the limit that is reached.
func (a *allowance) exhausted(c clientAddress) limit {
	now := a.now()
	switch {
	case a.client.each > 0 && a.cell(c).Load() > now:
		return limitClient
	case a.total.Load() > now:
		return limitAll
	}
	return limitNone
}

// charge counts n failures.
func (a *allowance) charge(c clientAddress, n int) {
	now := a.now()
	if a.client.each > 0 {
		a.client.charge(a.cell(c), now, n)
	}
	a.all.charge(&a.total, now, n)
}

func (q *quota) charge(cell *atomic.Int64, now int64, n int) {
	for {
		until := cell.Load()
		next := max(until, now-int64(q.burst)) + int64(q.each*float64(n))
		if cell.CompareAndSwap(until, next) {
			return
		}
	}
}

// knownClients stores addresses that sent webhooks with a right signature lately, at most allowanceCells. Their hashes
// are in groups; a new one in a full group replaces another.
type knownClients struct {
	seed   maphash.Seed
	groups [allowanceCells / knownGroup][knownGroup]atomic.Uint64 // hashes; 0: none
}

const knownGroup = 8

func newKnownClients() *knownClients { return &knownClients{seed: maphash.MakeSeed()} }

func (k *knownClients) hash(c clientAddress) (h uint64, group *[knownGroup]atomic.Uint64) {
	h = maphash.Comparable(k.seed, c) | 1<<63
	return h, &k.groups[h%uint64(len(k.groups))]
}

func (k *knownClients) add(c clientAddress) {
	h, group := k.hash(c)
	at := (h >> 32) % knownGroup
	for i := range group {
		switch group[i].Load() {
		case h:
			return
		case 0:
			at = uint64(i)
		}
	}
	group[at].Store(h)
}

func (k *knownClients) has(c clientAddress) bool {
	h, group := k.hash(c)
	for i := range group {
		if group[i].Load() == h {
			return true
		}
	}
	return false
}
