package durable

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/bench/load"
)

// Log is the topics that a server under test writes.
type Log struct {
	brokers, topics []string
	cl              *kgo.Client
	admin           *kadm.Client
}

// Mark is a place in a Log: the next offset of each partition.
type Mark map[string]map[int32]int64

// Open connects lazily, at the first call.
func Open(brokers, topics []string) (*Log, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ClientID("bench-durable"))
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", brokers, err)
	}
	return &Log{brokers: brokers, topics: topics, cl: cl, admin: kadm.NewClient(cl)}, nil
}

// Close closes the connections.
func (l *Log) Close() { l.cl.Close() }

// Mark is the end of the log.
func (l *Log) Mark(ctx context.Context) (Mark, error) {
	return End(ctx, l.admin, l.topics...)
}

const (
	retryFor   = 30 * time.Second // a leader that has moved, or has just been elected
	retryPause = 100 * time.Millisecond
)

// End is the end of topics.
func End(ctx context.Context, admin *kadm.Client, topics ...string) (Mark, error) {
	ctx, cancel := context.WithTimeout(ctx, retryFor)
	defer cancel()
	for {
		ends, err := admin.ListEndOffsets(ctx, topics...)
		if err == nil {
			err = ends.Error()
		}
		if err == nil {
			m := Mark{}
			ends.Each(func(o kadm.ListedOffset) {
				if m[o.Topic] == nil {
					m[o.Topic] = map[int32]int64{}
				}
				m[o.Topic][o.Partition] = o.Offset
			})
			return m, nil
		}
		if !kerr.IsRetriable(err) {
			return nil, fmt.Errorf("list the end offsets of %v: %w", topics, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("list the end offsets of %v: %w", topics, err)
		case <-time.After(retryPause):
		}
	}
}

// From is where a consumer begins that is to read from a mark on.
func (m Mark) From() map[string]map[int32]kgo.Offset {
	from := map[string]map[int32]kgo.Offset{}
	for topic, partitions := range m {
		from[topic] = map[int32]kgo.Offset{}
		for p, at := range partitions {
			from[topic][p] = kgo.NewOffset().At(at)
		}
	}
	return from
}

// Trim deletes the records before a mark, so that a long run does not fill the disk.
func (l *Log) Trim(ctx context.Context, before Mark) error {
	offsets := kadm.Offsets{}
	for topic, partitions := range before {
		for p, at := range partitions {
			offsets.AddOffset(topic, p, at, -1)
		}
	}
	deleted, err := l.admin.DeleteRecords(ctx, offsets)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		return fmt.Errorf("delete the checked records of %v: %w", l.topics, err)
	}
	return nil
}

// Check reads the records that were written since a mark and looks for the acknowledged bodies of a run. It returns the
// mark at which it ended.
func (l *Log) Check(ctx context.Context, since Mark, run uint32, ts *load.Templates, r *load.Report) (Verdict, Mark, error) {
	end, err := l.Mark(ctx)
	if err != nil {
		return Verdict{}, nil, err
	}
	t := newTally(run, ts, r)
	if err := l.read(ctx, since, end, t.add); err != nil {
		return Verdict{}, nil, err
	}
	return t.verdict(), end, nil
}

// read calls yield for every record between two marks.
func (l *Log) read(ctx context.Context, since, end Mark, yield func(*kgo.Record)) error {
	left := map[string]map[int32]kgo.Offset{}
	open := 0
	for topic, partitions := range end {
		for p, to := range partitions {
			if since[topic][p] < to {
				if left[topic] == nil {
					left[topic] = map[int32]kgo.Offset{}
				}
				left[topic][p] = kgo.NewOffset().At(since[topic][p])
				open++
			}
		}
	}
	if open == 0 {
		return nil
	}
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(l.brokers...), kgo.ClientID("bench-durable"), kgo.ConsumePartitions(maps.Clone(left)),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxBytes(32<<20), kgo.FetchMaxPartitionBytes(16<<20),
	)
	if err != nil {
		return fmt.Errorf("read %v: %w", l.topics, err)
	}
	defer cl.Close()
	for open > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read %v: %w", l.topics, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			to := end[r.Topic][r.Partition]
			if r.Offset >= to {
				return
			}
			yield(r)
			if r.Offset == to-1 {
				open--
			}
		})
	}
	return nil
}
