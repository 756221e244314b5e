package sinks

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// lanes are the event topics: what is live, and what is backlog.
var (
	liveTopics    = []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes, schemas.TopicSyncs, schemas.TopicContacts, schemas.TopicAccount, schemas.TopicOther}
	backlogTopics = []schemas.Topic{schemas.TopicMedia, schemas.TopicHistory}
)

// Topics are those that a sink reads.
func Topics() []schemas.Topic { return slices.Concat(liveTopics, backlogTopics) }

// Backlog reports whether a topic has what happened before the onboarding, and gives way to live topics.
func Backlog(topic schemas.Topic) bool { return slices.Contains(backlogTopics, topic) }

// Log is the topics as a sink reads them. It is safe for concurrent use.
type Log interface {
	// Partitions are those of every topic, with a leader or without.
	Partitions(ctx context.Context) ([]int32, error)
	// Starts and Ends are where the logs begin, and where what is committed ends. Partitions that do not tell are left out.
	Starts(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]int64, error)
	Ends(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]int64, error)
	// Fetch reads committed records without waiting for any. Its error is kafka.ErrOffsetGone where the log does not hold the offset.
	Fetch(ctx context.Context, topic schemas.Topic, partition int32, offset int64, bytesMax int32) (kafka.Fetched, error)
	// ID is a topic's id.
	ID(topic schemas.Topic) [16]byte
	// Name is a topic's full name.
	Name(topic schemas.Topic) string
}

// KafkaLog reads the topics of a cluster.
type KafkaLog struct {
	cl      *kgo.Client
	fetcher *kafka.Fetcher
	prefix  string
}

// NewKafkaLog connects. The caller closes it.
func NewKafkaLog(conn kafka.Connection, prefix string) (*KafkaLog, error) {
	if err := conn.Validate(); err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(conn.Franz()...)
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", conn.Brokers, err)
	}
	return &KafkaLog{cl: cl, fetcher: kafka.NewFetcher(cl), prefix: prefix}, nil
}

// Close closes the connections.
func (l *KafkaLog) Close() { l.cl.Close() }

// Name is as Log has it.
func (l *KafkaLog) Name(topic schemas.Topic) string { return topic.Name(l.prefix) }

// ID is as Log has it. It is known after Partitions.
func (l *KafkaLog) ID(topic schemas.Topic) [16]byte { return l.fetcher.TopicID(l.Name(topic)) }

// Partitions is as Log has it.
func (l *KafkaLog) Partitions(ctx context.Context) ([]int32, error) {
	var all []int32
	for i, topic := range Topics() {
		partitions, err := l.fetcher.Partitions(ctx, l.Name(topic))
		if err != nil {
			return nil, err
		}
		if i > 0 && !slices.Equal(partitions, all) {
			return nil, fmt.Errorf("%s has %d partitions, %s %d: all topics must have as many", l.Name(topic), len(partitions), l.Name(Topics()[0]), len(all))
		}
		all = partitions
	}
	return all, nil
}

// Starts is as Log has it.
func (l *KafkaLog) Starts(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]int64, error) {
	return l.listed(ctx, partitions, l.fetcher.Starts)
}

// Ends is as Log has it.
func (l *KafkaLog) Ends(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]int64, error) {
	return l.listed(ctx, partitions, l.fetcher.Ends)
}

func (l *KafkaLog) listed(ctx context.Context, partitions []int32, list func(context.Context, []string, []int32) (map[string]map[int32]int64, error)) (map[schemas.Topic]map[int32]int64, error) {
	var names []string
	for _, topic := range Topics() {
		names = append(names, l.Name(topic))
	}
	offsets, err := list(ctx, names, partitions)
	if err != nil {
		return nil, err
	}
	byTopic := map[schemas.Topic]map[int32]int64{}
	for _, topic := range Topics() {
		byTopic[topic] = offsets[l.Name(topic)]
	}
	return byTopic, nil
}

// Fetch is as Log has it.
func (l *KafkaLog) Fetch(ctx context.Context, topic schemas.Topic, partition int32, offset int64, bytesMax int32) (kafka.Fetched, error) {
	return l.fetcher.Fetch(ctx, l.Name(topic), partition, offset, bytesMax, 0)
}
