package archive_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/testing/cost"
	"github.com/coexstream/coexstream/schemas"
)

// madeLog makes its records when they are read: those of many businesses, in turns.
type madeLog struct {
	*fakeLog
	businesses, records int64
}

func (l *madeLog) Ends(_ context.Context, partitions []int32) (map[schemas.Topic]map[int32]int64, error) {
	all := map[schemas.Topic]map[int32]int64{}
	for _, topic := range l.topics {
		all[topic] = map[int32]int64{}
		for _, p := range partitions {
			all[topic][p] = l.end(topic, p)
		}
	}
	return all, nil
}

// end is far away in some partitions, whose objects become as long as they may.
func (l *madeLog) end(topic schemas.Topic, partition int32) int64 {
	if topic == schemas.TopicRawBulk && partition < 3 {
		return 25 * l.records
	}
	return l.records
}

func (l *madeLog) Fetch(_ context.Context, topic schemas.Topic, partition int32, offset int64, bytesMax int32) (kafka.Fetched, error) {
	end := l.end(topic, partition)
	got := kafka.Fetched{Next: offset, HighWatermark: end, LastStable: end}
	for ; got.Next < end && (bytesMax > 0 || len(got.Records) == 0); got.Next++ {
		x := uint64(got.Next)*0x9e3779b97f4a7c15 + uint64(topic)<<32 + uint64(partition)
		value := fmt.Appendf(nil, `{"entry":[{"id":"%d","text":"`, x%uint64(l.businesses))
		for range 60 { // little that compresses
			x = x*6364136223846793005 + 1442695040888963407
			value = fmt.Appendf(value, "%x", x>>8)
		}
		value = append(value, `"}]}`...)
		got.Records = append(got.Records, &kgo.Record{
			Offset: got.Next, Timestamp: time.UnixMilli(int64(x >> 30)), Key: fmt.Appendf(nil, "%d", x%uint64(l.businesses)), Value: value,
			Headers: []kgo.RecordHeader{{Key: "coex-source", Value: []byte("meta")}, {Key: "coex-received-at", Value: []byte("1700000000000")}},
		})
		bytesMax -= int32(len(value))
	}
	return got, nil
}

// headers is a bucket that keeps the headers of objects alone.
type headers struct {
	*memory
	bytes, largest atomic.Int64
}

func (h *headers) Create(ctx context.Context, name string, content []byte) error {
	err := h.memory.Create(ctx, name, content[:min(len(content), archive.HeaderBytes)])
	if err == nil {
		h.bytes.Add(int64(len(content)))
		h.largest.Store(max(h.largest.Load(), int64(len(content))))
	}
	return err
}

var _ io.Closer = (*headers)(nil)

// Memory depends on the objects that are written at a time. 10,000 businesses in 108 chains, with a backlog in all of them, need less than 64 MiB.
func TestMemoryIsBoundedWhateverTheNumberOfBusinesses(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: archives some hundred megabytes")
	}
	if cost.RaceDetector {
		t.Skip("SKIP: the race detector changes what memory is used, and takes many times as long")
	}
	for name, parquet := range map[string][]schemas.Topic{"JSON Lines": nil, "Parquet": schemas.Topics()} {
		t.Run(name, func(t *testing.T) {
			const most = 64 << 20
			peak := archivingPeak(t, parquet)
			// A busy machine holds up collections, and the garbage grows meanwhile. The memory that the sink keeps is in use each time.
			for range 3 {
				if peak > most {
					peak = min(peak, archivingPeak(t, parquet))
				}
			}
			if peak > most {
				t.Errorf("%d MiB of memory are used", peak>>20)
			}
		})
	}
}

// archivingPeak archives the backlog, and returns the most memory that was in use.
func archivingPeak(t *testing.T, parquet []schemas.Topic) (peak int64) {
	var topics []schemas.Topic
	for _, topic := range schemas.Topics() {
		if !topic.Compacted() && topic != schemas.TopicRerouted {
			topics = append(topics, topic)
		}
	}
	log := &madeLog{newLog(12, topics...), 10_000, 1000}
	bucket := &headers{memory: newMemory()}
	c := config(topics...)
	c.Parquet = parquet
	c.Rotation, c.Poll = time.Millisecond, time.Millisecond
	heap := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	// As the program sets it: see internal/app, collectOften.
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	runtime.GC()
	before := heap()
	s := newSink(t, c, log, bucket)
	stop := started(t, s)
	until(t, "all is archived", func() bool {
		peak = max(peak, heap()-before)
		return s.CaughtUp()
	})
	stop()
	t.Logf("%d MiB at most, for %d MiB in %d objects, the largest of %d KiB", peak>>20, bucket.bytes.Load()>>20, len(bucket.names()), bucket.largest.Load()>>10)
	if bucket.bytes.Load() < 64<<20 || bucket.largest.Load() < c.ObjectBytesMax*3/4 {
		t.Errorf("only %d MiB were archived, in objects of up to %d KiB", bucket.bytes.Load()>>20, bucket.largest.Load()>>10)
	}
	return peak
}
