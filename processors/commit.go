package processors

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// commitResult is the result of a commit. The committing goroutine sets it before it closes done.
type commitResult struct {
	done      chan struct{}
	committed bool
	err       error
	took      time.Duration
}

// commit waits for the acknowledgements and ends the transaction. It runs on its own goroutine while runners process
// the backlog. committed is false without an error if a rebalance aborted the transaction.
func (s *session) commit(ctx context.Context, send *sender, parts []runnerResult) (committed bool, err error) {
	if err := s.waitDelivered(ctx, send); err != nil {
		return false, s.abort(ctx, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.TransactionTimeout)
	defer cancel()
	if !produced(parts) {
		s.formerEnded(ctx)
	}
	ctx = kgo.PreTxnCommitFnContext(ctx, func(req *kmsg.TxnOffsetCommitRequest) error {
		s.addOffsets(req, parts)
		return nil
	})
	committed, err = s.txn.End(ctx, kgo.TryCommit)
	if err == nil {
		err = send.err()
	}
	if err != nil {
		s.p.metrics.transactions.WithLabelValues("unknown").Inc()
		return false, fmt.Errorf("end transaction: %w", err)
	}
	return committed, nil
}

// waitDelivered waits until all produced records are acknowledged, and returns the first produce error. End also waits,
// but commits even after an error, and the rejected record would be lost.
func (s *session) waitDelivered(ctx context.Context, send *sender) error {
	if err := send.err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.TransactionTimeout)
	defer cancel()
	if err := s.txn.Client().Flush(ctx); err != nil {
		return fmt.Errorf("wait for the acknowledgements of a transaction: %w", err)
	}
	return send.err()
}

// produced reports whether a transaction has records.
func produced(parts []runnerResult) bool {
	return slices.ContainsFunc(parts, func(p runnerResult) bool { return p.ws.records.n > 0 })
}

// formerEndedWait is the interval at which formerEnded asks the coordinator.
const formerEndedWait = 5 * time.Millisecond

// formerEnded waits until the coordinator has completed the previous transaction. Apache Kafka answers EndTxn before it
// has written the markers, and rejects requests of the next transaction until then (CONCURRENT_TRANSACTIONS). The
// client retries a rejected produce request. For a transaction without records it would abort after rejected offsets,
// and state would be rebuilt.
func (s *session) formerEnded(ctx context.Context) {
	for {
		all, err := s.adm.DescribeTransactions(ctx, s.p.txnID)
		if one, ok := all[s.p.txnID]; err != nil || !ok || one.Err != nil || !strings.HasPrefix(one.State, "Prepare") {
			return // completed, or the state cannot be read
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(formerEndedWait):
		}
	}
}

// abort aborts a failed transaction and returns why. The cores are ahead of the committed offsets, so the session ends
// with this error and all state is rebuilt.
func (s *session) abort(ctx context.Context, why error) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.TransactionTimeout)
	defer cancel()
	if _, err := s.txn.End(ctx, kgo.TryAbort); err != nil {
		s.p.log.Warn("abort failed; the brokers will end the transaction", "error", err)
	}
	s.p.metrics.transactions.WithLabelValues("failed").Inc()
	return why
}

// afterCommit applies the result of a commit. After an abort by a rebalance the runners are discarded and rebuilt. An
// error of the commit ends the session, because the outcome may be unknown.
func (s *session) afterCommit(end *commitResult, parts []runnerResult) error {
	if end.err != nil {
		return end.err
	}
	if !end.committed {
		s.p.metrics.transactions.WithLabelValues("aborted").Inc()
		s.p.log.Info("transaction aborted by a rebalance; state is rebuilt", "partitions", len(parts))
		how := outcomeOf(nil, s.worked, s.cfg.TransactionTimeout)
		for _, p := range parts {
			s.p.notes.change(p.runner.partition, func(a attempt) attempt { return a.ended(how) })
			if r := p.runner; s.runners[r.partition] == r {
				r.dropRetained()
				s.runners[r.partition] = nil
			}
		}
		return nil
	}
	s.worked = 0
	s.policy.Committed(end.took)
	s.p.metrics.transactions.WithLabelValues("committed").Inc()
	for i := range parts {
		r := parts[i].runner
		for _, t := range schemas.Inputs() {
			r.start.recorded[t] = true
		}
		s.starts.forget(false, r.partition)
		s.p.losses.settled(r.partition)
		r.settle()
		s.p.metrics.committed(&parts[i].counts)
		for _, t := range schemas.Inputs() {
			r.inProgress[t].committed()
		}
		var events int64
		for _, n := range parts[i].counts.Events {
			events += n
		}
		s.p.health.committed(r.partition, parts[i].at.sum(), events > 0)
		s.workspaces.release(parts[i].ws)
	}
	s.p.metrics.committedAt.Set(float64(s.p.deps.Now().UnixMilli()) / 1000)
	return nil
}

