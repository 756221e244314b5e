package processors

import (
	"runtime"
	"testing"
)

func TestProcBoostLastsWhileAnySessionAsksForIt(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	var a, b procBoost
	for i, step := range []struct {
		of    *procBoost
		asks  bool
		extra int
	}{
		{&a, false, 0},
		{&a, true, extraProcs},
		{&a, true, extraProcs},
		{&b, true, extraProcs},
		{&a, false, extraProcs},
		{&a, false, extraProcs},
		{&b, false, 0},
		{&b, true, extraProcs},
		{&b, false, 0},
	} {
		step.of.set(step.asks)
		if n := runtime.GOMAXPROCS(0); n != before+step.extra {
			t.Errorf("step %d: %d goroutines at once, want %d and %d more", i, n, before, step.extra)
		}
		if n := cores(); n != before {
			t.Errorf("step %d: %d cores, want %d", i, n, before)
		}
	}
}
