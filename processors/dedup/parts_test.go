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
