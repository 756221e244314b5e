package known

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
	var walk func(*table)
	walk = func(t *table) {
		if t.parts == nil {
			longest, tables = max(longest, t.homes), tables+1
			return
		}
		for i := range t.parts {
			walk(&t.parts[i])
		}
	}
	walk(&s.table)
	if longest > partAt+step(partAt) || tables < size/partAt {
		t.Errorf("%d tables, of up to %d homes", tables, longest)
	}
}
