package handover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/spool"
	coexkafka "github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// Spooled is the Durable that keeps records on the local disk while another one, which writes to Kafka, does
// not take them in time, and hands them over when it does.
//
// A business takes the detour from the first record of it that went to the disk until the last one of it was
// handed over, and was handed over swiftly: so what is sent one after the other is written in that order.
// Businesses share spool.Shards detours, by the hash that chooses their partition. Each lane has a spool and a
// share of the bytes of its own, so that history is in nobody's way. But history overtakes no live record of
// its business: what an account event ends and begins is told by where it stands among the chunks.
type Spooled struct {
	cfg    Config
	direct raw.Ordered
	now    func() time.Time
	lanes  [2]*spoolLane

	byKafka, bySpool prometheus.Counter
}

// Deps are what a Spooled needs from outside.
type Deps struct {
	FS         spool.FS
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Now        func() time.Time
	Salt       func() uint64 // random
}

// New takes the folder of the spool. Nothing is written to the disk or handed over before Run.
func New(cfg Config, direct raw.Ordered, deps Deps) (*Spooled, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Spooled{cfg: cfg, direct: direct, now: deps.Now}
	durable := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "coexstream_ingress_durable_total",
		Help: "Records that became durable, by what made them so: kafka, or spool (and then Kafka later).",
	}, []string{"by"})
	s.byKafka, s.bySpool = durable.WithLabelValues("kafka"), durable.WithLabelValues("spool")
	if err := deps.Registerer.Register(durable); err != nil {
		return nil, fmt.Errorf("register hand-over metrics: %w", err)
	}
	for _, topic := range raw.Topics() {
		share := cfg.BytesMax / 4 // as of the memory, see budget
		if topic == schemas.TopicRawBulk {
			share = cfg.BytesMax - share
		}
		store, err := spool.Open(spool.Config{
			Dir:      filepath.Join(cfg.Dir, topic.String()),
			BytesMax: share, AgeMax: cfg.AgeMax, SegmentBytes: cfg.SegmentBytes, Sync: cfg.Sync,
		}, spool.Deps{
			FS: deps.FS, Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"topic": topic.String()}, deps.Registerer),
			Logger: deps.Logger, Now: deps.Now, Salt: deps.Salt,
		})
		if err != nil {
			return nil, err // the lock of the other lane ends with the process
		}
		s.lanes[raw.Lane(topic)] = newSpoolLane(cfg, topic, store, direct, deps)
	}
	bulk := s.lanes[raw.Lane(schemas.TopicRawBulk)]
	bulk.first = s.lanes[raw.Lane(schemas.TopicRawLive)].store
	return s, nil
}

// Publish implements raw.Durable.
func (s *Spooled) Publish(r *raw.Record, deadline time.Time) error {
	lane := s.lanes[raw.Lane(r.Topic)]
	store := lane.store
	cause, shard := errDetour, -1
	if !store.Idle() || lane.first != nil && !lane.first.Idle() {
		shard = shardOf(r)
	}
	if shard < 0 || !s.detour(lane, shard, deadline) {
		err := s.direct.Publish(r, s.bound(deadline))
		if err == nil {
			s.byKafka.Inc()
			return nil
		}
		if refusedForGood(err) {
			return err
		}
		cause, shard = err, shardOf(r)
	}
	err := store.Append(shard, r.Time, r.Bytes(), func(dst []byte) []byte { return appendRecord(dst, r) }, deadline)
	if err == nil {
		s.bySpool.Inc()
		return nil
	}
	return fmt.Errorf("%w; spool: %w", cause, err)
}

// detour tells whether a record has to go to the spool. It may wait until it need not.
func (s *Spooled) detour(l *spoolLane, shard int, deadline time.Time) bool {
	until := s.bound(deadline)
	if l.first != nil {
		l.first.Await(shard, until)
	}
	l.store.Await(shard, until)
	return l.store.Detour(shard) || l.first != nil && l.first.Detour(shard)
}

// errDetour is why Kafka was not asked.
var errDetour = fmt.Errorf("%w: earlier records of the business are in the spool", raw.ErrUnavailable)

// bound is until when Kafka may take its time. Of a request that took long to arrive, the disk gets half of
// what is left.
func (s *Spooled) bound(deadline time.Time) time.Time {
	now := s.now()
	left := deadline.Sub(now)
	return now.Add(min(s.cfg.After, left/2))
}

// shardOf is the order that a record belongs to.
func shardOf(r *raw.Record) int {
	return int(coexkafka.Partition(r.PartitionKey(), spool.Shards))
}

// refusedForGood tells whether Kafka refuses the record for what it is. What it refuses for who asks (an
// expired certificate, a missing right) is an outage like another: the operator ends it, and the record waits.
func refusedForGood(err error) bool {
	return errors.Is(err, raw.ErrRejected) && !errors.Is(err, raw.ErrDenied)
}

// Ready implements raw.Durable: records can be taken while either Kafka or the disk takes them.
func (s *Spooled) Ready() error {
	err := s.direct.Ready()
	if err == nil {
		return nil
	}
	if full := s.lanes[raw.Lane(schemas.TopicRawLive)].store.Ready(); full != nil {
		return fmt.Errorf("%w; spool: %w", err, full)
	}
	return nil
}

// Run makes records durable on the disk, and hands them over, until ctx ends; then it stops handing over,
// and leaves what there is to the next start. The Durable behind it must still run.
func (s *Spooled) Run(ctx context.Context) error {
	var lanes sync.WaitGroup
	errs := make([]error, len(s.lanes))
	for i, l := range s.lanes {
		lanes.Go(func() { errs[i] = l.run(ctx) })
	}
	lanes.Wait()
	return errors.Join(errs...)
}
