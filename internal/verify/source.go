package verify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/verify/judge"
	"github.com/coexstream/coexstream/schemas"
)

// Source is the checker's view of the topics: a cluster, or a test's memory.
type Source interface {
	// Partitions returns the number of partitions of every topic.
	Partitions(ctx context.Context) (int32, error)
	// Poll reads the records that were committed since its last call, up to the present end, each partition in the
	// order of its log. It returns their number. It calls visit for one record after the other, and does not touch
	// their slices again.
	Poll(ctx context.Context, topics []schemas.Topic, visit func(judge.Record)) (int, error)
}

// kafkaSource reads a cluster.
type kafkaSource struct {
	conn   kafka.Connection
	prefix string
	at     map[kafka.TopicPartition]int64 // the next offset

	readers map[string]*kafka.Reader // by the topics that they read
}

func newKafkaSource(conn kafka.Connection, prefix string) *kafkaSource {
	return &kafkaSource{conn: conn, prefix: prefix, at: map[kafka.TopicPartition]int64{}, readers: map[string]*kafka.Reader{}}
}

// close closes the connections.
func (s *kafkaSource) close() {
	for _, r := range s.readers {
		r.Close()
	}
}

func (s *kafkaSource) reader(topics []string) (*kafka.Reader, error) {
	key := strings.Join(topics, " ")
	if r := s.readers[key]; r != nil {
		return r, nil
	}
	r, err := kafka.NewReader(s.conn, topics)
	if err != nil {
		return nil, err
	}
	s.readers[key] = r
	return r, nil
}

// Partitions returns the count of the raw topic. `topics verify` checks that all have the same; here a difference shows
// as misplaced events.
func (s *kafkaSource) Partitions(ctx context.Context) (int32, error) {
	r, err := s.reader([]string{schemas.TopicRawLive.Name(s.prefix)})
	if err != nil {
		return 0, err
	}
	ranges, err := r.Ranges(ctx, kafka.FromStart())
	if err != nil {
		return 0, err
	}
	return int32(len(ranges)), nil
}

// Poll reads from where it stopped to the last stable offset.
func (s *kafkaSource) Poll(ctx context.Context, topics []schemas.Topic, visit func(judge.Record)) (int, error) {
	names := make([]string, len(topics))
	byName := map[string]schemas.Topic{}
	for i, t := range topics {
		names[i] = t.Name(s.prefix)
		byName[names[i]] = t
	}
	r, err := s.reader(names)
	if err != nil {
		return 0, err
	}
	ranges, err := r.Ranges(ctx, kafka.FromStart())
	if err != nil {
		return 0, err
	}
	for p, rg := range ranges {
		ranges[p] = kafka.Range{Start: max(rg.Start, s.at[p]), End: rg.End}
	}
	count := 0
	err = r.ReadRanges(ctx, ranges, func(rec *kgo.Record) error {
		count++
		visit(judge.Record{
			Topic: byName[rec.Topic], Partition: rec.Partition, Offset: rec.Offset, Key: rec.Key, Value: rec.Value, Headers: headersOf(rec),
			TimeMS: rec.Timestamp.UnixMilli(),
		})
		return nil
	})
	if err != nil {
		return count, fmt.Errorf("read %v: %w", names, err)
	}
	for p, rg := range ranges {
		s.at[p] = max(s.at[p], rg.End)
	}
	return count, nil
}

func headersOf(rec *kgo.Record) []judge.Header {
	hs := make([]judge.Header, len(rec.Headers))
	for i, h := range rec.Headers {
		hs[i] = judge.Header{Key: h.Key, Value: h.Value}
	}
	return hs
}

// connectionTo returns a plain connection with time limits for a checker.
func connectionTo(brokers []string) kafka.Connection {
	return kafka.Connection{Brokers: brokers, ClientID: "coexstream-check", DialTimeout: 10 * time.Second, RequestTimeout: 30 * time.Second}
}
