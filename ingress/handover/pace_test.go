package handover

import (
	"testing"
	"time"
)

func TestPaceWaitsForWhatIsOverItsRateAndWhatArrived(t *testing.T) {
	start := time.Unix(0, 0)
	p := newPace(100)
	for _, c := range []struct {
		what    string
		at      time.Duration
		arrived int64
		take    int64
		want    time.Duration
	}{
		{"nothing", 0, 0, 0, 0},
		{"what arrived", 0, 30, 30, 0},
		{"the burst, and 40 more", 0, 0, 50, 400 * time.Millisecond},
		{"when that time is over", 400 * time.Millisecond, 0, 20, 200 * time.Millisecond},
		{"what arrived, and more, before that is over", 400 * time.Millisecond, 10, 20, 300 * time.Millisecond},
		{"after an hour, with a burst", time.Hour, 0, 20, 100 * time.Millisecond},
		{"a part of what arrived", time.Hour, 10_000, 10, 0},
		{"the rest of it was not saved", time.Hour, 0, 40, 500 * time.Millisecond},
		{"a clock that was set back", time.Minute, 0, 10, 600 * time.Millisecond},
	} {
		p.allow(c.arrived)
		if got := p.take(start.Add(c.at), c.take); got != c.want {
			t.Errorf("%s: waits %s, want %s", c.what, got, c.want)
		}
	}
}

func TestPaceIsNotExceededOverAnyTime(t *testing.T) {
	const perSecond = 1000
	p, began := newPace(perSecond), time.Unix(0, 0)
	now, total := began, 0.0
	for range 500 {
		total += 37
		now = now.Add(p.take(now, 37))
	}
	if took := now.Sub(began).Seconds(); total > perSecond*(took+paceBurst)+1 || total < perSecond*took*0.99 {
		t.Errorf("%v in %v s", total, took)
	}
}

func TestSlowestPaceTakesLongRecords(t *testing.T) {
	p := newPace(1)
	if got, want := p.take(time.Unix(0, 0), 101), 100*time.Second; got != want {
		t.Errorf("waits %s, want %s", got, want)
	}
}
