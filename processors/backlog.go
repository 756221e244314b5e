package processors

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/bulk"
	"github.com/coexstream/coexstream/schemas"
)

// runBulk lets the runners process the backlog in slots, while the budget has room. The slots run in parallel, at most
// one per core. begin is called before each slot.
func (s *session) runBulk(ctx context.Context, now time.Time, q *bulk.Budget, begin func(*runner)) error {
	slots := s.policy.Workers(now, runtime.GOMAXPROCS(0))
	if s.careful()[laneBacklog] {
		slots = 1
	}
	return s.scheduler.Run(ctx, slots, q, func(partition int32) {
		r := s.runners[partition]
		begin(r)
		s.p.health.waits(partition, r.describeNext())
		s.policy.BulkAt = now
	})
}

// backlog shows a session's partitions to the scheduler of its backlog. It implements bulk.Partitions.
type backlog struct{ s *session }

// Served returns the served partitions in ascending order.
func (b backlog) Served() []int32 {
	all := make([]int32, 0, len(b.s.runners))
	for partition, r := range b.s.runners {
		if r != nil {
			all = append(all, partition)
		}
	}
	slices.Sort(all)
	return all
}

// Worker returns the runner of a partition; nil when it is not served.
func (b backlog) Worker(partition int32) bulk.Worker {
	if r := b.s.runners[partition]; r != nil {
		return r
	}
	return nil
}

// Broken ends the session in its next cycle.
func (b backlog) Broken(err error) { b.s.broken = err }

// Prefetched installs the records that were parsed beforehand.
func (b backlog) Prefetched() {
	for len(b.s.prefetchReplies) > 0 {
		reply := <-b.s.prefetchReplies
		b.s.installPrefetched(&reply)
	}
}

// Fetched appends fetched records to a partition's queue, and counts them.
func (b backlog) Fetched(spot *kafka.SpotFetched, ends bulk.Barriers) {
	r := b.s.runners[spot.Partition]
	if r == nil {
		return
	}
	if at := (*kafka.Damaged)(nil); errors.As(spot.Err, &at) {
		if spot.Offset == r.queue.Next {
			b.s.bulkIsDamaged(r, at)
		}
		return
	}
	if spot.Err != nil && spot.Offset == r.queue.Next && spot.LogStart <= spot.Offset { // the log ends before the position; this is not retention
		b.s.broken = fmt.Errorf("%w, and the log begins at %d", spot.Err, spot.LogStart)
		return
	}
	if !r.queue.Push(spot, ends) {
		return
	}
	r.ends[schemas.TopicRawBulk] = max(r.ends[schemas.TopicRawBulk], spot.HighWatermark)
	if r.queue.Empty() {
		r.position[schemas.TopicRawBulk] = r.queue.Next
	}
	if spot.Err != nil {
		b.s.p.losses.gone(schemas.TopicRawBulk, spot.Partition, spot.Offset, spot.LogStart)
		return
	}
	var bytes int
	for _, rec := range spot.Records {
		bytes += len(rec.Value)
	}
	b.s.p.metrics.read(schemas.TopicRawBulk, len(spot.Records), bytes)
}

// Queue returns the fetched records of the partition. It is part of bulk.Worker, as are the next two.
func (r *runner) Queue() *bulk.Queue { return &r.queue }

// Ready reports whether the runner has work of the backlog that can still be sent.
func (r *runner) Ready(atHandOnly bool) bool { return !r.send.failed() && r.hasWork(atHandOnly) }

// Work processes one slot.
func (r *runner) Work(ctx context.Context, q *bulk.Budget) error { return r.workBulk(ctx, q) }
