package processors

import (
	"runtime"
	"testing"
)

func TestElbowRoomIsThereForAsLongAsAnybodyAsks(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	var a, b elbow
	for i, step := range []struct {
		of    *elbow
		asks  bool
		extra int
	}{
		{&a, false, 0},
		{&a, true, elbowRoom},
		{&a, true, elbowRoom},
		{&b, true, elbowRoom},
		{&a, false, elbowRoom},
		{&a, false, elbowRoom},
		{&b, false, 0},
		{&b, true, elbowRoom},
		{&b, false, 0},
	} {
		step.of.ask(step.asks)
		if n := runtime.GOMAXPROCS(0); n != before+step.extra {
			t.Errorf("step %d: %d goroutines at once, want %d and %d more", i, n, before, step.extra)
		}
		if n := cores(); n != before {
			t.Errorf("step %d: %d cores, want %d", i, n, before)
		}
	}
}
