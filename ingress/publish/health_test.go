package publish

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// An operator who reads the warning has to find its end, however short the failure was.
func TestEveryWarningOfAFailureHasItsEndInTheLog(t *testing.T) {
	const warning, end = "Kafka does not acknowledge", "Kafka acknowledges again"
	var log strings.Builder
	now := time.Unix(1_700_000_000, 0)
	h := &health{log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return now }}
	for _, c := range []struct {
		name           string
		after, takes   time.Duration
		warnings, ends int // of all together
	}{
		{"a short first failure", 0, 10 * time.Millisecond, 1, 1},
		{"a short one within the pause between warnings", time.Second, 10 * time.Millisecond, 1, 1},
		{"a long one within that pause", time.Second, 2 * time.Second, 1, 2},
		{"a short one after the pause", healthLogEvery, 0, 2, 3},
	} {
		now = now.Add(c.after)
		h.failed(errors.New("why"))
		now = now.Add(c.takes)
		h.succeeded()
		h.succeeded() // no failure: nothing to say
		if w, e := strings.Count(log.String(), warning), strings.Count(log.String(), end); w != c.warnings || e != c.ends {
			t.Errorf("%s: %d warnings and %d ends, want %d and %d", c.name, w, e, c.warnings, c.ends)
		}
	}
}
