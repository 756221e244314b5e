package processors

import (
	"context"
	"time"
)

// goAhead lets the runners work on the backlog while the brokers end a transaction, until done is closed or as much
// waits as the next transaction takes. What they emit is sent in that one. If this one is not committed, or the
// partition goes, it is dropped with the runner, like all that a runner knows.
//
// Nothing is done ahead while live messages are expected: the next transaction is theirs.
func (s *session) goAhead(stop context.Context, done <-chan struct{}) error {
	now := time.Now()
	most, _ := s.lanes.bulk(now, false)
	if most <= 0 || s.lanes.expected(now) {
		return nil
	}
	q := &quantum{now: time.Now, waiting: func() bool {
		select {
		case <-done:
			return true
		default:
			return stop.Err() != nil || s.txn.Client().BufferedFetchRecords() > 0
		}
	}}
	q.bytes.Store(most)
	defer func() { s.ahead = most - q.bytes.Load() }()
	// What was begun is ended: it is a question of one chunk.
	ctx := context.WithoutCancel(stop)
	for q.room() && !q.waiting() {
		s.fetch()
		if !s.pending() {
			select {
			case <-done:
			case <-stop.Done():
			case reply := <-s.backlog.replies:
				s.accept(&reply)
			case reply := <-s.cuts:
				s.lay(&reply)
			}
			continue
		}
		err := s.bulk(ctx, now, q, func(r *runner) {
			if r.lent == nil {
				r.begin(s.workspaces.lend(), nil)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
