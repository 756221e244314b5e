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

// Spooled is the raw.Durable that publishes to Kafka within a bound of time, and else appends to the local disk.
//
// Businesses share spool.Shards shards, by the hash that chooses their partition. Records of a shard go to the disk
// from its first record there until its last record was handed over without delay. This keeps the order of records that
// are published one after the other.
//
// Each lane has a spool and a share of the bytes of its own, so that history does not displace live records. History
// never overtakes a live record of its shard: the position of an account event among the chunks tells to which
// onboarding they belong.
type Spooled struct {
	cfg    Config
	direct raw.Ordered
	now    func() time.Time
	lanes  [raw.Lanes]*lane

	byKafka, bySpool prometheus.Counter
}

// Deps are the dependencies of a Spooled.
type Deps struct {
	FS         spool.FS
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Now        func() time.Time
	Salt       func() uint64 // random
}

// New opens and locks the folder of the spool. Run writes to it and hands records over. direct is the way to Kafka.
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
		share := cfg.BytesMax / 4 // as in memory: short bodies have a quarter
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
		s.lanes[raw.Lane(topic)] = newLane(cfg, topic, store, direct, deps)
	}
	bulk := s.lanes[raw.Lane(schemas.TopicRawBulk)]
	bulk.ahead = s.lanes[raw.Lane(schemas.TopicRawLive)].store
	return s, nil
}

// Publish implements raw.Durable.
func (s *Spooled) Publish(r *raw.Record, deadline time.Time) error {
	lane := s.lanes[raw.Lane(r.Topic)]
	store := lane.store
	cause, shard := errSpooledEarlier, -1
	if !store.Idle() || lane.ahead != nil && !lane.ahead.Idle() {
		shard = shardOf(r)
	}
	if shard < 0 || !s.mustSpool(lane, shard, deadline) {
		err := s.direct.Publish(r, s.kafkaDeadline(deadline))
		if err == nil {
			s.byKafka.Inc()
			return nil
		}
		if rejectedForGood(err) {
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

// mustSpool reports whether a record has to go to the spool. When the last records of its shard are being handed over, it
// waits for them first.
func (s *Spooled) mustSpool(l *lane, shard int, deadline time.Time) bool {
	until := s.kafkaDeadline(deadline)
	if l.ahead != nil {
		l.ahead.AwaitHandOver(shard, until)
	}
	l.store.AwaitHandOver(shard, until)
	return l.store.MustSpool(shard) || l.ahead != nil && l.ahead.MustSpool(shard)
}

// errSpooledEarlier is the reason when Kafka was not asked.
var errSpooledEarlier = fmt.Errorf("%w: earlier records of the business are in the spool", raw.ErrUnavailable)

// kafkaDeadline returns the time until which Kafka may acknowledge. When little time is left until the deadline, the
// disk gets half of it.
func (s *Spooled) kafkaDeadline(deadline time.Time) time.Time {
	now := s.now()
	left := deadline.Sub(now)
	return now.Add(min(s.cfg.After, left/2))
}

// shardOf returns the shard of a record. Records of one shard stay in order.
func shardOf(r *raw.Record) int {
	return int(coexkafka.Partition(r.PartitionKey(), spool.Shards))
}

// rejectedForGood reports whether Kafka rejects the record itself. A rejection of the client (an expired certificate, a
// missing right) is an outage like any other: the record waits until an operator ends it.
func rejectedForGood(err error) bool {
	return errors.Is(err, raw.ErrRejected) && !errors.Is(err, raw.ErrDenied)
}

// Ready implements raw.Durable. Records can be taken while Kafka or the disk takes them.
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

// Run writes to the disk and hands records over until ctx ends. Records that are left on the disk are handed over after
// the next start. The raw.Ordered behind it must outlive it.
func (s *Spooled) Run(ctx context.Context) error {
	var lanes sync.WaitGroup
	errs := make([]error, len(s.lanes))
	for i, l := range s.lanes {
		lanes.Go(func() { errs[i] = l.run(ctx) })
	}
	lanes.Wait()
	return errors.Join(errs...)
}

// Drained reports whether the folder was read and no record waits in it. A file that cannot be opened counts as drained
// after some attempts; Inspect tells.
func (s *Spooled) Drained() bool {
	for _, l := range s.lanes {
		if !l.store.Drained() {
			return false
		}
	}
	return true
}

// Stats returns the content of the spool of a raw topic.
func (s *Spooled) Stats(topic schemas.Topic) spool.Stats {
	return s.lanes[raw.Lane(topic)].store.Stats()
}
