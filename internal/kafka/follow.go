package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Follow calls yield for every committed record from the start on, as they come, until ctx ends, which is
// no error, or yield returns one. ErrStop ends it without an error. It ends with a Damaged at a damaged batch.
func (r *Reader) Follow(ctx context.Context, from Start, yield func(*kgo.Record) error) error {
	ranges, err := r.Ranges(ctx, from)
	if err != nil {
		return err
	}
	f := follower{r: r, checked: time.Now(), next: map[TopicPartition]int64{}, whole: map[TopicPartition]int64{}}
	at := map[string]map[int32]kgo.Offset{}
	for p, rg := range ranges {
		if at[p.Topic] == nil {
			at[p.Topic] = map[int32]kgo.Offset{}
		}
		at[p.Topic][p.ID] = kgo.NewOffset().At(rg.Start)
		f.next[p] = rg.Start
	}
	cl, err := kgo.NewClient(append(r.conn.Franz(),
		kgo.ConsumePartitions(at),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // without them each transaction would look like a gap
		kgo.FetchMaxWait(500*time.Millisecond),
		kgo.FetchMaxBytes(16<<20),
	)...)
	if err != nil {
		return fmt.Errorf("connect to %v: %w", r.conn.Brokers, err)
	}
	defer cl.Close()
	for {
		err := f.poll(ctx, cl, yield)
		switch {
		case ctx.Err() != nil || errors.Is(err, ErrStop):
			return nil
		case err != nil:
			return err
		}
	}
}

// follower finds damaged batches. The client returns an error for some of them, steps over others, and waits at others without a word.
type follower struct {
	r     *Reader
	next  map[TopicPartition]int64 // the offset after the last record
	whole map[TopicPartition]int64 // the batches before this offset could be read

	checked time.Time // when all partitions were last checked
}

// checkEvery is the interval at which all partitions are checked.
const checkEvery = 2 * time.Second

func (f *follower) poll(ctx context.Context, cl *kgo.Client, yield func(*kgo.Record) error) error {
	waiting, cancel := context.WithTimeout(ctx, checkEvery)
	defer cancel()
	fetches := cl.PollFetches(waiting)
	if ctx.Err() != nil {
		return nil
	}
	for it := fetches.RecordIter(); !it.Done(); {
		rec := it.Next()
		p := TopicPartition{rec.Topic, rec.Partition}
		if err := f.checkGap(ctx, p, rec.Offset); err != nil {
			return err
		}
		f.next[p] = rec.Offset + 1
		if rec.Attrs.IsControl() {
			continue
		}
		rec, err := f.r.fetcher.whole(ctx, rec, nil)
		if err == nil && rec != nil {
			err = yield(rec)
		}
		if err != nil {
			return err
		}
	}
	var failed error
	fetches.EachError(func(topic string, partition int32, err error) {
		// The client retries retriable errors itself. Others need an operator.
		if errors.Is(err, context.DeadlineExceeded) && waiting.Err() != nil {
			return
		}
		p := TopicPartition{topic, partition}
		if _, known := f.next[p]; known {
			if damaged := f.checkGap(ctx, p, f.next[p]+1); damaged != nil {
				err = damaged
			}
		}
		failed = fmt.Errorf("follow %s/%d: %w", topic, partition, err)
	})
	if failed == nil && time.Since(f.checked) >= checkEvery {
		failed, f.checked = f.checkAll(ctx), time.Now()
	}
	return failed
}

// checkGap reads the batches between the last record of a partition and an offset. There are some where transactions were aborted, and
// in compacted topics.
func (f *follower) checkGap(ctx context.Context, p TopicPartition, to int64) error {
	const bytes = 1 << 20
	for from := max(f.next[p], f.whole[p]); from < to; from = f.whole[p] {
		got, err := f.r.fetcher.Fetch(ctx, p.Topic, p.ID, from, bytes, 0)
		if errors.Is(err, ErrOffsetGone) || err == nil && got.Next <= from {
			return nil // the client finds the same
		}
		if err != nil {
			return err
		}
		f.whole[p] = got.Next
	}
	return nil
}

// checkAll looks for partitions that have more records than the client returned.
func (f *follower) checkAll(ctx context.Context) error {
	ends, err := f.r.Ranges(ctx, FromEnd())
	if err != nil {
		return nil //nolint:nilerr // the client retries, and has the error
	}
	for p, rg := range ends {
		if _, known := f.next[p]; known && f.next[p] < rg.End {
			if err := f.checkGap(ctx, p, f.next[p]+1); err != nil {
				return err
			}
		}
	}
	return nil
}
