package handover

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/ingress/spool/faultfs"
)

// The clock is that of the test. A backlog that is drained at once has both lines, and so has every later warning.
func TestEveryWarningOfABacklogHasItsEndInTheLog(t *testing.T) {
	const warning, end = "records are in the spool", "the spool is empty again"
	var log strings.Builder
	now := time.Unix(1_700_000_000, 0)
	k := &rawtest.Memory{}
	s := spooled(t, k, faultfs.New(), nil)
	l := &lane{store: s.lanes[0].store, now: func() time.Time { return now }, log: slog.New(slog.NewTextHandler(&log, nil))}
	for _, c := range []struct {
		name           string
		after, takes   time.Duration
		warnings, ends int // of all together
	}{
		{"a short first backlog", 0, 10 * time.Millisecond, 1, 1},
		{"a short one within the pause between warnings", time.Second, 10 * time.Millisecond, 1, 1},
		{"a long one within that pause", time.Second, 2 * time.Second, 1, 2},
		{"a short one after the pause", drainLogEvery, 0, 2, 3},
	} {
		now = now.Add(c.after)
		l.logBacklog(false)
		l.logBacklog(false)
		now = now.Add(c.takes)
		l.logBacklog(true)
		l.logBacklog(true) // still empty: nothing to say
		if w, e := strings.Count(log.String(), warning), strings.Count(log.String(), end); w != c.warnings || e != c.ends {
			t.Errorf("%s: %d warnings and %d ends, want %d and %d", c.name, w, e, c.warnings, c.ends)
		}
	}
}
