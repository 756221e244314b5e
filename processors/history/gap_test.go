package history

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestGapsThatAreNotListedAreCounted(t *testing.T) {
	cfg := DefaultConfig()
	n := NewNumber(&cfg, testIdentity)
	for i := range int32(100) {
		n.Chunk(epoch, ordered(0, 2*i+2, int64(i)))
	}
	s, _ := n.TakeSync()
	if p := s.Phases[0]; len(p.Gaps) != gapsToldMax || p.GapsOmitted != 100-gapsToldMax {
		t.Errorf("%d gaps are listed, %d omitted", len(p.Gaps), p.GapsOmitted)
	}
}

// TestHolesAreWhatIsMissing looks at each order by itself.
func TestHolesAreWhatIsMissing(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 2000 {
		var p phase
		at := map[int64]millis{}
		var highest int64
		for seq := range rng.IntN(30) {
			h := held{order: 1 + rng.Int32N(40), at: millis(rng.IntN(1000)), seq: uint32(seq)}
			p.held.insert(h)
			order := int64(h.order)
			highest = max(highest, order)
			if was, ok := at[order]; !ok || h.at < was {
				at[order] = h.at
			}
		}
		next := 1 + rng.Int64N(45)
		var want []gap
		for order := next; order <= highest; order++ {
			if _, ok := at[order]; ok {
				continue
			}
			since := never
			for o, a := range at {
				if o > order {
					since = min(since, a)
				}
			}
			if n := len(want); n > 0 && want[n-1].To == order-1 {
				want[n-1].To = order
				continue
			}
			want = append(want, gap{From: order, To: order, Since: since})
		}
		first := make([]gap, rng.IntN(12))
		n := p.holes(next, first)
		if told := min(n, len(first)); n != len(want) || !slices.Equal(first[:told], want[:told]) {
			t.Fatalf("from %d among %v: %d holes that begin with %v, want %v", next, p.held.blocks, n, first, want)
		}
	}
}

// TestGapsAreASet compares gaps to a plain set of orders.
func TestGapsAreASet(t *testing.T) {
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		var gs gaps
		set := make(map[int64]bool)
		for range 50 {
			if from := rng.Int64N(60); rng.IntN(3) == 0 {
				g := gap{From: from, To: from + rng.Int64N(5)}
				free := true
				for o := g.From; o <= g.To; o++ {
					free = free && !set[o]
				}
				if !free {
					continue
				}
				gs.add(g)
				for o := g.From; o <= g.To; o++ {
					set[o] = true
				}
			} else if was := set[from]; gs.fill(from) != was {
				t.Errorf("fill(%d) of %v: was in: %v", from, gs, was)
			} else {
				delete(set, from)
			}
			for o := range int64(70) {
				if _, in := gs.search(o); in != set[o] {
					t.Errorf("%d in %v: %v, want %v", o, gs, in, set[o])
				}
			}
		}
	})
}
