package dedup

import (
	"math/rand/v2"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

// TestNoTableGetsLong: what one message can make the set walk through is bounded, however many there are.
func TestNoTableGetsLong(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s, size := NewSet(), 1_000_000
	if testing.Short() {
		size = 100_000
	}
	for range size {
		s.Raise(schemas.Hash{Hi: r.Uint64(), Lo: r.Uint64()}, schemas.RankConcrete)
	}
	longest, tables := 0, 0
	var walk func(*table, uint8)
	walk = func(at *table, shift uint8) {
		if at.shift != shift {
			t.Fatalf("the hashes of a table share %d bits, want %d", at.shift, shift)
		}
		if at.parts == nil {
			if at.n > full(at.homes)+1 || at.homes > 2*at.n+8 {
				t.Fatalf("%d entries in %d homes", at.n, at.homes)
			}
			longest, tables = max(longest, at.homes), tables+1
			return
		}
		for i := range at.parts {
			walk(&at.parts[i], shift+partsBits)
		}
	}
	walk(&s.table, 0)
	if longest > partAt+step(partAt) || tables < size/partAt {
		t.Errorf("%d tables, of up to %d homes", tables, longest)
	}
}

// TestATableIsNeverTooFull: what an insertion moves is short, in a small table, too.
func TestATableIsNeverTooFull(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s := NewSet()
	for n := 1; n <= 20_000; n++ {
		s.Raise(schemas.Hash{Hi: r.Uint64(), Lo: r.Uint64()}, schemas.RankConcrete)
		most := s.homes * 7 / 8
		if s.homes > 2*pageSlots {
			most = s.homes * 4 / 5
		}
		if s.n != n || n > most {
			t.Fatalf("%d of %d entries in %d homes; at most %d", s.n, n, s.homes, most)
		}
	}
}

// A table for the messages of a long chunk grows a few times, not for every seventh of its size.
func TestATableGrowsSeldomForExpectedMessages(t *testing.T) {
	grown := func(expected int) (times int) {
		r := rand.New(rand.NewPCG(5, 6))
		s := NewSet()
		s.Expect(expected)
		for homes := 0; s.n < 10_000; {
			s.Raise(schemas.Hash{Hi: r.Uint64(), Lo: r.Uint64()}, schemas.RankConcrete)
			if s.homes != homes {
				homes, times = s.homes, times+1
			}
		}
		return times
	}
	if alone, together := grown(0), grown(10_000); together > 15 || alone < 3*together {
		t.Errorf("a table of 10000 messages has grown %d times where they were expected, and %d times where not", together, alone)
	}
}
