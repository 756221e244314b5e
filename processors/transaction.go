package processors

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coexstream/coexstream/processors/bulk"
	"github.com/coexstream/coexstream/schemas"
)

// transaction processes polled records, some of the backlog, and the ticks, and commits all of it together. While the
// brokers end the transaction, the runners process more of the backlog for the next one.
func (s *session) transaction(ctx context.Context, all map[int32]*polledRecords, tick tick) error {
	for partition := range all {
		if s.runners[partition] == nil {
			return fmt.Errorf("polled records of partition %d, which is not assigned", partition)
		}
		s.p.health.waits(partition, all[partition].String())
	}
	stop := ctx
	// A begun transaction is ended even if the process stops. Otherwise the next owner waits for its timeout.
	ctx = context.WithoutCancel(ctx)
	started := s.p.deps.Now()
	if err := s.txn.Begin(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	send := newSender(ctx, s.txn.Produce, &s.limits)
	d := txnWork{send: send, acquire: s.workspaces.acquire}
	begun := s.p.deps.Now()
	err := s.runWork(ctx, &d, all, tick)
	ended := s.p.deps.Now()
	s.worked = ended.Sub(begun)
	if err != nil {
		return s.abort(ctx, err)
	}
	if err := s.joinLiveLate(ctx, &d); err != nil {
		return s.abort(ctx, err)
	}
	parts := make([]runnerResult, 0, len(d.runners))
	for _, r := range d.runners {
		parts = append(parts, r.endTransaction())
	}
	end := commitResult{done: make(chan struct{})}
	go func() {
		defer close(end.done)
		end.committed, end.err = s.commit(ctx, send, parts)
		now := s.p.deps.Now()
		end.took = now.Sub(ended)
		s.p.metrics.txnSeconds.Observe(now.Sub(started).Seconds())
	}()
	var aheadErr error
	if !s.cares() {
		aheadErr = s.workDuringCommit(stop, end.done)
	}
	<-end.done
	if err := s.afterCommit(&end, parts); err != nil {
		return err
	}
	return aheadErr
}

// txnWork is the work of one transaction.
type txnWork struct {
	send    *sender
	acquire func() *workspace
	runners []*runner // those with work in this transaction
	bulk    bool      // it processed some of the backlog
}

// start begins the transaction of a runner, unless it has begun.
func (d *txnWork) start(r *runner) {
	if r.workspace == nil {
		r.beginTransaction(d.acquire(), d.send)
		d.runners = append(d.runners, r)
	}
}

// flush flushes the runners in parallel, at most so many at once.
func (d *txnWork) flush(parallel int) error {
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, r := range d.runners {
		g.Go(r.flush)
	}
	return g.Wait()
}

// runWork processes one transaction: first the records that were emitted during the previous commit, then polled
// records, then the backlog within its budget, then the ticks, and the flush.
func (s *session) runWork(ctx context.Context, d *txnWork, all map[int32]*polledRecords, tick tick) error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for partition, r := range s.runners {
		w := all[partition]
		ahead := r != nil && r.workspace != nil
		if !ahead && w == nil {
			continue
		}
		if ahead {
			d.runners = append(d.runners, r)
		} else {
			d.start(r)
		}
		g.Go(func() error {
			if ahead {
				r.resumeTransaction(d.send)
			}
			if w == nil {
				return nil
			}
			return r.workLive(ctx, w)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	now := s.p.deps.Now()
	careful := s.cares()
	q := s.newBudget(now, len(all) > 0)
	if careful {
		s.carefulBudget(q, now, len(all) > 0)
	}
	if err := s.runBulk(ctx, now, q, d.start); err != nil {
		return err
	}
	if d.bulk = q.Started.Load(); d.bulk && s.liveWaiting() && !careful {
		if err := s.joinLive(ctx, d); err != nil {
			return err
		}
	}
	for partition, at := range tick {
		r := s.runners[partition]
		d.start(r)
		if err := r.tick(at); err != nil {
			return err
		}
	}
	return d.flush(runtime.GOMAXPROCS(0))
}

// liveWaiting reports whether records of raw.live or rerouted are buffered for the next poll.
func (s *session) liveWaiting() bool { return s.txn.Client().BufferedFetchRecords() > 0 }

// joinLive adds live records to the transaction that arrived while it processed bulk. Otherwise they would wait for the
// end of this transaction and of their own. No rebalance can happen meanwhile, because the last poll still blocks it.
func (s *session) joinLive(ctx context.Context, d *txnWork) error {
	poll, cancel := context.WithTimeout(ctx, joinWait)
	fetches := s.txn.PollRecords(poll, pollRecordsMax)
	cancel()
	if err := s.unreadable(fetches, func(schemas.Topic, int32, error) {}); err != nil { // the next poll has the error of a damaged batch again
		return err
	}
	if err := s.steppedOver(ctx, fetches); err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	all := s.groupByPartition(fetches)
	for partition, w := range all {
		r := s.runners[partition]
		if r == nil {
			_ = g.Wait()
			return fmt.Errorf("polled records of partition %d, which is not assigned", partition)
		}
		d.start(r)
		g.Go(func() error { return r.workLive(ctx, w) })
	}
	return g.Wait()
}

const (
	// joinWait is the maximum duration of a poll for records that are already buffered.
	joinWait = time.Millisecond
	// lateJoinsMax bounds how often a transaction waits for further acknowledgements.
	lateJoinsMax = 2
)

// joinLiveLate adds live records that arrive while a transaction with bulk waits for its acknowledgements, which take
// the longer part of a commit. If no live messages are expected, it does nothing: workDuringCommit uses that time.
func (s *session) joinLiveLate(ctx context.Context, d *txnWork) error {
	if !d.bulk || s.cares() || !s.policy.LiveExpected(s.p.deps.Now()) {
		return nil
	}
	for range lateJoinsMax {
		if err := s.waitDelivered(ctx, d.send); err != nil {
			return err
		}
		if !s.liveWaiting() {
			return nil
		}
		if err := s.joinLive(ctx, d); err != nil {
			return err
		}
		if err := d.flush(runtime.GOMAXPROCS(0)); err != nil {
			return err
		}
	}
	return nil
}

// newBudget returns the bulk budget of a transaction. inHand says that the transaction has polled records.
func (s *session) newBudget(now time.Time, inHand bool) *bulk.Budget {
	bytes, length := s.policy.Allowance(now, inHand)
	q := &bulk.Budget{TurnItems: s.policy.TurnItems(now), LiveWaiting: s.liveWaiting, AtHandOnly: s.policy.LiveExpected(now)}
	q.Bytes.Store(bytes - s.workedAhead)
	s.workedAhead = 0
	if length > 0 {
		q.Until = now.Add(length)
	}
	return q
}

// carefulBudget changes the budget in a session that processes one record at a time. A transaction with polled records
// gets no bulk. If the backlog is the suspected lane, another transaction gets one item of it, without regard to live
// records. The item may be processed in parts and need not be prefetched.
func (s *session) carefulBudget(q *bulk.Budget, now time.Time, inHand bool) {
	s.backlogIsNext = inHand
	switch {
	case inHand:
		q.Bytes.Store(0)
	case s.careful()[laneBacklog]:
		q.Bytes.Store(1)
		q.Until, q.AtHandOnly, q.LiveWaiting = now.Add(bulk.BesideLiveMax), false, func() bool { return false }
	}
}
