package history

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Chunks without order leave in the order in which they came. After damage to the state one may leave from among them.
func TestChunksWithoutOrderStayInTheirOrderWhicheverLeaves(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var l loose
		var want []uint32
		for seq := range uint32(200) {
			l.push(held{seq: seq})
			want = append(want, seq)
			for range rng.IntN(3) {
				if len(want) == 0 {
					break
				}
				k := 0
				if rng.IntN(4) == 0 {
					k = rng.IntN(len(want))
				}
				if h := l.bySeq(want[k]); h == nil || h.seq != want[k] {
					t.Fatalf("seed %d: %d waits, and is not found", seed, want[k])
				}
				l.remove(want[k])
				if l.bySeq(want[k]) != nil {
					t.Fatalf("seed %d: %d has left, and is found", seed, want[k])
				}
				want = slices.Delete(want, k, k+1)
			}
			var got []uint32
			for _, h := range l.live() {
				got = append(got, h.seq)
			}
			if !slices.Equal(got, want) || l.len() != len(want) {
				t.Fatalf("seed %d: %v wait, want %v", seed, got, want)
			}
			if most := (2*len(want) + 20) * 2 * heldBytes; l.bytes() > most {
				t.Fatalf("seed %d: %d bytes for %d chunks", seed, l.bytes(), len(want))
			}
		}
	}
}
