package partition

import (
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Size is the amount of state of a partition.
type Size struct {
	Numbers int // known numbers
	Running int // numbers whose sync is open
	Waiting int // numbers that hold chunks
	Held    int // chunks held
	// Requested has the requested syncs by their status; nil: there are none.
	Requested map[string]int
	Gaps      int // gaps that were given up or lost, and not filled since
	// Largest is the number of numbers of the largest business. Business is a hash of its WABA.
	Largest  int
	Business string
	// OfSource is the number of numbers of the source that named most of them first, and Source its name.
	OfSource int
	Source   string

	Deferred           int // deferred records
	DeferredBytes      int64
	DeferredBusinesses int
	Longest            Longest
}

// Longest is the business whose deferred records wait longest.
type Longest struct {
	Business string
	Since    time.Time // when the first of them was received
	Records  int       // 0: none waits
}

// businessHashLength is the length of the hash of a WABA, where its name must not be used.
const businessHashLength = 12

// Size returns the size of the state.
func (p *Partition) Size() Size {
	s := Size{Numbers: p.recency.n}
	p.deferral.size(&s)
	var largest *business
	for _, b := range p.businesses {
		if n := len(b.numbers); n > s.Largest {
			s.Largest, largest = n, b
		}
	}
	if largest != nil {
		s.Business = schemas.HashBytes([]byte(largest.id)).Hex()[:businessHashLength]
	}
	for _, m := range p.sourceShares {
		if m.numbers > s.OfSource {
			s.OfSource, s.Source = m.numbers, m.source
		}
	}
	p.recency.each(func(n *number) {
		if held := n.history.Held(); held > 0 {
			s.Held += held
			s.Waiting++
		}
		if _, open := n.history.Running(); open {
			s.Running++
		}
		s.Gaps += n.history.Gaps()
		if status := n.history.Status(); status != "" {
			if s.Requested == nil {
				s.Requested = map[string]int{}
			}
			s.Requested[status]++
		}
	})
	return s
}
