package sinks_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

const (
	imported  = 10_000                 // records of history of each partition
	liveEvery = 300 * time.Millisecond // a live message of partition 0
	perRecord = time.Millisecond       // of a target
)

// importing is a log with history in all partitions, and live messages that arrive one by one in the first.
type importing struct {
	began      time.Time
	partitions []int32
}

func (l *importing) end(topic schemas.Topic, partition int32) int64 {
	switch {
	case topic == schemas.TopicHistory:
		return imported
	case topic == schemas.TopicMessages && partition == 0:
		return int64(max(0, time.Since(l.began)/liveEvery))
	}
	return 0
}

func (l *importing) Partitions(context.Context) ([]int32, error) { return l.partitions, nil }

func (l *importing) each(offset func(schemas.Topic, int32) int64) (map[schemas.Topic]map[int32]int64, error) {
	all := map[schemas.Topic]map[int32]int64{}
	for _, topic := range sinks.TableTopics() {
		all[topic] = map[int32]int64{}
		for _, p := range l.partitions {
			all[topic][p] = offset(topic, p)
		}
	}
	return all, nil
}

func (l *importing) Starts(context.Context, []int32) (map[schemas.Topic]map[int32]int64, error) {
	return l.each(func(schemas.Topic, int32) int64 { return 0 })
}

func (l *importing) Ends(context.Context, []int32) (map[schemas.Topic]map[int32]int64, error) {
	return l.each(l.end)
}

func (l *importing) Fetch(_ context.Context, topic schemas.Topic, partition int32, offset int64, _ int32) (kafka.Fetched, error) {
	end := l.end(topic, partition)
	ceType, historical := schemas.TypeMessage, "false"
	if topic == schemas.TopicHistory {
		ceType, historical = schemas.TypeHistory, `true,"sync":{"window":1}`
	}
	got := kafka.Fetched{Next: end, LastStable: end, HighWatermark: end}
	for ; offset < end; offset++ {
		id := fmt.Sprintf("%s-%d-%d", topic, partition, offset)
		got.Records = append(got.Records, &kgo.Record{
			Partition: partition, Offset: offset, Key: []byte("1"), Value: []byte(strings.Replace(sinktest.Message(id), "false", historical, 1)),
			Headers: []kgo.RecordHeader{
				header("ce_specversion", "1.0"), header("ce_id", id), header("ce_type", ceType), header("ce_source", "/x"),
				header("ce_time", "2026-03-01T12:00:00Z"), header("coex-received-at", "1772366400000"),
			},
		})
	}
	return got, nil
}

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}

func (l *importing) ID(schemas.Topic) [16]byte       { return [16]byte{1} }
func (l *importing) Name(topic schemas.Topic) string { return topic.String() }

// slow is a target that needs the same time for each record, in every partition at once.
type slow struct {
	began time.Time

	mu      sync.Mutex
	of      map[int32]*memory
	waited  []time.Duration // of the live messages
	running int
	most    int // steps of backlog at the same time
	largest int
}

func (s *slow) partition(p int32) *memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[p] == nil {
		s.of[p] = newMemory()
	}
	return s.of[p]
}

func (s *slow) Positions(ctx context.Context, p int32) (map[schemas.Topic]sinks.Position, error) {
	return s.partition(p).Positions(ctx, p)
}

func (s *slow) Apply(ctx context.Context, b *sinks.Batch) error {
	if !b.Live {
		s.mu.Lock()
		s.running++
		s.most, s.largest = max(s.most, s.running), max(s.largest, len(b.Rows.Messages))
		s.mu.Unlock()
	}
	time.Sleep(perRecord * time.Duration(len(b.Rows.Messages)))
	if err := s.partition(b.Partition).Apply(ctx, b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !b.Live {
		s.running--
		return nil
	}
	for _, a := range b.Advances {
		for at := max(a.From, 0); a.Topic == schemas.TopicMessages && at < a.To.Next; at++ {
			s.waited = append(s.waited, time.Since(s.began.Add(time.Duration(at+1)*liveEvery)))
		}
	}
	return nil
}

// A live message waits for a short step of history, and for no partition that has a turn before its own, while history is imported.
func TestLiveWaitsForAShortStepOfHistoryOnly(t *testing.T) {
	const waitMax = 100*time.Millisecond + 2*100*time.Millisecond // until the sink looks for news; twice the length of a step
	for _, c := range []struct{ partitions, places int }{{1, 0}, {1, 1}, {8, 3}, {8, 1}} {
		t.Run(fmt.Sprintf("%d partitions, %d places", c.partitions, c.places), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &importing{began: time.Now()}
				for p := range c.partitions {
					log.partitions = append(log.partitions, int32(p))
				}
				target := &slow{began: time.Now(), of: map[int32]*memory{}}
				r := start(t, log, target, func(cfg *sinks.Config) { cfg.RecordsMax, cfg.BacklogMax = 3000, c.places })
				time.Sleep(3 * time.Minute) // with one place, 8 partitions need 80 s
				r.stop()
				for p := range c.partitions {
					m := target.partition(int32(p))
					if at := m.positions[schemas.TopicHistory].Next; at != imported || len(m.letters) > 0 {
						t.Errorf("partition %d stands at %d of %d, %d letters", p, at, imported, len(m.letters))
					}
				}
				if n := len(target.waited); n < 100 {
					t.Fatalf("%d live messages", n)
				}
				for i, d := range target.waited {
					// The first ones find steps that began before them, or the first step of their partition, whose pace is not known.
					if d > waitMax && i > 30 {
						t.Errorf("live message %d waited %s", i, d)
						break
					}
				}
				if c.places > 0 && target.most > c.places {
					t.Errorf("%d steps of history at once", target.most)
				}
			})
		})
	}
}

// Without live events, steps of history are as large as configured.
func TestStepsOfHistoryAreLargeWhereNothingIsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &importing{began: time.Now().Add(time.Hour), partitions: []int32{0, 1}}
		target := &slow{of: map[int32]*memory{}}
		r := start(t, log, target, func(c *sinks.Config) { c.RecordsMax = 1000 })
		time.Sleep(10 * time.Second)
		r.stop()
		if target.largest != 1000 || !r.sink.CaughtUp() {
			t.Errorf("the largest step has %d records, caught up %v", target.largest, r.sink.CaughtUp())
		}
	})
}
