package sinktest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
)

// Log plays a world to a sink. It is a sinks.Log.
type Log struct {
	world *World

	mu    sync.Mutex
	shown int // of a thousand: how much of each log is there
	start map[schemas.Topic]int64
	ids   map[schemas.Topic][16]byte
	ends  map[schemas.Topic]int64
	err   error

	damaged map[schemas.Topic]int64
}

// NewLog shows all of a world.
func NewLog(w *World) *Log {
	l := &Log{world: w, shown: 1000, start: map[schemas.Topic]int64{}, ids: map[schemas.Topic][16]byte{}, ends: map[schemas.Topic]int64{}, damaged: map[schemas.Topic]int64{}}
	for _, topic := range sinks.TableTopics() {
		l.ids[topic] = [16]byte{1}
	}
	return l
}

// Show shows so many thousandths of each log.
func (l *Log) Show(thousandths int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown = thousandths
}

// Retain removes the records before an offset, as retention does.
func (l *Log) Retain(topic schemas.Topic, start int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.start[topic] = start
}

// Recreate gives a topic another id.
func (l *Log) Recreate(topic schemas.Topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids[topic] = [16]byte{2}
}

// Cut ends a log at an offset.
func (l *Log) Cut(topic schemas.Topic, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends[topic] = end
}

// Fail lets all calls fail, until nil.
func (l *Log) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// Damage damages the batch that begins at an offset. A negative offset repairs the topic.
func (l *Log) Damage(topic schemas.Topic, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.damaged, topic)
	if offset >= 0 {
		l.damaged[topic] = offset
	}
}

// Partitions is as sinks.Log has it.
func (l *Log) Partitions(context.Context) ([]int32, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.world.partitions, l.err
}

// Starts is as sinks.Log has it.
func (l *Log) Starts(context.Context, []int32) (map[schemas.Topic]map[int32]int64, error) {
	return l.each(func(topic schemas.Topic, _ int32) int64 { return l.start[topic] })
}

// Ends is as sinks.Log has it.
func (l *Log) Ends(context.Context, []int32) (map[schemas.Topic]map[int32]int64, error) {
	return l.each(l.end)
}

func (l *Log) each(offset func(schemas.Topic, int32) int64) (map[schemas.Topic]map[int32]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[schemas.Topic]map[int32]int64{}
	for _, topic := range sinks.TableTopics() {
		all[topic] = map[int32]int64{}
		for _, p := range l.world.partitions {
			all[topic][p] = offset(topic, p)
		}
	}
	return all, l.err
}

// end is behind the control record of the last record.
func (l *Log) end(topic schemas.Topic, partition int32) int64 {
	if end, ok := l.ends[topic]; ok {
		return end
	}
	return int64(len(l.world.logs[topic][partition]) * l.shown / 1000 * offsetStep)
}

// Fetch is as sinks.Log has it.
func (l *Log) Fetch(_ context.Context, topic schemas.Topic, partition int32, offset int64, bytesMax int32) (kafka.Fetched, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	got := kafka.Fetched{Next: offset, LogStart: l.start[topic], LastStable: l.end(topic, partition)}
	if got.HighWatermark = got.LastStable; l.err != nil {
		return kafka.Fetched{}, l.err
	}
	if offset < got.LogStart || offset > got.LastStable {
		return got, fmt.Errorf("fetch %s/%d@%d: %w", topic, partition, offset, kafka.ErrOffsetGone)
	}
	damaged, isDamaged := l.damaged[topic]
	if isDamaged && offset == damaged {
		return kafka.Fetched{}, fmt.Errorf("fetch %s/%d@%d: %w", topic, partition, offset, kafka.ErrDamaged)
	}
	for _, r := range l.world.logs[topic][partition] {
		if isDamaged && offset < damaged && r.Offset >= damaged {
			got.Next = damaged
			break
		}
		if r.Offset < offset || r.Offset >= got.LastStable {
			continue
		}
		if len(got.Records) > 0 && bytesMax <= 0 {
			break
		}
		record := *r.Record
		record.Value, record.Key = slices.Clone(r.Value), slices.Clone(r.Key)
		got.Records = append(got.Records, &record)
		got.Next = r.Offset + offsetStep
		bytesMax -= int32(len(r.Value))
	}
	if len(got.Records) == 0 {
		got.Next = got.LastStable // control records alone
	}
	return got, nil
}

// ID is as sinks.Log has it.
func (l *Log) ID(topic schemas.Topic) [16]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ids[topic]
}

// Name is as sinks.Log has it.
func (l *Log) Name(topic schemas.Topic) string { return topic.Name("coex.") }
