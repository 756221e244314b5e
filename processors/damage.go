package processors

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// A batch of a log may be damaged on the brokers' disks (ADR 0057). The need for the batch decides which work waits:
//
//   - The next record of raw.live or rerouted, or a record of state, contacts or history at a restore: the partition is not
//     served (blocked). All of its work may depend on the batch.
//   - The next record of raw.bulk: live records, held chunks and deferred records continue. raw.bulk is not read.
//   - A held chunk or a deferred record: live records continue, the backlog waits.
//
// Other partitions continue. The session looks at the batch again and again. It continues when the batch can be read, or when a
// repair has put others in its place. The records that a repair could not keep are reported by the broker.

// waitsFor returns the work that waits for a damaged batch.
type waitsFor int

const (
	waitsPartition waitsFor = iota
	waitsBulk               // the next record of raw.bulk
	waitsBacklog
)

// damagedBatch is a damaged batch that something waits for.
type damagedBatch struct {
	*kafka.Damaged
	waits waitsFor
}

// damages are the damaged batches that partitions wait for, also across sessions. They belong to the goroutine of Run.
type damages struct {
	p   *Processor
	all []damagedBatch
}

// add adds a batch, and reports it once.
func (d *damages) add(b damagedBatch) {
	if slices.ContainsFunc(d.all, func(o damagedBatch) bool { return o.Place() == b.Place() && o.waits == b.waits }) {
		return
	}
	d.all = append(d.all, b)
	d.count()
	d.p.log.Error("a batch of a log is damaged; "+[...]string{"its partition is not served", "raw.bulk of its partition is not read; live records are", "the backlog of its partition waits; live records do not"}[b.waits]+
		", other partitions are served", "topic", b.Topic, "partition", b.Partition, "offset", b.Offset, "error", b.Damaged,
		"do", "see docs/operations.md, A batch of a log is damaged")
}

// remove removes batches.
func (d *damages) remove(which func(damagedBatch) bool) {
	d.all = slices.DeleteFunc(d.all, which)
	d.count()
}

// of returns the batches of a partition.
func (d *damages) of(partition int32) (of []damagedBatch) {
	for _, b := range d.all {
		if b.Partition == partition {
			of = append(of, b)
		}
	}
	return of
}

func (d *damages) count() {
	byTopic := map[string]int{}
	for _, b := range d.all {
		byTopic[b.Topic]++
	}
	for _, t := range schemas.Topics() {
		d.p.metrics.damaged.WithLabelValues(t.String()).Set(float64(byTopic[d.p.cfg.topic(t)]))
	}
}

// failed keeps the damaged batch that ended a session. The next session begins without the work that waits for it.
func (d *damages) failed(err error) {
	var at *kafka.Damaged
	if !errors.As(err, &at) {
		return
	}
	b := damagedBatch{at, waitsPartition}
	if of := (*backlogDamage)(nil); errors.As(err, &of) {
		b.waits = waitsBacklog
	}
	d.add(b)
}

// backlogDamage is the error of a damaged batch that the backlog needs.
type backlogDamage struct{ err error }

func (b *backlogDamage) Error() string { return "backlog: " + b.err.Error() }
func (b *backlogDamage) Unwrap() error { return b.err }

// ofBacklog marks an error of a damaged batch.
func ofBacklog(err error) error {
	if errors.Is(err, kafka.ErrDamaged) {
		return &backlogDamage{err}
	}
	return err
}

const (
	// lookEvery is the interval between two looks at a damaged batch, or at an input that does not move.
	lookEvery = 3 * time.Second
	// lookWait bounds the looks of one time. Other partitions wait meanwhile.
	lookWait = time.Second
	// damagedReadsMax is how often a batch of raw.bulk is read before it counts as damaged: the network may have damaged it.
	damagedReadsMax = 3
)

// damageIn returns the first error of a poll that is not the damage of a batch, and blocks the partitions whose next batch is
// damaged. rewind is true if the polled records have to be polled again.
func (s *session) damageIn(ctx context.Context, fetches kgo.Fetches) (rewind bool, failed error) {
	failed = s.unreadable(fetches, func(topic schemas.Topic, partition int32, err error) {
		r := s.runners[partition]
		switch {
		case r == nil:
		case s.isDamaged(ctx, r, topic):
			rewind = true
		default:
			// Records before the batch are polled with the error. The error comes again when they have been processed.
			s.p.health.waits(partition, fmt.Sprintf("%s/%d: %v", s.names[topic], partition, err))
		}
	})
	return rewind, failed
}

