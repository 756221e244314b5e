package processors

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/bulk"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// session is one life of the processor: a group member with a transactional producer, and the runners of its
// partitions.
//
// One goroutine executes run; below it is called the loop. Other goroutines are the callbacks of the group's client,
// the requests of bulkReader, the goroutine that commits a transaction, one prefetch, and those of the runners. The
// loop waits for runners and commit before it returns to poll. The comments of the groups below say who uses their
// fields.
type session struct {
	// Set before run starts and never changed. All goroutines may read them. The callbacks of the group's client, which
	// exist before txn is set, do not use txn.
	p          *Processor
	cfg        *Config
	txn        *kgo.GroupTransactSession
	aux        *kgo.Client // reads state and held chunks; never a group member
	adm        *kadm.Client
	fetcher    *kafka.Fetcher
	bulkReader *bulk.Reader
	partitions int32
	topicIDs   [topicNamesCount][16]byte
	began      time.Time
	limits     recordLimits
	names      *[topicNamesCount]string
	by         string // identifies the session in notes: see suspect.go
	noteLog    noteLog

	// Shared by several goroutines; they synchronise themselves.
	assignment  *assignment
	starts      *starts
	scannerPool *bulk.ScannerPool
	heldCache   *bulk.HeldCache
	pieces      *bulk.PieceCache
	noted       atomic.Bool // the end of the session is noted
	// prefetchReplies has room for the only prefetch. The prefetch sends, the loop receives.
	prefetchReplies chan prefetchReply
	// wake cancels the current poll, because there is work beside live records.
	wake atomic.Pointer[context.CancelFunc]

	// Owned by the loop. The committing goroutine reads blocked, which the loop does not change meanwhile.
	runners     map[int32]*runner  // assigned partitions; a nil runner has to be restored
	blocked     map[int32]*blocked // assigned partitions that are not served
	servedAgain map[int32]bool     // partitions that were blocked, and are restored next
	broken      error              // the reason to end the session; nil: none
	policy      bulk.Policy
	crowd       liveBusinesses
	workspaces  workspaces
	lastTick    time.Time
	lastLook    time.Time // see damage.go
	waitTold    time.Time // when a waiting business was logged last
	scheduler   *bulk.Scheduler
	worked      time.Duration // processing time of the latest transaction; 0 after its commit
	// backlogIsNext alternates live and backlog in a session that processes one record at a time.
	backlogIsNext bool
	workedAhead   int64 // bytes of the backlog processed during the commit, for the next transaction
	prefetching   bool  // a prefetch is running
}

