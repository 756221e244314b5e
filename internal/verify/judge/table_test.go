package judge

import (
	"testing"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/schemas"
)

func TestATableHoldsWhatAMapDoes(t *testing.T) {
	rng := seed.Rand(t)
	var got table
	want := map[schemas.Hash]int32{}
	// Keys that begin in the same places, at the ends of the ranges, and any.
	near := []uint64{0, 1, 2, 1<<32 - 1, 1 << 32, 1<<64 - 1, 1<<64 - 2, rng.Uint64()}
	for i := range int32(200_000) {
		key := schemas.Hash{Hi: rng.Uint64(), Lo: rng.Uint64()}
		if i%3 == 0 {
			key.Hi = near[rng.IntN(len(near))]
		}
		if i%5 == 0 {
			key.Lo = key.Lo>>56<<56 | rng.Uint64N(4)
		}
		v, known := got.get(key)
		if w, there := want[key]; known != there || v != w {
			t.Fatalf("%v is %d, %v instead of %d, %v", key, v, known, w, there)
		}
		// The zero identity and the one after it are one to a table.
		if known || key.Hi == 0 && uint32(key.Lo) <= 1 {
			continue
		}
		got.put(key, i)
		want[key] = i
	}
	for key, w := range want {
		if v, known := got.get(key); !known || v != w {
			t.Fatalf("%v is %d, %v instead of %d", key, v, known, w)
		}
	}
}
