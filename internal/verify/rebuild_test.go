package verify

import (
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/internal/verify/world"
)

// rebuild makes the bodies of a run again from its seed: it finds the second in which each was first sent,
// since the truth has their hashes.
func rebuild(t *testing.T, cfg SimulateConfig, l ledger) map[int][]byte {
	t.Helper()
	w, err := world.New(cfg.World)
	if err != nil {
		t.Fatal(err)
	}
	out := map[int][]byte{}
	for i, told := range l.bodies {
		for at := cfg.World.Start.Unix() - 1; ; at++ {
			b, _ := w.Render(nil, i, at, false)
			if truth.Sum(b) == told.Hash {
				out[i] = b
				break
			}
			if at > time.Now().Unix()+1 {
				t.Fatalf("body %d cannot be made again", i)
			}
		}
	}
	return out
}