// session runs one session until ctx ends, and returns nil then. Any error ends the session; a new one may repair it.
func (p *Processor) session(ctx context.Context) error {
	s := &session{p: p, cfg: &p.cfg, assignment: newAssignment(&p.cfg), names: topicNames(&p.cfg),
		scannerPool: bulk.NewScannerPool(runtime.GOMAXPROCS(0), split.Limits{BodyBytesMax: p.cfg.Decode.BytesMax, DepthMax: p.cfg.DepthMax}),
		heldCache:   bulk.NewHeldCache(p.cfg.HeldBytesMax), pieces: bulk.NewPieceCache(bulk.PieceBytesMax), prefetchReplies: make(chan prefetchReply, 1),
		policy: bulk.Policy{LiveLagMax: p.cfg.LiveLagRecordsMax, BytesMax: p.cfg.BulkBytesPerTransaction}, runners: map[int32]*runner{}, blocked: map[int32]*blocked{}, servedAgain: map[int32]bool{}, starts: newStarts(), began: p.deps.Now()}
	defer p.metrics.ended()

	base := p.clientOptions()
	aux, err := kgo.NewClient(base...)
	if err != nil {
		return fmt.Errorf("%w: kafka client: %w", errMisconfigured, err)
	}
	defer aux.Close()
	s.aux, s.adm, s.fetcher = aux, kadm.NewClient(aux), kafka.NewFetcher(aux)
	s.by, s.noteLog = rand.Text(), &attempts{s.adm, attemptsGroup(p.cfg.GroupID), p.cfg.topic(schemas.TopicRawBulk)}
	// A broker answers the requests of one connection in order. A fetch that waits at the end of raw.bulk would delay
	// the reads of held chunks, so it has its own connection.
	ahead, err := kgo.NewClient(base...)
	if err != nil {
		return fmt.Errorf("%w: kafka client: %w", errMisconfigured, err)
	}
	defer ahead.Close()
	s.bulkReader = bulk.NewReader(bulk.ReaderConfig{
		Bulk: p.cfg.topic(schemas.TopicRawBulk), Live: p.cfg.topic(schemas.TopicRawLive), Rerouted: p.cfg.topic(schemas.TopicRerouted),
		BytesMax: p.cfg.FetchBytesMax, PartitionBytesMax: p.cfg.FetchPartitionBytesMax,
	}, kafka.NewFetcher(ahead), s.interruptPoll)
	s.scheduler = bulk.NewScheduler(s.bulkReader, backlog{s}, 2*p.cfg.BulkBytesPerTransaction, p.deps.Now)

	if err := s.checkTopics(ctx); err != nil {
		return err
	}
	s.learnLimits(ctx)
	codec, err := codec(p.cfg.Compression)
	if err != nil {
		return err
	}
	batches := map[string]int32{}
	for _, t := range schemas.Topics() {
		most := int64(max(p.cfg.EventBytesMax+eventSlackBytes, batchBytesMax))
		switch t {
		case schemas.TopicRerouted, schemas.TopicOther, schemas.TopicDLQ, schemas.TopicState:
			most = int64(p.cfg.RecordBytesMax)
		default:
		}
		batches[p.cfg.topic(t)] = int32(min(most, s.limits[t]))
	}
	opts := append(append([]kgo.Opt{}, base...),
		kgo.ConsumerGroup(p.cfg.GroupID),
		kgo.Balancers(kgo.RangeBalancer()), // only this one assigns the same partitions of every topic to one member
		kgo.BlockRebalanceOnPoll(),         // a rebalance waits for the transaction instead of aborting it
		kgo.SessionTimeout(p.cfg.SessionTimeout),
		kgo.RebalanceTimeout(p.cfg.RebalanceTimeout),
		kgo.HeartbeatInterval(min(p.cfg.SessionTimeout/10, 3*time.Second)),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxBytes(p.cfg.FetchBytesMax),
		kgo.FetchMaxPartitionBytes(p.cfg.FetchPartitionBytesMax),
		kgo.FetchMaxWait(500*time.Millisecond),
		// The offsets of control records show when an input has been read to its end.
		kgo.KeepControlRecords(),
		kgo.TransactionalID(p.txnID),
		kgo.TransactionTimeout(p.cfg.TransactionTimeout),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codec),
		kgo.ProducerBatchMaxBytesFn(func(topic string) int32 {
			if most, ok := batches[topic]; ok {
				return most
			}
			return batchBytesMax // the client calls this function once without a topic
		}),
		kgo.MaxBufferedRecords(1<<20), // MaxBufferedBytes is the effective limit
		kgo.MaxBufferedBytes(p.cfg.BufferedBytesMax),
		kgo.ProducerLinger(5*time.Millisecond), // the flush of a transaction ends it earlier
		kgo.RecordDeliveryTimeout(p.cfg.TransactionTimeout),
	)
	if p.cfg.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(p.cfg.InstanceID))
	}
	opts = append(opts, kgo.ConsumeTopics(p.cfg.inputs()...))
	opts = append(opts, s.assignment.options(func(partitions ...int32) {
		s.starts.forget(true, partitions...)
		s.went(partitions...)
	})...)
	opts = append(opts, kgo.AdjustFetchOffsetsFn(s.begin))
	if s.txn, err = kgo.NewGroupTransactSession(opts...); err != nil {
		return fmt.Errorf("%w: kafka transaction session: %w", errMisconfigured, err)
	}
	defer s.txn.CloseAllowingRebalance()
	// The group assigns raw.bulk together with the other inputs. The group's consumer never fetches it; bulkReader
	// does.
	s.txn.Client().PauseFetchTopics(p.cfg.topic(schemas.TopicRawBulk))
	defer func() { p.memberID, _ = s.txn.Client().GroupMetadata() }()
	p.notReady("waiting for partitions")
	if err := s.endFormer(ctx); err != nil {
		return err
	}
	err = s.run(ctx)
	s.noteEnds(err)
	s.noted.Store(true)
	return err
}

// endFormer initialises the transactional id, so the coordinator ends a transaction that a killed predecessor left
// open. Without this call, restore would wait for that transaction's timeout.
func (s *session) endFormer(ctx context.Context) error {
	_, _, err := s.txn.Client().ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("begin with transactional id %s: %w", s.p.txnID, err)
	}
	return nil
}

// batchBytesMax is the maximum size of a batch in bytes. Large batches are fewer, and some brokers sync each batch to
// disk.
const batchBytesMax = 4 << 20

// eventSlackBytes is the room for the key and the headers of a record beside its value.
const eventSlackBytes = 64 << 10

// checkTopics returns an error if a topic is missing or if partition counts differ.
func (s *session) checkTopics(ctx context.Context) error {
	names := make([]string, 0, len(schemas.Topics()))
	for _, t := range schemas.Topics() {
		names = append(names, s.cfg.topic(t))
	}
	listed, err := s.adm.ListTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("list topics from %s: %w", strings.Join(s.cfg.Brokers, ", "), kafka.Explain(err))
	}
	for i, t := range schemas.Topics() {
		name := names[i]
		d, ok := listed[name]
		if !ok || d.Err != nil || len(d.Partitions) == 0 {
			return fmt.Errorf("topic %s: does not exist (%w); run `coexstream topics create`", name, errors.Join(d.Err))
		}
		s.topicIDs[t] = d.ID
		n := int32(len(d.Partitions))
		if s.partitions == 0 {
			s.partitions = n
		}
		if n != s.partitions {
			return fmt.Errorf("%w: topic %s has %d partitions and %s has %d; all need the same number (run `coexstream topics verify`)",
				errMisconfigured, name, n, names[0], s.partitions)
		}
	}
	return nil
}

