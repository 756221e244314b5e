package archive_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

type place struct {
	topic     schemas.Topic
	partition int32
}

// fakeLog is topics in memory, with gaps in their offsets.
type fakeLog struct {
	partitions []int32
	topics     []schemas.Topic

	mu      sync.Mutex
	records map[place][]*kgo.Record
	starts  map[place]int64
	ends    map[place]int64
	ids     map[schemas.Topic][16]byte
	fetches int
	err     error
	damaged map[place]int64 // the offset of a damaged record
}

func newLog(partitions int, topics ...schemas.Topic) *fakeLog {
	l := &fakeLog{topics: topics, records: map[place][]*kgo.Record{}, starts: map[place]int64{}, ends: map[place]int64{}, ids: map[schemas.Topic][16]byte{}}
	for p := range partitions {
		l.partitions = append(l.partitions, int32(p))
	}
	for _, topic := range topics {
		l.ids[topic] = [16]byte{1}
	}
	return l
}

// add appends a record, and behind it so many offsets of other things.
func (l *fakeLog) add(at place, r kgo.Record, gap int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Topic, r.Partition, r.Offset = l.Name(at.topic), at.partition, l.ends[at]
	l.records[at] = append(l.records[at], &r)
	l.ends[at] += 1 + gap
}

// fill appends random records to all partitions.
func (l *fakeLog) fill(rng *rand.Rand, n int, at time.Time) {
	for range n {
		p := place{l.topics[rng.IntN(len(l.topics))], l.partitions[rng.IntN(len(l.partitions))]}
		value := fmt.Appendf(nil, `{"n":%d,"text":"%x"}`, rng.Int64(), make([]byte, rng.IntN(300)))
		if rng.IntN(20) == 0 {
			value = append(value, 0xff)
		}
		l.add(p, kgo.Record{Timestamp: at, Key: fmt.Appendf(nil, "k%d", rng.IntN(50)), Value: value, Headers: []kgo.RecordHeader{{Key: "h", Value: fmt.Append(nil, n)}}}, rng.Int64N(3))
	}
}

func (l *fakeLog) Partitions(context.Context) ([]int32, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.partitions, l.err
}

func (l *fakeLog) Starts(_ context.Context, partitions []int32) (map[schemas.Topic]map[int32]int64, error) {
	return l.each(l.starts, partitions)
}

func (l *fakeLog) Ends(_ context.Context, partitions []int32) (map[schemas.Topic]map[int32]int64, error) {
	return l.each(l.ends, partitions)
}

func (l *fakeLog) each(of map[place]int64, partitions []int32) (map[schemas.Topic]map[int32]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[schemas.Topic]map[int32]int64{}
	for _, topic := range l.topics {
		all[topic] = map[int32]int64{}
		for _, p := range partitions {
			all[topic][p] = of[place{topic, p}]
		}
	}
	return all, l.err
}

func (l *fakeLog) Fetch(_ context.Context, topic schemas.Topic, partition int32, offset int64, bytesMax int32) (kafka.Fetched, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := place{topic, partition}
	l.fetches++
	got := kafka.Fetched{Next: offset, LogStart: l.starts[at], LastStable: l.ends[at], HighWatermark: l.ends[at]}
	if l.err != nil {
		return kafka.Fetched{}, l.err
	}
	if offset < got.LogStart || offset > got.LastStable {
		return got, fmt.Errorf("fetch: %w", kafka.ErrOffsetGone)
	}
	got.Next = got.LastStable
	damaged, isDamaged := l.damaged[at]
	for i, r := range l.records[at] {
		if r.Offset < offset {
			continue
		}
		if isDamaged && r.Offset == damaged {
			if len(got.Records) == 0 {
				return kafka.Fetched{}, fmt.Errorf("fetch: %w", kafka.ErrDamaged)
			}
			got.Next = r.Offset
			break
		}
		if len(got.Records) > 0 && bytesMax <= 0 {
			got.Next = r.Offset
			break
		}
		got.Records = append(got.Records, l.records[at][i])
		bytesMax -= int32(len(r.Value))
	}
	return got, nil
}

func (l *fakeLog) ID(topic schemas.Topic) [16]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ids[topic]
}

func (l *fakeLog) Name(topic schemas.Topic) string { return topic.Name("coex.") }
