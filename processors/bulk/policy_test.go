package bulk

import (
	"testing"
	"time"
)

func TestBulkIsShortWhileLiveMessagesAreExpected(t *testing.T) {
	l := Policy{LiveLagMax: 100, BytesMax: 8 << 20}
	now := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		after  time.Duration
		live   int
		ending time.Duration
		bytes  int64
		length time.Duration
	}{
		{0, 0, 200 * time.Microsecond, 8 << 20, 0},
		{time.Second, 1, 200 * time.Microsecond, 8 << 20, besideLiveMin},
		{LiveRecent - 1, 0, 200 * time.Microsecond, 8 << 20, besideLiveMin},
		{1, 0, 200 * time.Microsecond, 8 << 20, 0},
		{0, 1, 20 * time.Millisecond, 8 << 20, 10 * time.Millisecond},
		{0, 1, time.Minute, 8 << 20, BesideLiveMax},
	} {
		now = now.Add(step.after)
		l.Polled(now, written(now, step.live), 0)
		l.commitTime = 0
		l.Committed(step.ending)
		if bytes, length := l.Allowance(now, false); bytes != step.bytes || length != step.length {
			t.Errorf("%+v: %d bytes, %v", step, bytes, length)
		}
		want := 8
		if step.length > 0 {
			want = 7
		}
		if n := l.Workers(now, 8); n != want {
			t.Errorf("%+v: %d workers", step, n)
		}
	}
	if n := l.Workers(now, 1); n != 1 {
		t.Errorf("%d workers on one processor", n)
	}
}

// written is when a poll's newest live record was written.
func written(now time.Time, live int) time.Time {
	if live == 0 {
		return time.Time{}
	}
	return now
}

func TestLiveMessagesOfLongAgoAreNotExpectedToGoOn(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		written  time.Time
		expected bool
	}{{now.Add(-LiveRecent), false}, {now.Add(1 - LiveRecent), true}, {now.Add(time.Hour), true}} {
		l := Policy{LiveLagMax: 100, BytesMax: 8 << 20}
		l.Polled(now, c.written, 0)
		if l.LiveExpected(now) != c.expected {
			t.Errorf("written %v ago: %v", now.Sub(c.written), !c.expected)
		}
		if l.LiveExpected(now.Add(LiveRecent)) {
			t.Error("a time in the future keeps bulk short for ever")
		}
	}
}

func TestWhatIsLiveIsCommittedWithoutBulk(t *testing.T) {
	l := Policy{LiveLagMax: 100, BytesMax: 8 << 20}
	now := time.Unix(1_800_000_000, 0)
	l.BulkAt = now
	for _, step := range []struct {
		live int
		bulk bool
	}{{1, false}, {0, true}, {1, false}, {1, false}} {
		now = now.Add(bulkPatience / 5)
		l.Polled(now, written(now, step.live), 0)
		if bytes, _ := l.Allowance(now, step.live > 0); bytes > 0 != step.bulk {
			t.Errorf("%+v: %d bytes of bulk", step, bytes)
		}
	}
	now = now.Add(bulkPatience / 5)
	if bytes, _ := l.Allowance(now, true); bytes == 0 {
		t.Error("bulk waits for ever while there is always something live")
	}
}

func TestBulkWaitsWhileLiveHasABacklog(t *testing.T) {
	l := Policy{LiveLagMax: 100, BytesMax: 8 << 20}
	for _, step := range []struct {
		lag  int64
		bulk bool
	}{{100, true}, {101, false}, {51, false}, {50, true}, {99, true}, {500, false}, {0, true}} {
		l.Polled(time.Time{}, time.Time{}, step.lag)
		if bytes, _ := l.Allowance(time.Time{}, false); bytes > 0 != step.bulk {
			t.Errorf("live lag %d: %d bytes of bulk", step.lag, bytes)
		}
	}
}
