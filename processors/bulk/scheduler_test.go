package bulk

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/kafka"
)

// worker is a partition whose slots process one record each, in step with the test.
type worker struct {
	queue Queue
	step  chan error // ends a slot
}

func (w *worker) Queue() *Queue { return &w.queue }

func (w *worker) Ready(bool) bool {
	rec, _ := w.queue.Head(0, 0)
	return rec != nil
}

func (w *worker) Work(context.Context, *Budget) error {
	w.queue.Pop()
	return <-w.step
}

// workers are the partitions of a test.
type workers struct {
	all    map[int32]*worker
	broken error
}

func (ws *workers) Served() (all []int32) {
	for p := range ws.all {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

func (ws *workers) Worker(partition int32) Worker {
	if w := ws.all[partition]; w != nil {
		return w
	}
	return nil
}

func (ws *workers) Fetched(spot *kafka.SpotFetched, ends Barriers) {
	ws.all[spot.Partition].queue.Push(spot, ends)
}

func (ws *workers) Broken(err error) { ws.broken = err }
func (ws *workers) Prefetched()      {}

func newWorkers() *workers {
	return &workers{all: map[int32]*worker{3: {queue: Queue{Next: 5}, step: make(chan error)}, 4: {step: make(chan error)}}}
}

// requested returns the partitions of requests.
func requested(requests []Request) (partitions []int32) {
	for _, r := range requests {
		partitions = append(partitions, r.Partition)
	}
	slices.Sort(partitions)
	return partitions
}

func TestRecordsThatArriveDuringASlotWaitForItsEnd(t *testing.T) {
	ws := newWorkers()
	s := NewScheduler(NewReader(ReaderConfig{}, nil, func() {}), ws, 1<<20, time.Now)
	known := Barriers{3: {Known: true}, 4: {Known: true}}
	s.Accept(&Reply{Spots: []kafka.SpotFetched{*spot(5, 8, 5, 7)}, Ends: known})
	q := &ws.all[3].queue

	s.running[3] = &slot{requests: q.Requests(3), heldBytes: q.HeldBytes()}
	if requests, busy := s.requests(); !busy || !slices.Equal(requested(requests), []int32{3, 4}) {
		t.Fatalf("requests %+v, busy %v, during a slot", requests, busy)
	}
	s.Accept(&Reply{Spots: []kafka.SpotFetched{*spot(8, 9, 8)}, Ends: known})
	if len(q.batches) != 1 || q.Next != 8 {
		t.Fatalf("the queue changed during its slot: %+v", q)
	}
	if requests, _ := s.requests(); !slices.Equal(requested(requests), []int32{4}) {
		t.Errorf("requests %+v, some of which arrived", requests)
	}
	if _, last := q.Pop(); last {
		t.Error("the first of two records is the last one")
	}
	if position, last := q.Pop(); !last || position != 8 {
		t.Errorf("position %d after the fetch, whose last record it was: %v", position, last)
	}
	s.end(3)
	if rec, _ := q.Head(0, 0); rec == nil || rec.Offset != 8 || q.Next != 9 || len(s.running) != 0 {
		t.Errorf("after the slot: %+v", q)
	}
	if requests, _ := s.requests(); !slices.Equal(requested(requests), []int32{3, 4}) {
		t.Errorf("requests %+v after the slot", requests)
	}
}

func TestPartitionsGetSlotsInTurnUntilOneFails(t *testing.T) {
	ws := newWorkers()
	s := NewScheduler(NewReader(ReaderConfig{}, nil, func() {}), ws, 0, time.Now)
	known := Barriers{3: {Known: true}, 4: {Known: true}}
	other := *spot(0, 2, 0, 1)
	other.Partition = 4
	s.Accept(&Reply{Spots: []kafka.SpotFetched{*spot(5, 8, 5, 6, 7), other}, Ends: known})
	b := &Budget{LiveWaiting: func() bool { return false }}
	b.Bytes.Store(1 << 20)
	failed := errors.New("failed")
	var order []int32
	err := s.Run(t.Context(), 1, b, func(partition int32) {
		order = append(order, partition)
		end := error(nil)
		if len(order) == 4 {
			end = failed
		}
		go func() { ws.all[partition].step <- end }()
	})
	if !errors.Is(err, failed) || !slices.Equal(order, []int32{3, 4, 3, 4}) {
		t.Errorf("slots %v, error %v", order, err)
	}
	if rec, _ := ws.all[3].queue.Head(0, 0); rec == nil || rec.Offset != 7 {
		t.Errorf("the rest of partition 3 is %v", rec)
	}
}

func TestALogThatIsAnotherOneIsReported(t *testing.T) {
	ws := newWorkers()
	s := NewScheduler(NewReader(ReaderConfig{}, nil, func() {}), ws, 0, time.Now)
	if s.Accept(&Reply{Broken: kafka.ErrLogCut}); !errors.Is(ws.broken, kafka.ErrLogCut) {
		t.Errorf("reported %v", ws.broken)
	}
}

func TestNothingMoreIsFetchedWhileEnoughWaits(t *testing.T) {
	for _, test := range []struct {
		heldMax int64
		records bool
		want    []int32
		busy    bool
	}{
		{30, true, nil, true}, {31, true, []int32{3, 4}, true}, {10, true, nil, true}, {1, false, []int32{3, 4}, false},
	} {
		ws := newWorkers()
		s := NewScheduler(NewReader(ReaderConfig{}, nil, func() {}), ws, test.heldMax, time.Now)
		if test.records { // 30 bytes
			s.Accept(&Reply{Spots: []kafka.SpotFetched{*spot(5, 8, 5, 6, 7)}, Ends: Barriers{3: {Known: true}}})
		}
		if requests, busy := s.requests(); !slices.Equal(requested(requests), test.want) || busy != test.busy {
			t.Errorf("%d bytes are enough: requests of %v, busy %v; want %v, %v", test.heldMax, requested(requests), busy, test.want, test.busy)
		}
	}
}

func TestABarrierReachesTheQueueOfItsPartition(t *testing.T) {
	ws := newWorkers()
	s := NewScheduler(NewReader(ReaderConfig{}, nil, func() {}), ws, 1<<20, time.Now)
	s.Accept(&Reply{Spots: []kafka.SpotFetched{*spot(5, 6, 5)}})
	// The other partition is not served any more.
	s.Accept(&Reply{Ends: Barriers{3: {Known: true, Live: 7}, 9: {Known: true}}})
	if rec, _ := ws.all[3].queue.Head(6, 0); rec != nil {
		t.Error("the record did not wait for the barrier")
	}
	if rec, _ := ws.all[3].queue.Head(7, 0); rec == nil {
		t.Error("the barrier did not come")
	}
}
