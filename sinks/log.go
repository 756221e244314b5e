package sinks

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// lanes are the event topics: the live ones, and the backlog.
var (
	liveTopics    = []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes, schemas.TopicSyncs, schemas.TopicContacts, schemas.TopicAccount, schemas.TopicOther}
	backlogTopics = []schemas.Topic{schemas.TopicMedia, schemas.TopicHistory}
)

// Topics are the topics that a sink reads.
func Topics() []schemas.Topic { return slices.Concat(liveTopics, backlogTopics) }

// Backlog reports whether a topic has what happened before the onboarding, and gives way to live topics.
func Backlog(topic schemas.Topic) bool { return slices.Contains(backlogTopics, topic) }

// Log is a sink's view of the topics. It is safe for concurrent use.
type Log interface {
	// Partitions returns the partitions of every topic, with a leader or without.
	Partitions(ctx context.Context) ([]int32, error)
	// Starts and Ends return the starts of the logs, and the ends of their committed records. Partitions that do not
	// answer are left out.
	Starts(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]int64, error)
	Ends(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]int64, error)
	// Fetch reads committed records without waiting for any. Its error is kafka.ErrOffsetGone if the log does not have
	// the offset.
	Fetch(ctx context.Context, topic schemas.Topic, partition int32, offset int64, bytesMax int32) (kafka.Fetched, error)
	// ID returns a topic's id.
	ID(topic schemas.Topic) [16]byte
	// Name returns a topic's full name.
	Name(topic schemas.Topic) string
}

// KafkaLog reads the topics of a cluster.
type KafkaLog struct {
	cl      *kgo.Client
	fetcher *kafka.Fetcher
	prefix  string
	topics  []schemas.Topic
}

// NewKafkaLog prepares the connections. The caller closes it.
func NewKafkaLog(conn kafka.Connection, prefix string) (*KafkaLog, error) {
	return NewKafkaLogOf(conn, prefix, Topics())
}

// NewKafkaLogOf connects, to read topics, of which there is at least one. The caller closes it.
func NewKafkaLogOf(conn kafka.Connection, prefix string, topics []schemas.Topic) (*KafkaLog, error) {
	if err := conn.Validate(); err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(conn.Franz()...)
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", conn.Brokers, err)
	}
	return &KafkaLog{cl: cl, fetcher: kafka.NewFetcher(cl), prefix: prefix, topics: topics}, nil
}

// Close closes the connections.
func (l *KafkaLog) Close() { l.cl.Close() }

// Name implements Log.
func (l *KafkaLog) Name(topic schemas.Topic) string { return topic.Name(l.prefix) }

// ID implements Log. The id is known after Partitions.
func (l *KafkaLog) ID(topic schemas.Topic) [16]byte { return l.fetcher.TopicID(l.Name(topic)) }

// Partitions implements Log.
func (l *KafkaLog) Partitions(ctx context.Context) ([]int32, error) {
	var all []int32
	for i, topic := range l.topics {
		partitions, err := l.fetcher.Partitions(ctx, l.Name(topic))
		if err != nil {
			return nil, err
		}
		if i > 0 && !slices.Equal(partitions, all) {
			return nil, fmt.Errorf("%s has %d partitions, %s %d: all topics must have as many", l.Name(topic), len(partitions), l.Name(l.topics[0]), len(all))
		}
		all = partitions
	}
	return all, nil
}

// Starts implements Log.
func (l *KafkaLog) Starts(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]int64, error) {
	return l.listed(ctx, partitions, l.fetcher.Starts)
}

// Ends implements Log.
func (l *KafkaLog) Ends(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]int64, error) {
	return l.listed(ctx, partitions, l.fetcher.Ends)
}

func (l *KafkaLog) listed(ctx context.Context, partitions []int32, list func(context.Context, []string, []int32) (map[string]map[int32]int64, error)) (map[schemas.Topic]map[int32]int64, error) {
	var names []string
	for _, topic := range l.topics {
		names = append(names, l.Name(topic))
	}
	offsets, err := list(ctx, names, partitions)
	if err != nil {
		return nil, err
	}
	byTopic := map[schemas.Topic]map[int32]int64{}
	for _, topic := range l.topics {
		byTopic[topic] = offsets[l.Name(topic)]
	}
	return byTopic, nil
}

// Fetch implements Log.
func (l *KafkaLog) Fetch(ctx context.Context, topic schemas.Topic, partition int32, offset int64, bytesMax int32) (kafka.Fetched, error) {
	return l.fetcher.Fetch(ctx, l.Name(topic), partition, offset, bytesMax, 0)
}
