package media

import (
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// Follow-ups that have left do not pile up before one that waits longer.
func TestFollowUpsThatLeftAreTakenOutOfTheQueue(t *testing.T) {
	cfg := DefaultConfig()
	b := New(&cfg)
	now := time.Unix(1_800_000_000, 0)
	b.Wait(now, schemas.Hash{Hi: 1}, []byte("waits"))
	for i := range uint64(1000) {
		key := schemas.Hash{Hi: i + 2}
		b.Wait(now, key, []byte("leaves"))
		b.Waiting(key)
		if n := len(b.waiting.queue); n > 2+16+1 {
			t.Fatalf("%d are in the queue, and one waits", n)
		}
	}
	if left := b.Tick(now.Add(cfg.Hold)); len(left) != 1 || string(left[0].Value) != "waits" {
		t.Errorf("left: %v", left)
	}
}
