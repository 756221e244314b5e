package bulk

import (
	"testing"
	"time"
)

func TestABudgetHasOnePieceAtLeast(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	waiting := true
	begin := func(bytes int64, length time.Duration) *Budget {
		q := &Budget{LiveWaiting: func() bool { return waiting }}
		q.Bytes.Store(bytes)
		if length > 0 {
			q.Until = now.Add(length)
		}
		return q
	}
	q := begin(0, 0)
	if q.TryStart(now) || q.HasRoom(now) {
		t.Error("there is room in none")
	}
	q = begin(10, 0)
	if !q.HasRoom(now) || !q.TryStart(now) || q.TryStart(now) || q.HasRoom(now) {
		t.Error("while live waits there is one piece")
	}
	waiting = false
	q = begin(10, time.Second)
	q.TryStart(now)
	if now = now.Add(time.Second - 1); !q.TryStart(now) {
		t.Error("time is left")
	}
	if now = now.Add(1); q.TryStart(now) {
		t.Error("time is over")
	}
	q = begin(10, 0)
	q.TryStart(now)
	q.Spend(9)
	if !q.TryStart(now) {
		t.Error("a byte is left")
	}
	if q.Spend(1); q.TryStart(now) {
		t.Error("no byte is left")
	}
}
