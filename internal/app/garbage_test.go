package app

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestALittleHeapHasRoomAndALargeOneIsCollectedEarly(t *testing.T) {
	for live, want := range map[uint64]int{0: percentMax, 1 << 20: percentMax, 48 << 20: 200, 96 << 20: 100, 192 << 20: 50, 4 << 30: 50} {
		if got := percentFor(live); got != want {
			t.Errorf("%d bytes in use: %d percent, want %d", live, got, want)
		}
	}
}

// TestTheCollectorFollowsWhatIsInUse: the runtime is set after the next collection, and a value of the user stays.
func TestTheCollectorFollowsWhatIsInUse(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	percent := func() int {
		now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(now)
		return int(now[0].Value.Uint64())
	}
	(&app{io: IO{Environ: []string{"GOGC=77"}}}).collectEarly()
	if p := percent(); p != 77 {
		t.Fatalf("the user's GOGC became %d", p)
	}
	(&app{}).collectEarly()
	for until := time.Now().Add(time.Minute); percent() <= collectEarlyPercent; runtime.GC() {
		if time.Now().After(until) {
			t.Fatalf("with little in use it is collected at %d percent", percent())
		}
		time.Sleep(time.Millisecond)
	}
	large := make([]byte, 4*roomLeast)
	for until := time.Now().Add(time.Minute); percent() != collectEarlyPercent; runtime.GC() {
		if time.Now().After(until) {
			t.Fatalf("with much in use it is collected at %d percent", percent())
		}
		time.Sleep(time.Millisecond)
	}
	runtime.KeepAlive(large)
}
