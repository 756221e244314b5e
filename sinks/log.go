package sinks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// lanes are the event topics: the live ones, and the backlog.
var (
	liveTopics    = []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes, schemas.TopicSyncs, schemas.TopicContacts, schemas.TopicAccount, schemas.TopicOther}
	backlogTopics = []schemas.Topic{schemas.TopicMedia, schemas.TopicHistory}
)

// Topics are the topics that the processors write events to.
func Topics() []schemas.Topic { return slices.Concat(liveTopics, backlogTopics) }

// TableTopics are the topics that become tables: Topics, and `assets`, where the media sink runs.
func TableTopics() []schemas.Topic { return slices.Concat(liveOfTables, backlogTopics) }

// liveOfTables are the live topics of the tables. Outcomes of assets are few for a time: the provider limits the rate.
var liveOfTables = slices.Concat(liveTopics, []schemas.Topic{schemas.TopicAssets})

// Optional reports whether a topic may be missing: installations of earlier versions have none, and those without the media sink need none.
func Optional(topic schemas.Topic) bool { return topic == schemas.TopicAssets }

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
	missing missing
}

// missing are the topics that may be missing, and are not there.
type missing struct {
	mu     sync.Mutex
	topics []schemas.Topic
	asked  time.Time
}

// missingPoll is how often missing topics are asked for.
const missingPoll = 5 * time.Second

// NewKafkaLog prepares the connections for the topics of the tables. The caller closes it.
func NewKafkaLog(conn kafka.Connection, prefix string) (*KafkaLog, error) {
	return NewKafkaLogOf(conn, prefix, Topics(), schemas.TopicAssets)
}

// NewKafkaLogOf prepares the connections for topics, of which there is at least one. Topics in optional may be missing: they have no offsets
// until they are there. The caller closes it.
func NewKafkaLogOf(conn kafka.Connection, prefix string, topics []schemas.Topic, optional ...schemas.Topic) (*KafkaLog, error) {
	if err := conn.Validate(); err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(conn.Franz()...)
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", conn.Brokers, err)
	}
	return &KafkaLog{cl: cl, fetcher: kafka.NewFetcher(cl), prefix: prefix, topics: slices.Concat(topics, optional), missing: missing{topics: slices.Clone(optional)}}, nil
}

// Close closes the connections.
func (l *KafkaLog) Close() { l.cl.Close() }

// Name implements Log.
func (l *KafkaLog) Name(topic schemas.Topic) string { return topic.Name(l.prefix) }

// ID implements Log. The id is known after Partitions.
func (l *KafkaLog) ID(topic schemas.Topic) [16]byte { return l.fetcher.TopicID(l.Name(topic)) }

// Partitions implements Log.
func (l *KafkaLog) Partitions(ctx context.Context) ([]int32, error) {
	if err := l.look(ctx); err != nil {
		return nil, err
	}
	var all []int32
	for i, topic := range l.present() {
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

// present are the topics without those that are missing.
func (l *KafkaLog) present() []schemas.Topic {
	l.missing.mu.Lock()
	defer l.missing.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.topics), func(topic schemas.Topic) bool { return slices.Contains(l.missing.topics, topic) })
}

// look asks for missing topics from time to time. One that may not be read is missing, too.
func (l *KafkaLog) look(ctx context.Context) error {
	l.missing.mu.Lock()
	wanted, due := slices.Clone(l.missing.topics), time.Since(l.missing.asked) >= missingPoll
	if due {
		l.missing.asked = time.Now()
	}
	l.missing.mu.Unlock()
	if !due {
		return nil
	}
	for _, topic := range wanted {
		_, err := l.fetcher.Partitions(ctx, l.Name(topic))
		if errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.TopicAuthorizationFailed) {
			continue
		}
		if err != nil {
			l.missing.mu.Lock()
			l.missing.asked = time.Time{}
			l.missing.mu.Unlock()
			return err
		}
		l.missing.mu.Lock()
		l.missing.topics = slices.DeleteFunc(l.missing.topics, func(t schemas.Topic) bool { return t == topic })
		l.missing.mu.Unlock()
	}
	return nil
}

// Starts implements Log.
func (l *KafkaLog) Starts(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]int64, error) {
	return l.listed(ctx, partitions, l.fetcher.Starts)
}

// Ends implements Log.
func (l *KafkaLog) Ends(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]int64, error) {
	_ = l.look(ctx) // it is asked again, and the others are read meanwhile
	return l.listed(ctx, partitions, l.fetcher.Ends)
}

func (l *KafkaLog) listed(ctx context.Context, partitions []int32, list func(context.Context, []string, []int32) (map[string]map[int32]int64, error)) (map[schemas.Topic]map[int32]int64, error) {
	var names []string
	topics := l.present()
	for _, topic := range topics {
		names = append(names, l.Name(topic))
	}
	offsets, err := list(ctx, names, partitions)
	if err != nil {
		return nil, err
	}
	byTopic := map[schemas.Topic]map[int32]int64{}
	for _, topic := range topics {
		byTopic[topic] = offsets[l.Name(topic)]
	}
	return byTopic, nil
}

// Fetch implements Log.
func (l *KafkaLog) Fetch(ctx context.Context, topic schemas.Topic, partition int32, offset int64, bytesMax int32) (kafka.Fetched, error) {
	return l.fetcher.Fetch(ctx, l.Name(topic), partition, offset, bytesMax, 0)
}