// unreadable returns the error of a partition that cannot be read any further. A poll without records is no error. maybe is called
// where a batch may be damaged.
func (s *session) unreadable(fetches kgo.Fetches, maybe func(schemas.Topic, int32, error)) (failed error) {
	fetches.EachError(func(name string, partition int32, err error) {
		topic, ok := s.assignment.inputs[name]
		switch {
		case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		case ok && mayBeDamage(err):
			maybe(topic, partition, err)
		default:
			failed = fmt.Errorf("fetch %s/%d: %w", name, partition, err)
		}
	})
	return failed
}

// steppedOver returns an error if records before the polled ones were not polled: the client steps over some kinds of damage. If the
// next batch is damaged, its partition is blocked. Other gaps are those of aborted transactions, of markers and of retention. A gap
// that cannot be read is not passed.
func (s *session) steppedOver(ctx context.Context, fetches kgo.Fetches) (failed error) {
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		topic, ok := s.assignment.inputs[p.Topic]
		r := s.runners[p.Partition]
		if !ok || r == nil || len(p.Records) == 0 || p.Records[0].Offset <= r.position[topic] {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, lookWait)
		defer cancel()
		missed, err := s.fetcher.Ahead(ctx, p.Topic, p.Partition, r.position[topic], p.Records[0].Offset)
		switch {
		case errors.Is(err, kafka.ErrOffsetGone):
		case err != nil:
			if failed = err; !s.isDamaged(ctx, r, topic) {
				s.p.health.waits(p.Partition, err.Error())
			}
		case missed >= 0:
			failed = fmt.Errorf("%s/%d@%d was not polled, and records behind it were", p.Topic, p.Partition, missed)
		}
	})
	return failed
}

// mayBeDamage reports whether an error of a poll may be due to the bytes of a batch.
func mayBeDamage(err error) bool {
	ke, lost := (*kerr.Error)(nil), (*kgo.ErrDataLoss)(nil)
	return !errors.As(err, &ke) && !errors.As(err, &lost) && !errors.Is(err, kgo.ErrClientClosed)
}

// isDamaged blocks a partition if the next batch with records of raw.live or rerouted is damaged.
func (s *session) isDamaged(ctx context.Context, r *runner, topic schemas.Topic) bool {
	ctx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	at := (*kafka.Damaged)(nil)
	if _, err := s.fetcher.Ahead(ctx, s.names[topic], r.partition, r.position[topic], math.MaxInt64); !errors.As(err, &at) {
		return false
	}
	// The network may have damaged it.
	if _, err := s.fetcher.Fetch(ctx, at.Topic, at.Partition, at.Offset, 1, 0); !errors.As(err, &at) {
		return false
	}
	r.dropRetained()
	s.blockDamaged(r, damagedBatch{at, waitsPartition})
	return true
}

// blockDamaged blocks a partition because of a damaged batch.
func (s *session) blockDamaged(r *runner, b damagedBatch) {
	s.p.damages.add(b)
	s.went(r.partition) // the batch is no failure of the records before it
	s.stopServing(r, &blocked{runner: r, why: b, damage: &b})
}

// lookAtDamage looks at damaged batches, and at inputs that do not move. rewind is true if a partition is served again or no more.
func (s *session) lookAtDamage(ctx context.Context) (rewind bool) {
	now := s.p.deps.Now()
	if now.Sub(s.lastLook) < lookEvery {
		return false
	}
	s.lastLook = now
	ctx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	for _, b := range slices.Clone(s.p.damages.all) {
		if s.stillDamaged(ctx, b) {
			continue
		}
		s.p.damages.remove(func(o damagedBatch) bool { return o == b })
		s.p.log.Info("continuing behind a batch that was damaged: it can be read, or was repaired", "topic", b.Topic, "partition", b.Partition, "offset", b.Offset)
		rewind = s.serveAgain(b.Partition) || rewind
	}
	for partition, r := range s.runners {
		for _, topic := range beforeBulk {
			if r == nil || !r.stands(topic) || s.runners[partition] != r {
				continue
			}
			rewind = s.isDamaged(ctx, r, topic) || rewind
		}
	}
	return rewind
}

