package archive

import (
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
)

// Config is how the archive is written.
type Config struct {
	Prefix         string // of the topics
	Topics         []schemas.Topic
	Parquet        []schemas.Topic // those whose objects are Parquet
	ObjectBytesMax int64           // an object is closed when it is about as long, compressed
	Rotation       time.Duration   // the longest that a record waits
	Snapshots      time.Duration   // the period of the snapshots of compacted topics; 0: none
	Writers        int             // objects that are written at a time
	FetchBytes     int32           // of a fetch, about
	Poll           time.Duration   // how often the ends of the logs are asked for
	RetryMin       time.Duration   // the first distance between two attempts
	RetryMax       time.Duration   // the greatest
	BlockedRetry   time.Duration   // how often a blocked chain is looked at again
	CutPatience    time.Duration   // how long a log may seem shorter than it was: a leader that was elected just now
}

// DefaultConfig has all but the prefix.
func DefaultConfig() Config {
	return Config{
		Topics: Topics(), ObjectBytesMax: 8 << 20, Rotation: 10 * time.Minute, Snapshots: 24 * time.Hour, Writers: 2, FetchBytes: 1 << 20,
		Poll: time.Second, RetryMin: 500 * time.Millisecond, RetryMax: 30 * time.Second, BlockedRetry: time.Minute, CutPatience: 10 * time.Second,
	}
}

// encoding is that of a topic's objects.
func (c *Config) encoding(topic schemas.Topic) archive.Encoding {
	if slices.Contains(c.Parquet, topic) {
		return archive.Parquet
	}
	return archive.JSONL
}

// Topics are those that can be archived: all but `rerouted`, whose records are parts of raw ones.
func Topics() []schemas.Topic {
	var all []schemas.Topic
	for _, topic := range schemas.Topics() {
		if topic != schemas.TopicRerouted {
			all = append(all, topic)
		}
	}
	return all
}

// Validate returns an error that names the field, its value, and the allowed values.
func (c *Config) Validate() error {
	switch {
	case len(c.Topics) == 0:
		return invalid.Value("Topics", c.Topics, "at least one topic")
	case c.ObjectBytesMax < 1:
		return invalid.Value("ObjectBytesMax", c.ObjectBytesMax, "1 or more")
	case c.Writers < 1:
		return invalid.Value("Writers", c.Writers, "1 or more")
	case c.FetchBytes < 1:
		return invalid.Value("FetchBytes", c.FetchBytes, "1 or more")
	case c.Snapshots < 0:
		return invalid.Value("Snapshots", c.Snapshots, "0 or more")
	case c.RetryMax < c.RetryMin:
		return invalid.Value("RetryMax", c.RetryMax, "at least RetryMin (%s)", c.RetryMin)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"Rotation", c.Rotation}, {"Poll", c.Poll}, {"RetryMin", c.RetryMin}, {"BlockedRetry", c.BlockedRetry}, {"CutPatience", c.CutPatience}} {
		if d.value <= 0 {
			return invalid.Value(d.field, d.value, "more than 0")
		}
	}
	return nil
}

// Deps are what the sink works with.
type Deps struct {
	Log        sinks.Log // of Config.Topics
	Bucket     archive.Bucket
	Assignment sinks.Assignment // nil: all partitions are this process's own
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Now        func() time.Time
}
