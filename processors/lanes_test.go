package processors

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
)

func TestBulkIsShortWhileLiveMessagesAreExpected(t *testing.T) {
	l := lanes{liveLagMax: 100, bulkBytesMax: 8 << 20}
	now := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		after  time.Duration
		live   int
		ending time.Duration
		bytes  int64
		length time.Duration
	}{
		{0, 0, 200 * time.Microsecond, 8 << 20, 0},
		{time.Second, 1, 200 * time.Microsecond, 8 << 20, bulkBesideLiveMin},
		{liveRecent - 1, 0, 200 * time.Microsecond, 8 << 20, bulkBesideLiveMin},
		{1, 0, 200 * time.Microsecond, 8 << 20, 0},
		{0, 1, 20 * time.Millisecond, 8 << 20, 10 * time.Millisecond},
		{0, 1, time.Minute, 8 << 20, bulkBesideLiveMax},
	} {
		now = now.Add(step.after)
		l.polled(now, written(now, step.live), 0)
		l.ending = 0
		l.ended(step.ending)
		if bytes, length := l.bulk(now, false); bytes != step.bytes || length != step.length {
			t.Errorf("%+v: %d bytes, %v", step, bytes, length)
		}
		want := 8
		if step.length > 0 {
			want = 7
		}
		if n := l.workers(now, 8); n != want {
			t.Errorf("%+v: %d workers", step, n)
		}
	}
	if n := l.workers(now, 1); n != 1 {
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
	}{{now.Add(-liveRecent), false}, {now.Add(1 - liveRecent), true}, {now.Add(time.Hour), true}} {
		l := lanes{liveLagMax: 100, bulkBytesMax: 8 << 20}
		l.polled(now, c.written, 0)
		if l.expected(now) != c.expected {
			t.Errorf("written %v ago: %v", now.Sub(c.written), !c.expected)
		}
		if l.expected(now.Add(liveRecent)) {
			t.Error("a time in the future keeps bulk short for ever")
		}
	}
}

func TestWhatIsLiveIsCommittedWithoutBulk(t *testing.T) {
	l := lanes{liveLagMax: 100, bulkBytesMax: 8 << 20}
	now := time.Unix(1_800_000_000, 0)
	l.bulkAt = now
	for _, step := range []struct {
		live int
		bulk bool
	}{{1, false}, {0, true}, {1, false}, {1, false}} {
		now = now.Add(bulkPatience / 5)
		l.polled(now, written(now, step.live), 0)
		if bytes, _ := l.bulk(now, step.live > 0); bytes > 0 != step.bulk {
			t.Errorf("%+v: %d bytes of bulk", step, bytes)
		}
	}
	now = now.Add(bulkPatience / 5)
	if bytes, _ := l.bulk(now, true); bytes == 0 {
		t.Error("bulk waits for ever while there is always something live")
	}
}

func TestBulkWaitsWhileLiveHasABacklog(t *testing.T) {
	l := lanes{liveLagMax: 100, bulkBytesMax: 8 << 20}
	for _, step := range []struct {
		lag  int64
		bulk bool
	}{{100, true}, {101, false}, {51, false}, {50, true}, {99, true}, {500, false}, {0, true}} {
		l.polled(time.Time{}, time.Time{}, step.lag)
		if bytes, _ := l.bulk(time.Time{}, false); bytes > 0 != step.bulk {
			t.Errorf("live lag %d: %d bytes of bulk", step.lag, bytes)
		}
	}
}

func TestAQuantumHasOnePieceAtLeast(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	waiting := true
	begin := func(bytes int64, length time.Duration) *quantum {
		q := &quantum{now: func() time.Time { return now }, waiting: func() bool { return waiting }}
		q.bytes.Store(bytes)
		if length > 0 {
			q.until = now.Add(length)
		}
		return q
	}
	q := begin(0, 0)
	if q.more() || q.room() {
		t.Error("there is room in none")
	}
	q = begin(10, 0)
	if !q.room() || !q.more() || q.more() || q.room() {
		t.Error("while live waits there is one piece")
	}
	waiting = false
	q = begin(10, time.Second)
	q.more()
	if now = now.Add(time.Second - 1); !q.more() {
		t.Error("time is left")
	}
	if now = now.Add(1); q.more() {
		t.Error("time is over")
	}
	q = begin(10, 0)
	q.more()
	q.took(9)
	if !q.more() {
		t.Error("a byte is left")
	}
	if q.took(1); q.more() {
		t.Error("no byte is left")
	}
}

