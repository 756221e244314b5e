package tables

import (
	"math"
	"testing"
	"time"
)

func TestASinkIsWaitedForWhileItComesCloser(t *testing.T) {
	p := patience{wait: time.Minute, least: math.MaxInt64}
	now := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		after  time.Duration
		behind int64
		over   bool
	}{
		{0, 100, false},
		{time.Minute, 90, false},
		{time.Minute, 80, false},
		{30 * time.Second, 85, false}, // more came in; that is no progress
		{30 * time.Second, 81, false},
		{time.Nanosecond, 80, true},
		{0, 79, false},
		{time.Minute + 1, 79, true},
	} {
		now = now.Add(step.after)
		if got := p.over(now, step.behind); got != step.over {
			t.Errorf("%d behind at %s: over is %v", step.behind, now, got)
		}
	}
}