// pollWait is the maximum duration of a poll.
const pollWait = 250 * time.Millisecond

// run is the loop of the session. It polls and runs cycles until ctx ends, and returns nil then.
func (s *session) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.bulkReader.Start(ctx, s.topicIDs[schemas.TopicRawBulk])
	for {
		pollCtx, cancel := context.WithTimeout(ctx, pollWait)
		s.wake.Store(&cancel)
		s.scheduler.Fetch()
		if !s.careful()[laneBacklog] {
			s.prefetch(ctx)
		}
		if (s.txn.Client().BufferedFetchRecords() == 0 || s.cares() && s.backlogIsNext) && s.pending() {
			// There is work without live records. With a cancelled context the poll returns buffered records at once.
			// Without any poll the client would deliver none of them.
			cancel()
		}
		fetches := s.txn.PollRecords(pollCtx, s.pollMax())
		cancel()
		if ctx.Err() != nil {
			s.txn.AllowRebalance()
			return nil //nolint:nilerr // the stop was requested
		}
		err := s.cycle(ctx, fetches)
		s.txn.AllowRebalance()
		if err != nil {
			return err
		}
	}
}

// interruptPoll ends the current poll. Any goroutine may call it.
func (s *session) interruptPoll() {
	if cancel := s.wake.Load(); cancel != nil {
		(*cancel)()
	}
}

// pending reports whether a transaction that starts now would process some of the backlog.
func (s *session) pending() bool {
	now, careful := s.p.deps.Now(), s.careful()[laneBacklog]
	if bytes, _ := s.policy.Allowance(now, false); bytes <= 0 && !careful {
		return false
	}
	for _, r := range s.runners {
		if r != nil && r.hasWork(s.policy.LiveExpected(now) && !careful) {
			return true
		}
	}
	return false
}

// cycle is one iteration of the loop: it handles assignments and restores cores, then runs one transaction.
func (s *session) cycle(ctx context.Context, fetches kgo.Fetches) error {
	rewind, err := s.damageIn(ctx, fetches)
	if err != nil {
		return err
	}
	went, err := s.reassign()
	if err != nil {
		return err
	}
	if rewind = s.lookAtDamage(ctx) || rewind; rewind && !went {
		if err := s.rewind(ctx); err != nil {
			return err
		}
		fetches = nil
	}
	if went {
		// After a revocation the client aborts the next transaction, and its cores would be rebuilt again. An empty abort
		// now avoids this. It also rewinds the records of this poll.
		if err := s.rewind(ctx); err != nil {
			return err
		}
		fetches = nil
		s.p.metrics.rebalances.Inc()
	}
	if err := s.restore(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	if s.broken != nil {
		return s.broken
	}
	if s.careful()[laneLive] && fetches.NumRecords() > 1 {
		// They were polled before care was known to be needed.
		if err := s.rewind(ctx); err != nil {
			return err
		}
		fetches = nil
	}
	if s.steppedOver(ctx, fetches) != nil {
		if err := s.rewind(ctx); err != nil {
			return err
		}
		fetches = nil
	}
	s.reportReady()
	work := s.groupByPartition(fetches)
	tick := s.tick(context.WithoutCancel(ctx))
	if len(work) == 0 && len(tick) == 0 && !s.pending() {
		return nil
	}
	return s.transaction(ctx, work, tick)
}

// rewind lets the client poll again what it polled since the last commit, by an empty abort.
func (s *session) rewind(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.TransactionTimeout)
	defer cancel()
	if _, err := s.txn.End(ctx, kgo.TryAbort); err != nil {
		return fmt.Errorf("rewind polled records: %w", err)
	}
	return nil
}

// reassign applies the assignment events since the last call: revoked partitions lose their runners, and assigned ones
// get a nil runner. It reports whether any partition was revoked.
func (s *session) reassign() (went bool, err error) {
	for _, e := range s.assignment.drain() {
		if e.assigned {
			if err := e.coPartitioned(); err != nil {
				return went, err
			}
		}
		went = went || !e.assigned
		for partition := range e.union() {
			s.unblock(partition)
			if e.assigned {
				s.runners[partition] = nil
			} else {
				if r := s.runners[partition]; r != nil {
					r.dropRetained()
				}
				delete(s.runners, partition)
				s.p.metrics.lags.forget(func(p int32) bool { return p != partition })
				s.p.health.forget(partition)
				s.p.damages.remove(func(b damagedBatch) bool { return b.Partition == partition })
				s.heldCache.ClearPartition(partition)
				s.pieces.ClearPartition(partition)
			}
		}
		s.p.log.Info("partitions", "assigned", e.assigned, "partitions", len(e.union()), "now", len(s.runners))
	}
	s.p.metrics.partitions.Set(float64(len(s.runners)))
	if len(s.runners)+len(s.blocked) == 0 {
		s.p.notReady("no partitions assigned")
	}
	return went, nil
}
