package partition

import (
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Size is what a partition holds.
type Size struct {
	Numbers int // known
	Running int // numbers whose sync is open
	Waiting int // numbers that hold chunks
	Held    int // chunks held
	Gaps    int // holes that were given up or lost, and not filled since
	// Largest is how many numbers the business with the most of them has. Business is a hash of its WABA.
	Largest  int
	Business string
	// OfSource is how many the source has that told of the most of them first, and Source its name.
	OfSource int
	Source   string

	Deferred           int // records that wait for a turn
	DeferredBytes      int64
	DeferredBusinesses int
	Longest            Longest
}

// Longest is the business whose records wait the longest for a turn.
type Longest struct {
	Business string
	Since    time.Time // when the first of them was received
	Records  int       // 0: none waits
}

// businessHashLength is how much of a WABA's hash stands for it where its name may not stand.
const businessHashLength = 12

// Size counts over all numbers.
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
	})
	return s
}