// stillDamaged reports whether a batch is damaged. It is, as long as nothing else is known.
func (s *session) stillDamaged(ctx context.Context, b damagedBatch) bool {
	err := s.fetcher.Look(ctx, b.Topic, b.Partition, b.Offset)
	return err != nil && !errors.Is(err, kafka.ErrOffsetGone)
}

// stands reports whether records of an input wait, and none was polled since the last look. The client says nothing of a batch with a
// wrong length.
func (r *runner) stands(topic schemas.Topic) bool {
	at := r.position[topic]
	moved := r.looked[topic] != at+1
	r.looked[topic] = at + 1
	return !moved && at < r.ends[topic]
}

// serveAgain lets a partition continue for which no batch is damaged any more. It reports whether the partition has to be restored.
func (s *session) serveAgain(partition int32) (restore bool) {
	left := s.p.damages.of(partition)
	waits := func(what waitsFor) bool {
		return slices.ContainsFunc(left, func(b damagedBatch) bool { return b.waits == what })
	}
	if r := s.runners[partition]; r != nil {
		r.backlogWaitsForRepair, r.queue.Halted = waits(waitsBacklog), waits(waitsBulk)
		return false
	}
	if b := s.blocked[partition]; b == nil || b.damage == nil || waits(waitsPartition) {
		return false
	}
	s.went(partition)
	s.unblock(partition)
	s.runners[partition], s.servedAgain[partition] = nil, true
	return true
}

// readFromCommitted lets the client read a partition that is served again from its committed offsets. Records that it had polled
// before the partition was blocked were not processed, but the client counts them as committed with each commit of other partitions.
func (s *session) readFromCommitted(r *runner) {
	if !s.servedAgain[r.partition] {
		return
	}
	delete(s.servedAgain, r.partition)
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, t := range beforeBulk {
		offsets[s.names[t]] = map[int32]kgo.EpochOffset{r.partition: {Epoch: r.epoch[t], Offset: r.position[t]}}
	}
	s.txn.Client().SetOffsets(offsets)
}

// beginDamaged gives a restored runner the damage that earlier sessions found. It reports whether the partition is not served.
func (s *session) beginDamaged(ctx context.Context, r *runner) (blocked bool) {
	ctx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	for _, b := range s.p.damages.of(r.partition) {
		switch {
		case !s.stillDamaged(ctx, b):
			s.p.damages.remove(func(o damagedBatch) bool { return o == b })
		case b.waits == waitsBacklog:
			r.backlogWaitsForRepair = true
		case b.waits == waitsBulk:
			r.queue.Halted = true
		case !blocked:
			blocked = true
			s.blockDamaged(r, b)
		}
	}
	return blocked
}

// bulkIsDamaged records a damaged batch of raw.bulk. Records that were fetched before it are processed.
func (s *session) bulkIsDamaged(r *runner, at *kafka.Damaged) {
	if r.damagedAt != at.Offset {
		r.damagedAt, r.damagedReads = at.Offset, 0
	}
	if r.damagedReads++; r.damagedReads < damagedReadsMax {
		return
	}
	r.damagedReads, r.queue.Halted = 0, true
	s.p.damages.add(damagedBatch{at, waitsBulk})
}

// repair is what a runner knows of damaged batches.
type repair struct {
	backlogWaitsForRepair bool
	damagedAt             int64                  // the damaged batch of raw.bulk
	damagedReads          int                    // how often it was read
	looked                [topicNamesCount]int64 // position at the last look, and 1; 0: there was none
}

// describe describes the damaged batches for readiness. So many of all partitions are not served because of them.
func (d *damages) describe(blocked, all int) string {
	var places []string
	for _, b := range d.all {
		places = append(places, b.Place())
	}
	slices.Sort(places)
	const most = 3
	what := strings.Join(places[:min(len(places), most)], ", ")
	if n := len(places) - most; n > 0 {
		what += fmt.Sprintf(" and %d more", n)
	}
	if blocked == 0 {
		return "history waits for a damaged batch: " + what
	}
	return fmt.Sprintf("%d of %d partitions are not served, because a batch is damaged: %s", blocked, all, what)
}
