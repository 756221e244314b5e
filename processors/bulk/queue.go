package bulk

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
)

// Queue has the records of one partition that were fetched and not processed. It holds at most two fetches: one that is being
// processed and one that arrived meanwhile. The zero value is an empty queue at offset 0.
type Queue struct {
	batches []fetched
	Next    int64 // offset of the next fetch
	Epoch   int32 // leader epoch of the record before Next; -1: not known
	Halted  bool  // nothing more is requested, because the batch at Next is damaged
}

// fetched has the records of one fetch.
type fetched struct {
	records []*kgo.Record
	at      int   // index of the first record that was not processed
	bytes   int64 // of all
	next    int64 // the offset after all
	barrier Barrier
}

const batchesMax = 2

// HeldBytes returns the bytes of the waiting records.
func (q *Queue) HeldBytes() (n int64) {
	for i := range q.batches {
		n += q.batches[i].bytes
	}
	return n
}

// Requests returns the requests for the partition's next records, if any.
func (q *Queue) Requests(partition int32) (requests []Request) {
	a := Request{Spot: kafka.Spot{Partition: partition, Offset: q.Next}, Epoch: q.Epoch}
	if len(q.batches) < batchesMax && !q.Halted {
		requests = append(requests, a)
	}
	for i := range q.batches {
		if !q.batches[i].barrier.Known {
			a.EndsOnly = true
			return append(requests, a)
		}
	}
	return requests
}

// Push appends the records of a fetch. It reports false for a fetch of another offset: the partition has started elsewhere
// since it was requested.
func (q *Queue) Push(s *kafka.SpotFetched, ends Barriers) (fits bool) {
	switch {
	case s.Offset != q.Next || len(q.batches) >= batchesMax:
		return false
	case s.Err != nil:
		q.Next, q.Epoch = s.LogStart, -1
		return true
	}
	q.Next = s.Next
	if n := len(s.Records); n > 0 {
		q.Epoch = s.Records[n-1].LeaderEpoch
	}
	if len(s.Records) == 0 { // control records alone
		if n := len(q.batches); n > 0 {
			q.batches[n-1].next = s.Next
		}
		return true
	}
	part := fetched{records: s.Records, next: s.Next, barrier: ends[s.Partition]}
	for _, r := range s.Records {
		part.bytes += int64(len(r.Value))
	}
	q.batches = append(q.batches, part)
	return true
}

// SetBarrier sets a barrier that was requested again. It is at least as far as the missed one.
func (q *Queue) SetBarrier(b Barrier) {
	for i := range q.batches {
		if !q.batches[i].barrier.Known {
			q.batches[i].barrier = b
		}
	}
}

// Head returns the first waiting record, and the records of its fetch before it. It returns nil when nothing waits, or when
// live and rerouted have not been read up to the barrier.
func (q *Queue) Head(live, rerouted int64) (rec *kgo.Record, near []*kgo.Record) {
	if len(q.batches) == 0 || !q.batches[0].barrier.passed(live, rerouted) {
		return nil, nil
	}
	p := &q.batches[0]
	return p.records[p.at], p.records[:p.at]
}

// Empty reports whether nothing waits. Then the position is Next.
func (q *Queue) Empty() bool { return len(q.batches) == 0 }

// Pop removes the first record. It returns the offset after it, and whether it was the last of its fetch.
func (q *Queue) Pop() (position int64, last bool) {
	p := &q.batches[0]
	if p.at++; p.at < len(p.records) {
		return p.records[p.at-1].Offset + 1, false
	}
	position = p.next
	q.batches = slices.Delete(q.batches, 0, 1) // and forgets the records
	return position, true
}
