package processors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
)

// restoreParallel bounds the partitions that are restored at once, because their records are held in memory.
const restoreParallel = 4

// restore rebuilds the missing cores.
//
// It fetches the committed offsets first, and stable. Then no transaction that commits other offsets can be open in the
// group. Records that such a transaction wrote to `state` and `contacts` lie below the current high watermark, and
// ReadAll reads up to it.
func (s *session) restore(ctx context.Context) error {
	var missing []int32
	for partition, r := range s.runners {
		if r == nil {
			missing = append(missing, partition)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	s.p.metrics.restoring.Set(float64(len(missing)))
	defer s.p.metrics.restoring.Set(0)
	started := s.p.deps.Now()
	positions, err := s.positions(ctx, missing)
	if err != nil {
		return err
	}
	restored, unreadable := make([]*runner, len(missing)), make([]*unreadableState, len(missing))
	damaged := make([]*kafka.Damaged, len(missing))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(restoreParallel)
	for i, partition := range missing {
		g.Go(func() error {
			r := &runner{partition: partition, cfg: s.cfg, fetcher: s.fetcher, scannerPool: s.scannerPool, heldCache: s.heldCache, pieces: s.pieces, names: s.names,
				metrics: s.p.metrics, losses: s.p.losses, now: s.p.deps.Now, start: positions[partition]}
			r.position, r.epoch, r.ends = r.start.at, r.start.epoch, r.start.end
			r.queue.Next, r.queue.Epoch = r.position[schemas.TopicRawBulk], r.epoch[schemas.TopicRawBulk]
			restored[i] = r
			err := s.rebuild(gctx, r)
			if errors.As(err, &unreadable[i]) || errors.As(err, &damaged[i]) {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("restore state: %w", err)
	}
	for i, r := range restored {
		s.p.metrics.lags.watch(r)
		if unreadable[i] != nil {
			s.block(r, unreadable[i])
			continue
		}
		if damaged[i] != nil {
			s.blockDamaged(r, damagedBatch{damaged[i], waitsPartition})
			continue
		}
		if s.beginDamaged(ctx, r) {
			continue
		}
		s.readFromCommitted(r)
		s.runners[r.partition] = r
	}
	serves := func(p int32) bool {
		_, ok := s.runners[p]
		return ok || s.blocked[p] != nil
	}
	s.p.metrics.lags.forget(serves)
	s.p.metrics.blocked.Set(float64(len(s.blocked))) // an earlier session may have had more
	s.p.health.serves(serves)
	s.p.damages.remove(func(b damagedBatch) bool { return !serves(b.Partition) })
	s.suspect(ctx, slices.DeleteFunc(restored, func(r *runner) bool {
		b := s.blocked[r.partition]
		return b != nil && b.damage != nil // its session does not begin before a repair
	}))
	s.p.log.Info("state restored", "partitions", len(missing), "took", s.p.deps.Now().Sub(started).Round(time.Millisecond).String())
	return nil
}

// newPartition returns a core without state.
func (s *session) newPartition(r *runner) (*partition.Partition, error) {
	cfg := s.cfg.Partition
	cfg.EventBytesMax = max(min(cfg.EventBytesMax, s.limits.events()), eventBytesLeast)
	cfg.OtherBytesMax = s.limits.value(schemas.TopicOther)
	cfg.Partition, cfg.Partitions = r.partition, s.partitions
	cfg.PartitionOf = func(business []byte) int32 { return kafka.Partition(business, s.partitions) }
	t, err := partition.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMisconfigured, err)
	}
	return t, nil
}

// relearn reads the emitted history events, because records of the state are missing. The core learns from them which
// messages must not be emitted again. This takes as long as reading the partition's history, so only a damaged state
// does it.
func (s *session) relearn(ctx context.Context, r *runner) error {
	unreadable := 0
	err := s.fetcher.ReadAll(ctx, s.cfg.topic(schemas.TopicHistory), r.partition, 0, func(rec *kgo.Record) error {
		if len(header(rec, schemas.HeaderReplay)) == 0 && r.core.Relearn(rec.Value) != nil {
			unreadable++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the emitted history: %w", err)
	}
	if unreadable > 0 {
		s.p.log.Warn("cannot read events of the emitted history", "partition", r.partition, "events", unreadable)
	}
	r.core.Relearned()
	return nil
}

// stateRecord is the newest record of a key.
type stateRecord struct {
	value  []byte
	offset int64
}

// rebuild rebuilds the core of a partition. The error is an unreadableState if a record cannot be read.
func (s *session) rebuild(ctx context.Context, r *runner) error {
	started := s.p.deps.Now()
	// Only the newest record of a key counts. A record may refer to an older one of another key, so all are read first.
	newest := map[string]stateRecord{}
	var n int
	err := s.fetcher.ReadAll(ctx, s.cfg.topic(schemas.TopicState), r.partition, 0, func(rec *kgo.Record) error {
		n++
		if rec.Value == nil {
			delete(newest, string(rec.Key))
		} else {
			newest[string(rec.Key)] = stateRecord{rec.Value, rec.Offset}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.p.metrics.restored.WithLabelValues(schemas.TopicState.String()).Add(float64(n))
	r.states = int64(len(newest))
	for aside := map[string]bool{}; ; {
		bad, err := s.restoreState(r, newest, aside)
		if err != nil {
			return err
		}
		if bad == nil {
			break
		}
		if !s.setAside(bad) {
			return bad
		}
		aside[together(bad.key)] = true
	}
	n = 0
	var bad *unreadableState
	err = s.fetcher.ReadAll(ctx, s.cfg.topic(schemas.TopicContacts), r.partition, 0, func(rec *kgo.Record) error {
		n++
		err := r.core.RestoreContact(rec.Key, func(name string) []byte { return header(rec, name) }, rec.Value == nil)
		if err == nil {
			return nil
		}
		found := &unreadableState{topic: rec.Topic, partition: r.partition, offset: rec.Offset, key: string(rec.Key), err: err}
		if s.setAside(found) {
			return nil
		}
		bad = found
		return kafka.ErrStop
	})
	switch {
	case bad != nil:
		return bad
	case err != nil:
		return err
	}
	s.p.metrics.restored.WithLabelValues(schemas.TopicContacts.String()).Add(float64(n))
	if err := r.core.Restored(); err != nil {
		return &unreadableState{topic: s.cfg.topic(schemas.TopicState), partition: r.partition, offset: -1, err: err}
	}
	if n := r.core.Incomplete(); n > 0 {
		if err := s.relearn(ctx, r); err != nil {
			return err
		}
		r.start.fault = s.p.losses.fault(schemas.TopicState, r.partition,
			&logFinding{fault: kafka.FaultStateIncomplete, read: span{0, int64(n)}}, s.p.deps.Now())
	}
	s.p.metrics.restores.Observe(s.p.deps.Now().Sub(started).Seconds())
	return nil
}
