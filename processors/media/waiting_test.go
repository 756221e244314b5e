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

func TestSoManyFollowUpsWaitForOnePlaceholder(t *testing.T) {
	cfg := DefaultConfig()
	b := New(&cfg)
	now := time.Unix(1_800_000_000, 0)
	for i := range ofKeyMax + 1 {
		if got := b.Wait(now, schemas.Hash{Hi: 1}, []byte{byte(i)}); got != (i < ofKeyMax) {
			t.Errorf("follow-up %d waits: %v", i+1, got)
		}
	}
	if !b.Wait(now, schemas.Hash{Hi: 2}, nil) {
		t.Error("there is no room for one of another placeholder")
	}
}

func TestFollowUpsOfOneTimeLeaveAsTheyCame(t *testing.T) {
	cfg := DefaultConfig()
	b := New(&cfg)
	now := time.Unix(1_800_000_000, 0)
	for i := range 100 {
		b.Wait(now, schemas.Hash{Hi: uint64(i % 7)}, []byte{byte(i)})
	}
	state := map[string][]byte{}
	b.TakeState(func(key string, value []byte) { state[key] = value })
	again := New(&cfg)
	for key, value := range state { // in any order
		if err := again.Restore(key, value); err != nil {
			t.Fatal(err)
		}
	}
	for i, f := range again.Tick(now.Add(cfg.Hold)) {
		if f.Value[0] != byte(i) {
			t.Fatalf("follow-up %d leaves as number %d", f.Value[0], i)
		}
	}
}
