package processors

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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

// session is one life of the processor: a group member with a transactional producer, and the tasks of
// its partitions. All fields belong to the goroutine of run.
type session struct {
	p           *Processor
	cfg         *Config
	txn         *kgo.GroupTransactSession
	aux         *kgo.Client // reads state and held chunks; never a group member
	adm         *kadm.Client
	fetcher     *kafka.Fetcher
	assignment  *assignment
	policy      bulk.Policy
	crowd       liveBusinesses
	bulkReader  *bulk.Reader
	partitions  int32
	topicIDs    [topicNamesCount][16]byte
	starts      *starts
	began       time.Time
	broken      error // only a new session mends it
	limits      recordLimits
	scannerPool *bulk.ScannerPool
	heldCache   *bulk.HeldCache
	pieces      *bulk.PieceCache
	names       *[topicNamesCount]string
	workspaces  workspaces

	runners   map[int32]*runner  // assigned partitions; a nil runner has to be restored
	blocked   map[int32]*blocked // assigned partitions that are not served
	lastTick  time.Time
	waitTold  time.Time // when the log said the last time that a business waits
	scheduler *bulk.Scheduler
	by        string // names the session in notes: see suspect.go
	noteLog   noteLog
	worked    time.Duration // of the last transaction, unless it was committed
	noted     atomic.Bool   // how it ended is noted
	// backlogIsNext: of a session that does one thing at a time the next one is of the backlog.
	backlogIsNext   bool
	workedAhead     int64 // bytes of the backlog that were worked on for the next transaction
	prefetching     bool  // something is being cut
	procBoost       procBoost
	prefetchReplies chan prefetchReply
	// wake ends the poll under way: there is something to do beside live.
	wake atomic.Pointer[context.CancelFunc]
}

// session runs until ctx ends (nil) or something fails that only a new session can mend.
func (p *Processor) session(ctx context.Context) error {
	s := &session{p: p, cfg: &p.cfg, assignment: newAssignment(&p.cfg), names: topicNames(&p.cfg),
		scannerPool: bulk.NewScannerPool(cores(), split.Limits{BodyBytesMax: p.cfg.Decode.BytesMax, DepthMax: p.cfg.DepthMax}),
		heldCache:   bulk.NewHeldCache(p.cfg.HeldBytesMax), pieces: bulk.NewPieceCache(bulk.PieceBytesMax), prefetchReplies: make(chan prefetchReply, 1),
		policy: bulk.Policy{LiveLagMax: p.cfg.LiveLagRecordsMax, BytesMax: p.cfg.BulkBytesPerTransaction}, runners: map[int32]*runner{}, blocked: map[int32]*blocked{}, starts: newStarts(), began: p.deps.Now()}
	defer p.metrics.ended()

	base := p.clientOptions()
	aux, err := kgo.NewClient(base...)
	if err != nil {
		return fmt.Errorf("%w: kafka client: %w", errMisconfigured, err)
	}
	defer aux.Close()
	s.aux, s.adm, s.fetcher = aux, kadm.NewClient(aux), kafka.NewFetcher(aux)
	s.by, s.noteLog = rand.Text(), &attempts{s.adm, attemptsGroup(p.cfg.GroupID), p.cfg.topic(schemas.TopicRawBulk)}
	// A broker answers the requests of a connection in turn: what is waited for at the end of the log must not be in the
	// way of held chunks.
	ahead, err := kgo.NewClient(base...)
	if err != nil {
		return fmt.Errorf("%w: kafka client: %w", errMisconfigured, err)
	}
	defer ahead.Close()
	s.bulkReader = bulk.NewReader(bulk.ReaderConfig{
		Bulk: p.cfg.topic(schemas.TopicRawBulk), Live: p.cfg.topic(schemas.TopicRawLive), Rerouted: p.cfg.topic(schemas.TopicRerouted),
		BytesMax: p.cfg.FetchBytesMax, PartitionBytesMax: p.cfg.FetchPartitionBytesMax,
	}, kafka.NewFetcher(ahead), s.interruptPoll)
	s.scheduler = bulk.NewScheduler(s.bulkReader, backlog{s}, 2*p.cfg.BulkBytesPerTransaction)

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
		kgo.Balancers(kgo.RangeBalancer()), // the only one that gives the same partitions of every topic to one member
		kgo.BlockRebalanceOnPoll(),         // a rebalance waits for the transaction instead of aborting it
		kgo.SessionTimeout(p.cfg.SessionTimeout),
		kgo.RebalanceTimeout(p.cfg.RebalanceTimeout),
		kgo.HeartbeatInterval(min(p.cfg.SessionTimeout/10, 3*time.Second)),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxBytes(p.cfg.FetchBytesMax),
		kgo.FetchMaxPartitionBytes(p.cfg.FetchPartitionBytesMax),
		kgo.FetchMaxWait(500*time.Millisecond),
		// The offsets of the markers that end transactions are needed to know when an input has been read to its end.
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
			return batchBytesMax // the client tries the function without a topic
		}),
		kgo.MaxBufferedRecords(1<<20), // the bound is in bytes
		kgo.MaxBufferedBytes(p.cfg.BufferedBytesMax),
		kgo.ProducerLinger(5*time.Millisecond), // ends at the transaction's flush
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
	// The group gives the partitions of raw.bulk with those of the others, but its consumer never reads them.
	s.txn.Client().PauseFetchTopics(p.cfg.topic(schemas.TopicRawBulk))
	defer func() { p.memberID, _ = s.txn.Client().GroupMetadata() }()
	p.notReady("waiting for partitions")
	if err := s.endFormer(ctx); err != nil {
		return err
	}
	err = s.run(ctx)
	s.noteEnd(nil, outcomeOf(err, s.worked, p.cfg.TransactionTimeout))
	s.noted.Store(true)
	return err
}

