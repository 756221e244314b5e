package app

import (
	"maps"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/replay"
)

func TestReplayOffsets(t *testing.T) {
	got, err := parseOffsets([]string{"raw.bulk/3:1000-2000", "raw.live/0:500-", "raw.live/1:-7"})
	want := replay.Offsets{"raw.bulk/3": {Start: 1000, End: 2000}, "raw.live/0": {Start: 500}, "raw.live/1": {End: 7}}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if got, err := parseOffsets(nil); got != nil || err != nil {
		t.Errorf("no ranges: %v, %v", got, err)
	}
	for _, bad := range [][]string{{"3:1-2"}, {"history/0:1-2"}, {"raw.live/0"}, {"raw.live/0:1"}, {"raw.live/0:1-2", "raw.live/0:5-6"}, {"raw.live/0:99999999999999999999-"}} {
		if _, err := parseOffsets(bad); exitCode(err) != ExitUsage {
			t.Errorf("%v: %v, want a mistake on the command line", bad, err)
		}
	}
}

func TestPointsInTime(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Time{"": {}, "2d": now.Add(-48 * time.Hour), "2026-03-01T00:00:00Z": time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)} {
		if got, err := pointInTime("since", value, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", value, got, err, want)
		}
	}
	for _, bad := range []string{"yesterday", "-1h", "0s", "2026-03-01"} {
		if _, err := pointInTime("since", bad, now); exitCode(err) != ExitUsage {
			t.Errorf("%q: %v, want a mistake on the command line", bad, err)
		}
	}
}
