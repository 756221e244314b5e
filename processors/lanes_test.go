package processors

import "testing"

func TestATransactionTakesAboutSoMuchBulk(t *testing.T) {
	l := newLanes(100, 8<<20)
	if n, _ := l.next(); n != pollRecordsMax {
		t.Errorf("before any bulk was seen %d records may be polled", n)
	}
	for _, c := range []struct {
		records int
		bytes   int64
		want    int
	}{{4, 4 * 2 << 20, 4}, {1, 64 << 20, 1}} {
		l = newLanes(100, 8<<20)
		l.polled(c.records, c.bytes, 0)
		if n, pause := l.next(); n != c.want || pause {
			t.Errorf("after %d bulk records of %d bytes: %d records, pause %v; want %d", c.records, c.bytes, n, pause, c.want)
		}
	}
	l.polled(0, 0, 0)
	if n, _ := l.next(); n != pollRecordsMax {
		t.Errorf("after a poll without bulk %d records may be polled", n)
	}
}

func TestBulkPausesWhileLiveHasABacklog(t *testing.T) {
	l := newLanes(100, 8<<20)
	for _, step := range []struct {
		lag   int64
		pause bool
	}{{100, false}, {101, true}, {51, true}, {50, false}, {99, false}} {
		l.polled(1, 1000, step.lag)
		if _, pause := l.next(); pause != step.pause {
			t.Errorf("live lag %d: pause %v, want %v", step.lag, pause, step.pause)
		}
	}
}

func TestPausedBulkStartsAgainWhenNothingIsLeft(t *testing.T) {
	l := newLanes(100, 8<<20)
	l.polled(1, 1000, 500)
	l.polled(0, 0, 0) // the poll after the backlog was read
	if _, pause := l.next(); pause {
		t.Error("bulk stays paused though live has no backlog")
	}
}
