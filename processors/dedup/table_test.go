package dedup_test

import (
	"testing"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/schemas"
)

func TestTableAgreesWithAMapAndItsPointersStayGood(t *testing.T) {
	r := seed.Rand(t)
	for _, spread := range []uint64{1 << 63, 7} { // the second lets all hashes share few slots of the index
		var table dedup.Table[int]
		model := map[schemas.Hash]int{}
		pointers := map[schemas.Hash]*int{}
		var order []schemas.Hash
		for i := range 5000 {
			h := schemas.Hash{Hi: r.Uint64N(4000), Lo: r.Uint64N(spread)}
			v, fresh := table.Obtain(h)
			was, seen := model[h]
			if fresh == seen || *v != was {
				t.Fatalf("Obtain(%+v) = %d, fresh %v; want %d, %v", h, *v, fresh, was, !seen)
			}
			if fresh {
				pointers[h] = v
				order = append(order, h)
			} else if pointers[h] != v {
				t.Fatalf("the value of %+v moved", h)
			}
			*v, model[h] = i, i
			if h.Hi++; table.Find(h) != nil != (pointers[h] != nil) {
				t.Fatalf("Find(%+v) differs from the model", h)
			}
		}
		if table.Len() != len(order) {
			t.Fatalf("Len() = %d, want %d", table.Len(), len(order))
		}
		for i, want := range order {
			if h, v := table.At(i); h != want || v != pointers[want] || *v != model[want] {
				t.Fatalf("At(%d) is of %+v, want %+v", i, h, want)
			}
		}
	}
}

func TestTableCostsItsCellsAndAnIndex(t *testing.T) {
	r := seed.Rand(t)
	var table dedup.Table[int64]
	for n := 1; n <= 300_000; n++ {
		table.Obtain(schemas.Hash{Hi: r.Uint64(), Lo: r.Uint64()})
		// 24 bytes a cell, an index at least 2/5 full, and the block that is being filled.
		if limit := 24*2*min(n, 1024) + (24+11)*max(n-1024, 0) + 24*1024 + 1024; table.Bytes() > limit {
			t.Fatalf("%d bytes for %d values, want at most %d", table.Bytes(), n, limit)
		}
		if least := 24*n + 5*n; table.Bytes() < least {
			t.Fatalf("%d bytes for %d values, want at least %d", table.Bytes(), n, least)
		}
	}
}
