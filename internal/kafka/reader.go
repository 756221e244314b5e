package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Start is the position at which to begin in each partition.
type Start struct {
	at   time.Time
	last bool
}

// FromStart begins with the oldest record.
func FromStart() Start { return Start{} }

// FromEnd begins with the next record that comes.
func FromEnd() Start { return Start{last: true} }

// FromTime begins with the oldest record whose timestamp is not before at.
func FromTime(at time.Time) Start { return Start{at: at} }

// Reader reads whole topics outside of any consumer group: every partition, committed records only,
// control records left out, and bodies in segments put together (Fetcher.Whole). Records of one partition come
// in the order of the log; across partitions there is no order.
type Reader struct {
	conn     Connection
	cl       *kgo.Client
	adm      *kadm.Client
	fetcher  *Fetcher
	topics   []string
	optional []string // of the topics, those that may be missing
}

// NewReader reads the topics, which are full names.
func NewReader(conn Connection, topics []string, opts ...kgo.Opt) (*Reader, error) {
	if err := conn.Validate(); err != nil {
		return nil, err
	}
	if len(topics) == 0 {
		return nil, errors.New("read: no topic is given")
	}
	cl, err := kgo.NewClient(append(conn.Franz(), opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", conn.Brokers, err)
	}
	adm := kadm.NewClient(cl)
	adm.SetTimeoutMillis(int32(conn.RequestTimeout.Milliseconds()))
	return &Reader{conn: conn, cl: cl, adm: adm, fetcher: NewFetcher(cl), topics: slices.Clone(topics)}, nil
}

// MayMiss says which of the topics may be missing. They have no ranges while they are.
func (r *Reader) MayMiss(topics ...string) { r.optional = append(r.optional, topics...) }

// Close closes the connections.
func (r *Reader) Close() { r.cl.Close() }

// TopicPartition names a partition of a topic.
type TopicPartition struct {
	Topic string
	ID    int32
}

// Range is the part of a partition from Start up to but without End.
type Range struct{ Start, End int64 }

// Ranges returns the range to read now: from the given start to the last stable offset, which is the end of the committed
// records.
func (r *Reader) Ranges(ctx context.Context, from Start) (map[TopicPartition]Range, error) {
	ctx, cancel := context.WithTimeout(ctx, r.conn.RequestTimeout)
	defer cancel()
	ends, err := r.listed(ctx, r.adm.ListCommittedOffsets)
	if err != nil {
		return nil, fmt.Errorf("list ends of %v: %w", r.topics, err)
	}
	starts := ends
	switch {
	case from.last:
	case !from.at.IsZero():
		starts, err = r.listed(ctx, func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
			return r.adm.ListOffsetsAfterMilli(ctx, from.at.UnixMilli(), topics...)
		})
	default:
		starts, err = r.listed(ctx, r.adm.ListStartOffsets)
	}
	if err != nil {
		return nil, fmt.Errorf("list starts of %v: %w", r.topics, err)
	}
	ranges := make(map[TopicPartition]Range, len(ends))
	for p, end := range ends {
		ranges[p] = Range{min(starts[p], end), end}
	}
	return ranges, nil
}

// listed asks again while a leader is being elected, or does not know its end yet: until ctx ends.
func (r *Reader) listed(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[TopicPartition]int64, error) {
	for pause := listedPauseFirst; ; pause = min(2*pause, listedPauseMost) {
		offsets, err := r.listedOnce(ctx, list)
		if err == nil || !passes(err) {
			return offsets, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w, for as long as %s", err, r.conn.RequestTimeout)
		case <-time.After(pause):
		}
	}
}

const (
	listedPauseFirst = 50 * time.Millisecond
	listedPauseMost  = time.Second
)

// passes reports whether a partition's error is one of the cluster's that ends by itself. A topic that is not there
// is none.
func passes(err error) bool {
	var ke *kerr.Error
	return errors.As(err, &ke) && ke.Retriable && !errors.Is(err, kerr.UnknownTopicOrPartition)
}

func (r *Reader) listedOnce(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[TopicPartition]int64, error) {
	got, err := list(ctx, r.topics...)
	if err != nil {
		return nil, err
	}
	offsets := map[TopicPartition]int64{}
	var failed error
	got.Each(func(o kadm.ListedOffset) {
		if errors.Is(o.Err, kerr.UnknownTopicOrPartition) && slices.Contains(r.optional, o.Topic) {
			return
		}
		if o.Err != nil {
			failed = fmt.Errorf("%s/%d: %w", o.Topic, o.Partition, o.Err)
			return
		}
		offsets[TopicPartition{o.Topic, o.Partition}] = o.Offset
	})
	if failed != nil {
		return nil, failed
	}
	for _, t := range r.topics {
		if !slices.Contains(r.optional, t) && !slices.ContainsFunc(slices.Collect(maps.Keys(offsets)), func(p TopicPartition) bool { return p.Topic == t }) {
			return nil, fmt.Errorf("topic %s: %w", t, kerr.UnknownTopicOrPartition)
		}
	}
	return offsets, nil
}

// ReadRanges calls yield for every committed record of the ranges and returns when all were read. Calls
// come one at a time, from several partitions in turn. It stops at the first error; ErrStop ends it without one.
func (r *Reader) ReadRanges(ctx context.Context, ranges map[TopicPartition]Range, yield func(*kgo.Record) error) error {
	const atATime, fetchBytes, wait = 4, 4 << 20, time.Second
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu   sync.Mutex
		over bool // yield has returned an error and is not called again
		wg   sync.WaitGroup
		work = make(chan TopicPartition)
	)
	read := func(p TopicPartition) error {
		cut := cutWatch{patience: r.fetcher.cutPatience}
		for offset := ranges[p].Start; offset < ranges[p].End; {
			got, err := r.fetcher.Fetch(ctx, p.Topic, p.ID, offset, fetchBytes, wait)
			if errors.Is(err, ErrOffsetGone) && got.LogStart > offset {
				offset = got.LogStart // retention was faster
				continue
			}
			if err != nil {
				return err
			}
			if err := cut.look(p.Topic, p.ID, offset, ranges[p].End, &got); err != nil {
				return err
			}
			records, err := r.wholes(ctx, got.Records, ranges[p].End)
			if err != nil {
				return err
			}
			mu.Lock()
			for _, rec := range records {
				if over {
					break
				}
				if err := yield(rec); err != nil {
					over = true
					mu.Unlock()
					return err
				}
			}
			mu.Unlock()
			offset = got.Next
		}
		return nil
	}
	for range atATime {
		wg.Go(func() {
			for p := range work {
				if err := read(p); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
feed:
	for p, rg := range ranges {
		if rg.Start >= rg.End {
			continue
		}
		select {
		case work <- p:
		case <-ctx.Done():
			break feed
		}
	}
	close(work)
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, ErrStop) {
		return err
	}
	return nil
}

// wholes are the records before end, with bodies in segments put together.
func (r *Reader) wholes(ctx context.Context, records []*kgo.Record, end int64) ([]*kgo.Record, error) {
	out := make([]*kgo.Record, 0, len(records))
	for i, rec := range records {
		if rec.Offset >= end {
			break
		}
		rec, err := r.fetcher.whole(ctx, rec, records[:i])
		if err != nil {
			return nil, err
		}
		if rec != nil {
			out = append(out, rec)
		}
	}
	return out, nil
}

// ErrStop ends Follow and ReadRanges when the function that they were given returns it.
var ErrStop = errors.New("stop")
