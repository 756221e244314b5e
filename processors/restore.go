package processors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
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
			r.position = r.start.at
			r.bulk.next = r.position[schemas.TopicRawBulk]
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
	s.suspect(ctx, restored)
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

// start is where the group goes on with a partition, by input topic.
type start struct {
	at  [topicNamesCount]int64
	new [topicNamesCount]bool // the group never committed an offset
}

// positions are where the group goes on, by partition.
func (s *session) positions(ctx context.Context, partitions []int32) (map[int32]start, error) {
	names := s.cfg.inputs()
	starts, err := s.adm.ListStartOffsets(ctx, names...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("start offsets: %w", err)
	}
	// A transaction of the partitions' last owner that is still open ends by its timeout at the latest.
	deadline := s.p.deps.Now().Add(s.cfg.TransactionTimeout + 10*time.Second)
	for {
		at, err := s.stable(ctx, names, partitions, starts)
		if !errors.Is(err, kerr.UnstableOffsetCommit) || s.p.deps.Now().After(deadline) {
			return at, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(unstableWait):
		}
	}
}

const unstableWait = 100 * time.Millisecond

func (s *session) stable(ctx context.Context, names []string, partitions []int32, starts kadm.ListedOffsets) (map[int32]start, error) {
	offsets, err := s.adm.FetchOffsetsForTopics(kadm.RequireStable(ctx), s.cfg.GroupID, names...)
	if err != nil {
		return nil, fmt.Errorf("committed offsets of group %s: %w", s.cfg.GroupID, err)
	}
	all := map[int32]start{}
	for _, partition := range partitions {
		var from start
		for _, t := range schemas.Inputs() {
			o, ok := offsets.Lookup(s.cfg.topic(t), partition)
			if ok && o.Err != nil {
				return nil, fmt.Errorf("committed offset of %s/%d: %w", s.cfg.topic(t), partition, o.Err)
			}
			if from.new[t] = !ok || o.At < 0; !from.new[t] {
				from.at[t] = o.At
			}
			// Where retention has removed what was not read, the consumer goes on with what is left.
			if oldest, there := starts.Lookup(s.cfg.topic(t), partition); there {
				if !from.new[t] {
					s.p.losses.gone(t, partition, o.At, oldest.Offset)
				}
				from.at[t] = max(from.at[t], oldest.Offset)
			}
		}
		all[partition] = from
	}
	return all, nil
}
