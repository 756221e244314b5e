package processors

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/bulk"
	"github.com/coexstream/coexstream/schemas"
)

// beforeBulk are the inputs that are processed before raw.bulk, in this order.
var beforeBulk = [...]schemas.Topic{schemas.TopicRawLive, schemas.TopicRerouted}

// pollRecordsMax bounds the records of one poll.
const pollRecordsMax = 2000

// polledRecords are the polled records of one partition number, by input.
type polledRecords struct {
	partition int32
	records   map[schemas.Topic][]*kgo.Record
	crowd     *liveBusinesses // the businesses with live traffic
}

// groupByPartition groups polled records by partition number. It passes their times and the live lag to the policy, and
// counts records that retention removed.
func (s *session) groupByPartition(fetches kgo.Fetches) map[int32]*polledRecords {
	all := map[int32]*polledRecords{}
	var newest time.Time
	var lag int64
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		topic, ok := s.assignment.inputs[p.Topic]
		if !ok || topic == schemas.TopicRawBulk || len(p.Records) == 0 || s.blocked[p.Partition] != nil {
			return
		}
		w := all[p.Partition]
		if w == nil {
			w = &polledRecords{partition: p.Partition, records: map[schemas.Topic][]*kgo.Record{}}
			all[p.Partition] = w
		}
		if r := s.runners[p.Partition]; r != nil {
			next := r.position[topic]
			if before := w.records[topic]; len(before) > 0 { // from another leader in the same poll
				next = before[len(before)-1].Offset + 1
			}
			s.p.losses.gone(topic, p.Partition, next, min(p.Records[0].Offset, p.LogStartOffset))
		}
		w.records[topic] = append(w.records[topic], p.Records...)
		if r := s.runners[p.Partition]; r != nil {
			r.ends[topic] = max(r.ends[topic], p.HighWatermark)
		}
		var records, bytes int
		for _, r := range p.Records {
			if !r.Attrs.IsControl() {
				records++
				bytes += len(r.Value)
			}
		}
		if topic == schemas.TopicRawLive {
			for _, r := range p.Records {
				if r.Attrs.IsControl() {
					continue
				}
				s.crowd.wrote(r.Key, r.Timestamp)
				if r.Timestamp.After(newest) {
					newest = r.Timestamp
				}
			}
			lag += max(p.HighWatermark-p.Records[len(p.Records)-1].Offset-1, 0)
		}
		s.p.metrics.read(topic, records, bytes)
	})
	now := s.p.deps.Now()
	recent := s.crowd.since(now.Add(-bulk.LiveRecent))
	for _, w := range all {
		w.crowd = &recent
	}
	s.policy.Polled(now, newest, lag)
	paused := 0.0
	if s.policy.Behind {
		paused = 1
	}
	s.p.metrics.bulkPaused.Set(paused)
	return all
}

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
	g.SetLimit(s.p.deps.Cores())
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
	return d.flush(s.p.deps.Cores())
}

// liveWaiting reports whether records of raw.live or rerouted are buffered for the next poll.
func (s *session) liveWaiting() bool { return s.txn.Client().BufferedFetchRecords() > 0 }

// joinLive adds live records to the transaction that arrived while it processed bulk. Otherwise they would wait for the
// end of this transaction and of their own. No rebalance can happen meanwhile, because the last poll still blocks it.
func (s *session) joinLive(ctx context.Context, d *txnWork) error {
	poll, cancel := context.WithTimeout(ctx, joinWait)
	fetches := s.txn.PollRecords(poll, pollRecordsMax)
	cancel()
	if err := unreadable(fetches); err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(s.p.deps.Cores())
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
		if err := d.flush(s.p.deps.Cores()); err != nil {
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

// tick has the time that passes, for each partition that has been read to its end.
type tick map[int32]time.Time

// tick lists the end offsets of the inputs, at most once per TickEvery. It returns the partitions that have been read
// up to them. Their cores have seen every webhook that was acknowledged TickGrace earlier, so time may pass up to then.
func (s *session) tick(ctx context.Context) tick {
	now := s.p.deps.Now()
	if now.Sub(s.lastTick) < s.cfg.TickEvery || len(s.runners)+len(s.blocked) == 0 {
		return nil
	}
	s.lastTick = now
	names := s.cfg.inputs()
	askCtx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	ends, err := s.adm.ListCommittedOffsets(askCtx, names...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		s.p.log.Debug("cannot list end offsets; no time passes", "error", err)
		return nil
	}
	t := tick{}
	replaying := 0
	for partition, r := range s.runners {
		if r == nil {
			continue
		}
		caughtUp := s.behind(r, ends, now)
		if r.core.Replays() > 0 {
			replaying++
		}
		if r.core.Replaying(now) {
			continue
		}
		if r.readLive() { // no live record is left to be careful about
			r.relax(laneLive)
		}
		if caughtUp && !r.backlogWaits() {
			r.relax(laneBacklog)
		}
		if caughtUp {
			t[partition] = now.Add(-s.cfg.TickGrace)
		}
	}
	for _, b := range s.blocked {
		s.behind(b.runner, ends, now)
	}
	s.p.metrics.replaying.Set(float64(replaying))
	s.observe()
	s.workspaces.shrink()
	s.scannerPool.Shrink()
	return t
}

// readLive reports whether raw.live and rerouted have been read to their ends.
func (r *runner) readLive() bool {
	for _, t := range beforeBulk {
		if r.position[t] < r.ends[t] {
			return false
		}
	}
	return true
}

// backlogWaits reports whether held chunks that may be released, or deferred records, wait.
func (r *runner) backlogWaits() bool {
	_, held := r.core.NextHeld()
	return held || r.core.Behind()
}

// behind updates the lag of a partition's inputs. It reports whether all of them have been read to their ends.
func (s *session) behind(r *runner, ends kadm.ListedOffsets, now time.Time) (caughtUp bool) {
	caughtUp = true
	waits := false
	for _, topic := range schemas.Inputs() {
		end, ok := ends.Lookup(s.cfg.topic(topic), r.partition)
		if !ok {
			caughtUp = false
			continue
		}
		r.ends[topic] = max(r.ends[topic], end.Offset)
		behind := end.Offset - r.position[topic]
		waits = waits || behind > 0
		r.behind(topic, behind, now)
	}
	deferred := r.core != nil && r.core.Behind()
	switch caughtUp = caughtUp && !waits; {
	case waits || deferred:
		s.p.health.waits(r.partition, "")
	case caughtUp:
		s.p.health.idle(r.partition)
	}
	return caughtUp
}

// String returns the topics, the partition and the offsets of the records, for health and logs.
func (w *polledRecords) String() string {
	var b strings.Builder
	for _, t := range beforeBulk {
		if rs := w.records[t]; len(rs) > 0 {
			fmt.Fprintf(&b, "%s/%d@%d to %d ", t, w.partition, rs[0].Offset, rs[len(rs)-1].Offset)
		}
	}
	return strings.TrimSpace(b.String())
}
