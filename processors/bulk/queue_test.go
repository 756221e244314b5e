package bulk

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
)

// spot is a fetch of partition 3: records of 10 bytes at offsets.
func spot(from, next int64, offsets ...int64) *kafka.SpotFetched {
	s := &kafka.SpotFetched{Spot: kafka.Spot{Partition: 3, Offset: from}, Fetched: kafka.Fetched{Next: next}}
	for _, o := range offsets {
		s.Records = append(s.Records, &kgo.Record{Offset: o, Value: make([]byte, 10)})
	}
	return s
}

func TestBulkWaitsForWhatWasWrittenBeforeIt(t *testing.T) {
	q := Queue{Next: 5}
	q.Push(spot(5, 8, 5, 7), nil)
	if rec, _ := q.Head(1<<40, 1<<40); rec != nil {
		t.Error("it is worked on though nobody knows how far live went")
	}
	if asks := q.Requests(3); len(asks) != 2 || asks[0].EndsOnly || asks[0].Offset != 8 || !asks[1].EndsOnly {
		t.Errorf("asks for %+v", asks)
	}
	q.SetBarrier(Barrier{Known: true, Live: 100, Rerouted: 20})
	for _, c := range []struct {
		live, rerouted int64
		passed         bool
	}{{99, 20, false}, {100, 19, false}, {100, 20, true}} {
		if rec, _ := q.Head(c.live, c.rerouted); (rec != nil) != c.passed {
			t.Errorf("live at %d, rerouted at %d: %v", c.live, c.rerouted, rec)
		}
	}
	// The next fetch has a barrier of its own.
	q.Push(spot(8, 9, 8), Barriers{3: {Known: true, Live: 200, Rerouted: 20}})
	if asks := q.Requests(3); len(asks) != 0 {
		t.Errorf("asks for %+v on top of two fetches", asks)
	}
	for _, want := range []int64{6, 8} {
		if p, _ := q.Pop(); p != want {
			t.Errorf("position %d, want %d", p, want)
		}
	}
	if rec, _ := q.Head(100, 20); rec != nil {
		t.Error("the second fetch did not wait")
	}
	if rec, near := q.Head(200, 20); rec == nil || rec.Offset != 8 || len(near) != 0 {
		t.Errorf("%v %v", rec, near)
	}
}

func TestWhatDoesNotFollowIsLeftOut(t *testing.T) {
	q := Queue{Next: 5}
	if q.Push(spot(4, 8, 4, 7), nil) || q.Push(spot(6, 8, 7), nil) || !q.Empty() {
		t.Error("a fetch from elsewhere was taken")
	}
	if !q.Push(spot(5, 7), nil) || q.Next != 7 || !q.Empty() {
		t.Errorf("after markers alone: %+v", q)
	}
	q.Push(spot(7, 8, 7), Barriers{3: {Known: true}})
	q.Push(spot(8, 10), nil)
	if q.HeldBytes() != 10 {
		t.Errorf("%d bytes are held", q.HeldBytes())
	}
	if p, _ := q.Pop(); p != 10 || !q.Empty() || q.HeldBytes() != 0 {
		t.Errorf("position %d after a record and markers", p)
	}
	gone := spot(10, 0)
	gone.Err, gone.LogStart = kafka.ErrOffsetGone, 40
	if !q.Push(gone, nil) || q.Next != 40 {
		t.Errorf("after records are gone the next offset is %d", q.Next)
	}
}

func TestAQueueHoldsTwoFetches(t *testing.T) {
	var q Queue
	for offset := range int64(2) {
		if !q.Push(spot(offset, offset+1, offset), nil) {
			t.Fatalf("fetch %d was left out", offset)
		}
	}
	if q.Push(spot(2, 3, 2), nil) || q.Next != 2 || q.HeldBytes() != 20 {
		t.Errorf("a third fetch was taken: next %d, %d bytes", q.Next, q.HeldBytes())
	}
	q.Pop()
	if !q.Push(spot(2, 3, 2), nil) || q.Next != 3 {
		t.Errorf("there is room for one: next %d", q.Next)
	}
}
