package processors

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/task"
	"github.com/coexstream/coexstream/schemas"
)

// restoreParallel bounds the partitions that are restored at once, for their reads are held in memory.
const restoreParallel = 4

// restore rebuilds the tasks that are missing.
//
// The committed offsets are asked for first, and stable: once they are known, no transaction that commits
// others can be open in the group. What such a transaction wrote to `state` and `contacts` lies below the
// high watermark by then, and ReadAll reads up to it.
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
	started := s.p.deps.Now()
	positions, err := s.positions(ctx, missing)
	if err != nil {
		return err
	}
	restored := make([]*runner, len(missing))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(restoreParallel)
	for i, partition := range missing {
		g.Go(func() error {
			r := &runner{partition: partition, cfg: s.cfg, fetcher: s.fetcher, scanners: s.scanners, shelf: s.shelf, names: s.names,
				metrics: s.p.metrics, now: s.p.deps.Now, start: positions[partition]}
			r.position, r.epoch, r.ends = r.start.at, r.start.epoch, r.start.end
			r.bulk.next, r.bulk.epoch = r.position[schemas.TopicRawBulk], r.epoch[schemas.TopicRawBulk]
			restored[i] = r
			return s.rebuild(gctx, r)
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("restore state: %w", err)
	}
	for _, r := range restored {
		s.runners[r.partition] = r
	}
	s.p.log.Info("state restored", "partitions", len(missing), "took", s.p.deps.Now().Sub(started).Round(time.Millisecond).String())
	return nil
}

func (s *session) rebuild(ctx context.Context, r *runner) error {
	started := s.p.deps.Now()
	cfg := s.cfg.Task
	cfg.EventBytesMax = max(min(cfg.EventBytesMax, s.limits.events()), eventBytesLeast)
	cfg.OtherBytesMax = s.limits.value(schemas.TopicOther)
	cfg.Partition, cfg.Partitions = r.partition, s.partitions
	cfg.PartitionOf = func(business []byte) int32 { return kafka.Partition(business, s.partitions) }
	t, err := task.New(cfg)
	if err != nil {
		return fmt.Errorf("%w: %w", errMisconfigured, err)
	}
	// Only the newest record of a key counts, and a state record may refer to an older one of another key.
	newest := map[string][]byte{}
	var n int
	err = s.fetcher.ReadAll(ctx, s.cfg.topic(schemas.TopicState), r.partition, 0, func(rec *kgo.Record) error {
		n++
		if rec.Value == nil {
			delete(newest, string(rec.Key))
		} else {
			newest[string(rec.Key)] = rec.Value
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.p.metrics.restored.WithLabelValues(schemas.TopicState.String()).Add(float64(n))
	r.states = int64(len(newest))
	for key, value := range newest {
		if err := t.RestoreState(key, value); err != nil {
			return fmt.Errorf("state record %q of partition %d: %w", key, r.partition, err)
		}
	}
	n = 0
	err = s.fetcher.ReadAll(ctx, s.cfg.topic(schemas.TopicContacts), r.partition, 0, func(rec *kgo.Record) error {
		n++
		return t.RestoreContact(rec.Key, func(name string) []byte { return header(rec, name) }, rec.Value == nil)
	})
	if err != nil {
		return err
	}
	s.p.metrics.restored.WithLabelValues(schemas.TopicContacts.String()).Add(float64(n))
	if err := t.Restored(); err != nil {
		return fmt.Errorf("state of partition %d: %w", r.partition, err)
	}
	r.task = t
	s.p.metrics.restores.Observe(s.p.deps.Now().Sub(started).Seconds())
	return nil
}