// addOffsets adds the offset of raw.bulk to those that the group's consumer commits, for each partition with work, even
// if the offset is unchanged. The group rejects offsets of a member that lost its partitions. This aborts the
// transaction of a processor that was suspended while another one took over. Without offsets its transaction would be
// committed.
//
// The first transaction of a partition also commits the starting offsets of raw.live and rerouted. Later losses by
// retention then differ from those before the group existed. If the group continues elsewhere than at its committed
// offset, the cause is not detected twice. Beside each offset stands a mark that identifies its log.
func (s *session) addOffsets(req *kmsg.TxnOffsetCommitRequest, parts []runnerResult) {
	bulk := s.cfg.topic(schemas.TopicRawBulk)
	req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.TxnOffsetCommitRequestTopic) bool { return t.Topic == bulk })
	s.withoutBlocked(req)
	now := s.p.deps.Now()
	for i := range parts {
		done := &parts[i]
		at := &done.at
		addOffset(req, bulk, s.topicIDs[schemas.TopicRawBulk], done.runner.partition, at.next[schemas.TopicRawBulk], at.epoch[schemas.TopicRawBulk])
		for _, t := range beforeBulk {
			if !done.recorded[t] {
				addOffset(req, s.cfg.topic(t), s.topicIDs[t], done.runner.partition, at.next[t], at.epoch[t])
			}
		}
		s.addMarks(req, done, now)
	}
}

// addMarks adds marks to the offsets of one partition. The mark of raw.bulk, which is in every transaction, describes
// all logs. Those of the other inputs describe their own log and raw.bulk.
func (s *session) addMarks(req *kmsg.TxnOffsetCommitRequest, done *runnerResult, now time.Time) {
	for i := range req.Topics {
		t, ok := s.assignment.inputs[req.Topics[i].Topic]
		if !ok {
			continue
		}
		for j := range req.Topics[i].Partitions {
			p := &req.Topics[i].Partitions[j]
			if p.Partition != done.runner.partition {
				continue
			}
			m := kafka.Mark{At: now, Fault: done.fault}
			for _, of := range [...]schemas.Topic{schemas.TopicRawBulk, schemas.TopicRawLive, schemas.TopicRerouted, schemas.TopicState} {
				if t == schemas.TopicRawBulk || of == t || of == schemas.TopicRawBulk {
					m.Logs = append(m.Logs, kafka.LogMark{Topic: of.String(), ID: s.topicIDs[of], Next: done.at.next[of], End: max(done.at.end[of], done.at.next[of])})
				}
			}
			if t == schemas.TopicRawBulk { // for state, next is a number of records
				l := &m.Logs[len(m.Logs)-1]
				l.End = done.at.end[schemas.TopicState]
			}
			text := m.String()
			p.Metadata = &text
		}
	}
}

// addOffset adds an offset, unless the client commits one of that partition itself.
func addOffset(req *kmsg.TxnOffsetCommitRequest, topic string, id [16]byte, partition int32, offset int64, epoch int32) {
	i := slices.IndexFunc(req.Topics, func(t kmsg.TxnOffsetCommitRequestTopic) bool { return t.Topic == topic })
	if i < 0 {
		// A topic is added together with its first partition. The client takes an empty topic for offsets, but the
		// coordinator does not, and rejects the end of an empty transaction (INVALID_TXN_STATE).
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic, t.TopicID = topic, id
		req.Topics, i = append(req.Topics, t), len(req.Topics)
	}
	at := &req.Topics[i]
	if slices.ContainsFunc(at.Partitions, func(p kmsg.TxnOffsetCommitRequestTopicPartition) bool { return p.Partition == partition }) {
		return
	}
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch = partition, offset, epoch
	at.Partitions = append(at.Partitions, p)
}