// spot is what a fetch of partition 3 brought: records of 10 bytes at offsets.
func spot(from, next int64, offsets ...int64) *kafka.SpotFetched {
	s := &kafka.SpotFetched{Spot: kafka.Spot{Partition: 3, Offset: from}, Fetched: kafka.Fetched{Next: next}}
	for _, o := range offsets {
		s.Records = append(s.Records, &kgo.Record{Offset: o, Value: make([]byte, 10)})
	}
	return s
}

func TestBulkWaitsForWhatWasWrittenBeforeIt(t *testing.T) {
	q := bulk{next: 5}
	q.take(spot(5, 8, 5, 7), nil)
	if rec, _ := q.first(1<<40, 1<<40); rec != nil {
		t.Error("it is worked on though nobody knows how far live went")
	}
	if asks := q.asks(3); len(asks) != 2 || asks[0].endsOnly || asks[0].Offset != 8 || !asks[1].endsOnly {
		t.Errorf("asks for %+v", asks)
	}
	q.learn(barrier{known: true, live: 100, rerouted: 20})
	for _, c := range []struct {
		live, rerouted int64
		passed         bool
	}{{99, 20, false}, {100, 19, false}, {100, 20, true}} {
		if rec, _ := q.first(c.live, c.rerouted); (rec != nil) != c.passed {
			t.Errorf("live at %d, rerouted at %d: %v", c.live, c.rerouted, rec)
		}
	}
	// The next fetch has a barrier of its own.
	q.take(spot(8, 9, 8), barriers{3: {known: true, live: 200, rerouted: 20}})
	if asks := q.asks(3); len(asks) != 0 {
		t.Errorf("asks for %+v on top of two fetches", asks)
	}
	for _, want := range []int64{6, 8} {
		if p, _ := q.pop(); p != want {
			t.Errorf("position %d, want %d", p, want)
		}
	}
	if rec, _ := q.first(100, 20); rec != nil {
		t.Error("the second fetch did not wait")
	}
	if rec, near := q.first(200, 20); rec == nil || rec.Offset != 8 || len(near) != 0 {
		t.Errorf("%v %v", rec, near)
	}
}

func TestWhatDoesNotFollowIsLeftOut(t *testing.T) {
	q := bulk{next: 5}
	if q.take(spot(4, 8, 4, 7), nil) || q.take(spot(6, 8, 7), nil) || !q.idle() {
		t.Error("a fetch from elsewhere was taken")
	}
	if !q.take(spot(5, 7), nil) || q.next != 7 || !q.idle() {
		t.Errorf("after markers alone: %+v", q)
	}
	q.take(spot(7, 8, 7), barriers{3: {known: true}})
	q.take(spot(8, 10), nil)
	if q.held() != 10 {
		t.Errorf("%d bytes are held", q.held())
	}
	if p, _ := q.pop(); p != 10 || !q.idle() || q.held() != 0 {
		t.Errorf("position %d after a record and markers", p)
	}
	gone := spot(10, 0)
	gone.Err, gone.LogStart = kafka.ErrOffsetGone, 40
	if !q.take(gone, nil) || q.next != 40 {
		t.Errorf("after records are gone the next offset is %d", q.next)
	}
}

func TestLanesAreSharedWhileBothAreWorkedOn(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		live, bulk time.Duration // ago
		shared     bool
	}{
		{0, 0, true}, {liveRecent - 1, bulkRecent - 1, true}, {liveRecent, 0, false}, {0, bulkRecent, false},
	} {
		l := lanes{liveAt: now.Add(-c.live), bulkAt: now.Add(-c.bulk)}
		if l.shared(now) != c.shared {
			t.Errorf("live %v ago, bulk %v ago: %v", c.live, c.bulk, !c.shared)
		}
	}
	var l lanes
	if l.shared(now) {
		t.Error("nothing came yet")
	}
}