// endFormer lets the coordinator end the transaction that the last life of this name may have left open. Restore
// would wait for it, and without this it ends by its timeout only.
func (s *session) endFormer(ctx context.Context) error {
	_, _, err := s.txn.Client().ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("begin with transactional id %s: %w", s.p.txnID, err)
	}
	return nil
}

// batchBytesMax lets a chunk of history leave in few batches: a broker that syncs its writes does so for
// each batch.
const batchBytesMax = 4 << 20

// eventSlackBytes is room for a record's key and headers beside its value.
const eventSlackBytes = 64 << 10

// checkTopics refuses to work on topics that are missing or not co-partitioned.
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
			return fmt.Errorf("topic %s: not there (%w); run `coexstream topics create`", name, errors.Join(d.Err))
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

const pollWait = 250 * time.Millisecond

func (s *session) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.bulkReader.Start(ctx, s.topicIDs[schemas.TopicRawBulk])
	defer s.procBoost.set(false)
	for {
		s.procBoost.set(s.policy.BothActive(time.Now()))
		pollCtx, cancel := context.WithTimeout(ctx, pollWait)
		s.wake.Store(&cancel)
		s.scheduler.Fetch()
		if !s.careful()[laneBacklog] {
			s.prefetch(ctx)
		}
		if (s.txn.Client().BufferedFetchRecords() == 0 || s.cares() && s.backlogIsNext) && s.pending() {
			// There is work without live records. Without a wait the client would take nothing at all, not even what
			// it has already.
			cancel()
		}
		fetches := s.txn.PollRecords(pollCtx, s.pollMax())
		cancel()
		if ctx.Err() != nil {
			s.txn.AllowRebalance()
			return nil //nolint:nilerr // told to stop
		}
		err := s.cycle(ctx, fetches)
		s.txn.AllowRebalance()
		if err != nil {
			return err
		}
	}
}

func (s *session) interruptPoll() {
	if cancel := s.wake.Load(); cancel != nil {
		(*cancel)()
	}
}

// pending tells whether there is work of the backlog that a transaction would do now.
func (s *session) pending() bool {
	now, careful := time.Now(), s.careful()[laneBacklog]
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

// unreadable is the error of a partition that cannot be read on; that a poll brought nothing is none.
func unreadable(fetches kgo.Fetches) (failed error) {
	fetches.EachError(func(topic string, partition int32, err error) {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return
		}
		failed = fmt.Errorf("fetch %s/%d: %w", topic, partition, err)
	})
	return failed
}

// cycle is one turn of the loop: the partitions' comings and goings, then one transaction.
func (s *session) cycle(ctx context.Context, fetches kgo.Fetches) error {
	if err := unreadable(fetches); err != nil {
		return err
	}
	went, err := s.reassign()
	if err != nil {
		return err
	}
	if went {
		// The client aborts the transaction after partitions went, although that one has not begun: all of its tasks
		// would be rebuilt once more. An abort of nothing makes up for it. It winds back what was polled just now.
		if _, err := s.txn.End(context.WithoutCancel(ctx), kgo.TryAbort); err != nil {
			return fmt.Errorf("begin anew after a rebalance: %w", err)
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
		// They were polled before that was known. An abort of nothing winds them back.
		if _, err := s.txn.End(context.WithoutCancel(ctx), kgo.TryAbort); err != nil {
			return fmt.Errorf("go back to work on one body at a time: %w", err)
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

// reassign drops the tasks of partitions that went and makes room for those that came. It returns whether any went.
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
				s.heldCache.ClearPartition(partition)
				s.pieces.ClearPartition(partition)
			}
		}
		s.p.log.Info("partitions", "assigned", e.assigned, "partitions", len(e.union()), "now", len(s.runners))
	}
	s.p.metrics.tasks.Set(float64(len(s.runners)))
	if len(s.runners)+len(s.blocked) == 0 {
		s.p.notReady("no partitions assigned")
	}
	return went, nil
}
