package judge

import (
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// A chunk that was never sent leaves a gap that the truth of an interrupted run does not have. The processor holds the
// chunks behind it until the wait is over; they are not lost. The check is an hour after the start of the run.
func TestWhatIsBehindAnUnsentChunkIsHeldAndNotLost(t *testing.T) {
	const check = time.Hour
	o := options()
	hole, phase := o.GapTimeout+o.PhaseHold, 2*o.PhaseHold
	for name, c := range map[string]struct {
		second time.Duration // when the chunk behind the hole came
		phase  int32
		order  int32
		ended  bool // the run was played to its end: there is no hole that the truth does not know
		until  time.Duration
	}{
		"a chunk is missing":                         {check - time.Minute, 0, 3, false, check - time.Minute + hole},
		"a chunk is missing, and was given up":       {check - hole - time.Minute, 0, 3, false, 0},
		"a chunk is missing of a whole run":          {check - time.Minute, 0, 3, true, 0},
		"none is missing":                            {check - time.Minute, 0, 2, false, 0},
		"a phase did not end":                        {check - time.Minute, 1, 1, false, check - time.Minute + phase},
		"a phase did not end, and was given up":      {check - phase - time.Minute, 1, 1, false, 0},
		"a phase did not end, in a whole run":        {check - time.Minute, 1, 1, true, 0},
		"a phase is missing":                         {check - time.Minute, 2, 1, false, check - time.Minute + hole},
		"a phase did not end, and the numbers go on": {check - time.Minute, 1, 2, false, check - time.Minute + phase},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.chunk(0, 0, 1, 30, a)
			s.chunk(c.second, c.phase, c.order, 60, b)
			if c.ended {
				s.s.lines = append(s.s.lines, truth.Line{End: &truth.End{}})
			}
			s.event(0, 1, 30, false, a)
			s.sync(schemas.SyncRunning, 2, 2)
			o := options()
			o.Partitions = 0
			v := judgement(t, &s.s, o)
			if c.until == 0 {
				if v.Count(Lost) != 1 || v.Pending != 0 || !v.HeldUntil.IsZero() {
					t.Error(show(v))
				}
				return
			}
			if !v.OK() || v.Pending != 1 || !v.HeldUntil.Equal(start.Add(c.until)) {
				t.Errorf("held until %s, want %s\n%s", v.HeldUntil, start.Add(c.until), show(v))
			}
		})
	}
}
