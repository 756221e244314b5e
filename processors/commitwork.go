package processors

import (
	"context"

	"github.com/coexstream/coexstream/processors/bulk"
)

// workDuringCommit lets the runners process the backlog while the brokers end a transaction. It stops when done is
// closed, when stop ends, when live records wait, or when the next transaction's budget is used up. The next
// transaction sends the records. If the commit fails or a partition is revoked, the records are discarded together with
// the runner.
//
// It does nothing while live messages are expected, because the next transaction belongs to them.
func (s *session) workDuringCommit(stop context.Context, done <-chan struct{}) error {
	now := s.p.deps.Now()
	most, _ := s.policy.Allowance(now, false)
	if most <= 0 || s.policy.LiveExpected(now) {
		return nil
	}
	q := &bulk.Budget{TurnItems: s.policy.TurnItems(now), LiveWaiting: func() bool {
		select {
		case <-done:
			return true
		default:
			return stop.Err() != nil || s.txn.Client().BufferedFetchRecords() > 0
		}
	}}
	q.Bytes.Store(most)
	defer func() { s.workedAhead = most - q.Bytes.Load() }()
	// A started slot is completed. Its length is bounded by one chunk.
	ctx := context.WithoutCancel(stop)
	for q.HasRoom(s.p.deps.Now()) && !q.LiveWaiting() {
		s.scheduler.Fetch()
		if !s.pending() {
			select {
			case <-done:
			case <-stop.Done():
			case reply := <-s.bulkReader.Replies():
				s.scheduler.Accept(&reply)
			case reply := <-s.prefetchReplies:
				s.installPrefetched(&reply)
			}
			continue
		}
		err := s.runBulk(ctx, now, q, func(r *runner) {
			if r.workspace == nil {
				r.beginTransaction(s.workspaces.acquire(), nil)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
