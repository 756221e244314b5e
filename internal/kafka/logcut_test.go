package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestReadingALogThatBecomesShorterEnds: the records up to the end that it had never come.
func TestReadingALogThatBecomesShorterEnds(t *testing.T) {
	conn := topicsFor(t)
	produce(t, conn, "test.raw.live", 0, 3)
	r := newReader(t, conn, "test.raw.live")
	r.fetcher.cutPatience = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n := 0
	err := r.ReadRanges(ctx, map[TopicPartition]Range{{Topic: "test.raw.live", ID: 0}: {Start: 0, End: 9}}, func(*kgo.Record) error { n++; return nil })
	if !errors.Is(err, ErrLogCut) || n != 3 {
		t.Errorf("%d records, %v", n, err)
	}
}

func TestALogThatBecameShorterIsNotTakenForOneThatIsSlow(t *testing.T) {
	w := cutWatch{patience: time.Hour}
	for name, c := range map[string]struct {
		offset, end int64
		got         Fetched
		suspect     bool
	}{
		"records came":                   {3, 9, Fetched{Next: 5, HighWatermark: 9}, false},
		"an open transaction hides them": {3, 9, Fetched{Next: 3, HighWatermark: 9}, false},
		"all was read":                   {9, 9, Fetched{Next: 9, HighWatermark: 9}, false},
		"it ends here":                   {3, 9, Fetched{Next: 3, HighWatermark: 3}, true},
	} {
		w.since = time.Time{}
		if err := w.look("t", 0, c.offset, c.end, &c.got); err != nil || w.since.IsZero() == c.suspect {
			t.Errorf("%s: %v, suspected since %v", name, err, w.since)
		}
	}
}

// TestWhereALogBeginsIsToldWithAnOffsetThatItDoesNotHave, before its start and beyond its end.
func TestWhereALogBeginsIsToldWithAnOffsetThatItDoesNotHave(t *testing.T) {
	conn := topicsFor(t)
	produce(t, conn, "test.raw.live", 0, 5)
	r := newReader(t, conn, "test.raw.live")
	for _, offset := range []int64{17, 6} {
		got, err := r.fetcher.Fetch(t.Context(), "test.raw.live", 0, offset, 1, 0)
		if !errors.Is(err, ErrOffsetGone) || got.LogStart != 0 {
			t.Errorf("at %d: %+v, %v", offset, got, err)
		}
	}
	ends, err := r.fetcher.Parted(t.Context(), "test.raw.live", map[int32]int32{0: 0})
	if err != nil || ends[0] != 5 {
		t.Errorf("the log parts at %v, %v", ends, err)
	}
}
