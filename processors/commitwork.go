package processors

import (
	"context"
	"time"

	"github.com/coexstream/coexstream/processors/bulk"
)

// workDuringCommit lets the runners work on the backlog while the brokers end a transaction, until done is closed or as much
// waits as the next transaction takes. What they emit is sent in that one. If this one is not committed, or the
// partition goes, it is dropped with the runner, like all that a runner knows.
//
// Nothing is done ahead while live messages are expected: the next transaction is theirs.
func (s *session) workDuringCommit(stop context.Context, done <-chan struct{}) error {
	now := time.Now()
	most, _ := s.policy.Allowance(now, false)
	if most <= 0 || s.policy.LiveExpected(now) {
		return nil
	}
	q := &bulk.Budget{Now: time.Now, LiveWaiting: func() bool {
		select {
		case <-done:
			return true
		default:
			return stop.Err() != nil || s.txn.Client().BufferedFetchRecords() > 0
		}
	}}
	q.Bytes.Store(most)
	defer func() { s.workedAhead = most - q.Bytes.Load() }()
	// What was begun is ended: it is a question of one chunk.
	ctx := context.WithoutCancel(stop)
	for q.HasRoom() && !q.LiveWaiting() {
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
