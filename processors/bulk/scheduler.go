package bulk

import (
	"context"
	"slices"
	"time"

	"github.com/coexstream/coexstream/internal/kafka"
)

// Worker processes the backlog of one partition.
type Worker interface {
	// Queue returns the partition's queue. While Work runs, the queue belongs to its goroutine.
	Queue() *Queue
	// Ready reports whether there is work. With atHandOnly, work that needs a wait does not count.
	Ready(atHandOnly bool) bool
	// Work processes one slot: until the records of one fetch or the budget are used up.
	Work(ctx context.Context, b *Budget) error
}

// Partitions are the session's partitions as a Scheduler sees them.
type Partitions interface {
	// Served returns the served partitions in ascending order.
	Served() []int32
	// Worker returns the worker of a partition; nil when it is not served.
	Worker(partition int32) Worker
	// Fetched takes fetched records. It is never called for a partition with a running slot.
	Fetched(spot *kafka.SpotFetched, ends Barriers)
	// Broken takes a Reply's error: the log is not the one that was read.
	Broken(err error)
	// Prefetched installs work that was prefetched for partitions without a running slot.
	Prefetched()
}

// Scheduler gives the partitions slots in turn. A slot ends with the records of one fetch or with the budget. Then the next
// partition gets one, while others continue. Records that arrive for a partition during its slot wait for the slot's end.
//
// All fields belong to the session's goroutine.
type Scheduler struct {
	reader     *Reader
	partitions Partitions
	heldMax    int64 // bytes that wait before nothing more is fetched
	now        func() time.Time
	lastServed int32           // the partition with the latest slot
	running    map[int32]*slot // by partition
}

// slot is a running slot. Its fields describe the queue as it will be at the end.
type slot struct {
	requests  []Request
	heldBytes int64
	replies   []Reply // arrived meanwhile
}

// NewScheduler makes a scheduler. It fetches until heldMax bytes wait. now is the processor's clock.
func NewScheduler(reader *Reader, partitions Partitions, heldMax int64, now func() time.Time) *Scheduler {
	return &Scheduler{reader: reader, partitions: partitions, heldMax: heldMax, now: now, running: map[int32]*slot{}}
}

// slotResult is the end of a slot.
type slotResult struct {
	partition int32
	err       error
}

// Run gives slots while the budget has room, as many in parallel as slots says. begin is called before each one. All slots
// have ended when Run returns. It returns the first error.
func (s *Scheduler) Run(ctx context.Context, slots int, b *Budget, begin func(partition int32)) (failed error) {
	ends := make(chan slotResult, slots)
	for {
		for failed == nil && len(s.running) < slots {
			partition, w := s.next(b.AtHandOnly)
			if w == nil || !b.HasRoom(s.now()) {
				break
			}
			begin(partition)
			s.lastServed = partition
			s.running[partition] = &slot{requests: w.Queue().Requests(partition), heldBytes: w.Queue().HeldBytes()}
			go func() { ends <- slotResult{partition, w.Work(ctx, b)} }()
		}
		if len(s.running) == 0 {
			return failed
		}
		s.Fetch()
		select {
		case end := <-ends:
			if failed == nil {
				failed = end.err
			}
			s.end(end.partition)
		case reply := <-s.reader.Replies():
			s.Accept(&reply)
		}
	}
}

// end ends a slot. The partition gets the replies that arrived meanwhile.
func (s *Scheduler) end(partition int32) {
	ended := s.running[partition]
	delete(s.running, partition)
	for i := range ended.replies {
		s.Accept(&ended.replies[i])
	}
}

// next returns the worker of the next slot; nil when none is ready.
func (s *Scheduler) next(atHandOnly bool) (int32, Worker) {
	for _, partition := range s.InTurn() {
		if w := s.partitions.Worker(partition); s.running[partition] == nil && w.Ready(atHandOnly) {
			return partition, w
		}
	}
	return 0, nil
}

// InTurn returns the served partitions. It begins behind the partition with the latest slot.
func (s *Scheduler) InTurn() []int32 {
	all := s.partitions.Served()
	i, _ := slices.BinarySearch(all, s.lastServed+1)
	return append(all[i:len(all):len(all)], all[:i]...)
}

// Fetch accepts the replies and the prefetched work that are there, and requests more.
func (s *Scheduler) Fetch() {
	s.partitions.Prefetched()
	for len(s.reader.replies) > 0 {
		reply := <-s.reader.replies
		s.Accept(&reply)
	}
	s.reader.Request(s.requests())
}

// Accept passes a reply to its partitions. For a partition with a running slot it is kept until the end of the slot.
func (s *Scheduler) Accept(reply *Reply) {
	if reply.Broken != nil {
		s.partitions.Broken(reply.Broken)
	}
	for i := range reply.Spots {
		spot := &reply.Spots[i]
		of := s.running[spot.Partition]
		if of == nil {
			s.partitions.Fetched(spot, reply.Ends)
			continue
		}
		of.replies = append(of.replies, Reply{Spots: reply.Spots[i : i+1], Ends: Barriers{spot.Partition: reply.Ends[spot.Partition]}})
		of.requests = nil
		for _, rec := range spot.Records {
			of.heldBytes += int64(len(rec.Value))
		}
	}
	for partition, b := range reply.Ends {
		if of := s.running[partition]; of != nil {
			of.replies = append(of.replies, Reply{Ends: Barriers{partition: b}})
			of.requests = slices.DeleteFunc(of.requests, func(r Request) bool { return r.EndsOnly })
		} else if w := s.partitions.Worker(partition); w != nil {
			w.Queue().SetBarrier(b)
		}
	}
}

// requests returns the requests of all partitions, and whether bulk waits to be processed. While enough waits, only missing
// barriers are requested.
func (s *Scheduler) requests() (requests []Request, busy bool) {
	var held int64
	for _, partition := range s.InTurn() {
		if of := s.running[partition]; of != nil {
			requests, held = append(requests, of.requests...), held+of.heldBytes
			continue
		}
		q := s.partitions.Worker(partition).Queue()
		requests, held = append(requests, q.Requests(partition)...), held+q.HeldBytes()
	}
	enough := held >= s.heldMax
	return slices.DeleteFunc(requests, func(r Request) bool { return enough && !r.EndsOnly }), held > 0
}
