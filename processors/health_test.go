package processors

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAPartitionWithoutProgressIsReported(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	h := newHealth(func() time.Time { return now })
	expect := func(what, says string) {
		t.Helper()
		err := h.wrong()
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want %q", what, err, says)
		}
	}
	const stuck = "records of partition 3 have waited for 1m1s without progress"
	pass := func(d time.Duration) { now = now.Add(d) }
	expect("at the start", "")
	pass(time.Hour)
	expect("a quiet hour", "")
	h.waits(3, "raw.live/3@17 to 17")
	pass(time.Minute)
	expect("for a minute", "")
	pass(time.Second)
	expect("for longer", stuck+"; processing raw.live/3@17 to 17")
	h.committed(3, 18, false)
	expect("it was committed", "")
	h.waits(3, "")
	h.committed(3, 18, false) // of a transaction that let time pass
	pass(time.Minute + time.Second)
	expect("nothing of it was committed", stuck)
	h.committed(3, 18, true) // held chunks left
	expect("events left", "")
	h.waits(3, "")
	h.waits(4, "")
	pass(2 * time.Minute)
	expect("two of them", "(and of 1 more)")
	h.forget(3)
	expect("one went", "records of partition 4 have waited for 2m0s")
	h.idle(4)
	expect("nothing waits", "")
	h.waits(4, "")
	pass(2 * time.Minute)
	h.serves(func(p int32) bool { return p == 3 })
	expect("another processor has it", "")
}

func TestConsecutiveSessionFailuresAreReported(t *testing.T) {
	h := newHealth(time.Now)
	for range failuresMax - 1 {
		h.failed(errors.New("poison"), false)
	}
	if err := h.wrong(); err != nil {
		t.Error(err)
	}
	h.failed(errors.New("poison"), false)
	if err := h.wrong(); err == nil || !strings.Contains(err.Error(), "the last 3 sessions failed, now with: poison") {
		t.Error(err)
	}
	h.failed(errors.New("leader moved"), true)
	if err := h.wrong(); err != nil {
		t.Error(err)
	}
	for range failuresMax {
		h.failed(errors.New("brokers away"), false)
	}
	h.committed(1, 0, false)
	if err := h.wrong(); err != nil {
		t.Error(err)
	}
}
