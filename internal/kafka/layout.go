package kafka

import (
	"strconv"
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/schemas"
)

// Layout has the settings of the topics. Retention and compaction are explicit for every topic, for any defaults of the
// cluster.
type Layout struct {
	Prefix            string
	Partitions        int
	ReplicationFactor int
	MinInsyncReplicas int
	MaxMessageBytes   int64
	SegmentBytes      int64

	RawRetention      time.Duration
	ReroutedRetention time.Duration
	EventsRetention   time.Duration
	DLQRetention      time.Duration
	ContactTombstones time.Duration
	StateTombstones   time.Duration
}

// Validate returns an error that names the key, its value, and the allowed values.
func (l *Layout) Validate() error {
	switch {
	case l.Partitions < 1:
		return invalid.Value("kafka.partitions", l.Partitions, "1 or more")
	case l.ReplicationFactor < 1:
		return invalid.Value("kafka.replication_factor", l.ReplicationFactor, "1 or more")
	case l.MinInsyncReplicas < 1 || l.MinInsyncReplicas > l.ReplicationFactor:
		return invalid.Value("kafka.min_insync_replicas", l.MinInsyncReplicas, "1 to kafka.replication_factor (%d)", l.ReplicationFactor)
	}
	return nil
}

// TopicSpec is how one topic is to be.
type TopicSpec struct {
	Topic             schemas.Topic
	Name              string
	Partitions        int
	ReplicationFactor int
	Config            map[string]string
}

const segmentAgeMax = 24 * time.Hour

// Specs lists all topics. All have the same number of partitions, so that partition i of each of them
// holds the same businesses.
func (l *Layout) Specs() []TopicSpec {
	specs := make([]TopicSpec, 0, len(schemas.Topics()))
	for _, t := range schemas.Topics() {
		specs = append(specs, TopicSpec{
			Topic: t, Name: t.Name(l.Prefix), Partitions: l.Partitions,
			ReplicationFactor: l.ReplicationFactor, Config: l.config(t),
		})
	}
	return specs
}

func (l *Layout) config(t schemas.Topic) map[string]string {
	c := map[string]string{
		"compression.type":       "producer",   // as the writers compress
		"message.timestamp.type": "CreateTime", // when the webhook came, also after a replay
		"max.message.bytes":      strconv.FormatInt(l.MaxMessageBytes, 10),
		"min.insync.replicas":    strconv.Itoa(l.MinInsyncReplicas),
		"segment.bytes":          strconv.FormatInt(l.SegmentBytes, 10),
		// Only closed segments are compacted and only closed segments expire: without an age a quiet
		// topic would keep tombstones and raw bodies for longer than was promised.
		"segment.ms":      millis(segmentAgeMax),
		"retention.bytes": "-1",
	}
	if t.Compacted() {
		c["cleanup.policy"] = "compact"
		c["retention.ms"] = "-1"
		c["delete.retention.ms"] = millis(l.StateTombstones)
		if t == schemas.TopicContacts {
			c["delete.retention.ms"] = millis(l.ContactTombstones)
		}
		return c
	}
	c["cleanup.policy"] = "delete"
	c["retention.ms"] = millis(l.retention(t))
	return c
}

// Retention is how long a topic keeps records, 0 where it is compacted.
func (l *Layout) Retention(t schemas.Topic) time.Duration {
	if t.Compacted() {
		return 0
	}
	return l.retention(t)
}

func (l *Layout) retention(t schemas.Topic) time.Duration {
	switch {
	case t.Raw():
		return l.RawRetention
	case t == schemas.TopicRerouted:
		return l.ReroutedRetention
	case t == schemas.TopicDLQ:
		return l.DLQRetention
	}
	return l.EventsRetention
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
