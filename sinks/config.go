package sinks

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/schemas"
)

// Config is how a sink works.
type Config struct {
	Name    string // of the sink, in metrics and logs
	Rebuild string // the command that fills the target again

	RecordsMax        int           // records of a batch
	LiveBytesMax      int32         // of a fetch of a live topic of a partition, about
	BacklogBytesMax   int32         // of a fetch of history or media, about
	Poll              time.Duration // how often the ends of the logs are asked for
	RetryMin          time.Duration // the first distance between two attempts
	RetryMax          time.Duration // the greatest
	CutPatience       time.Duration // how long a log may seem shorter than it was: a leader that was elected just now
	Heartbeat         time.Duration // how often a position is written anew while nothing comes
	Recheck           time.Duration // how often the target is asked for its positions while nothing comes: a rebuild changes them
	ContactTombstones time.Duration // how long `contacts` keeps tombstones
	SyncTombstones    time.Duration // how long `syncs` does
	// Considerate leaves half of the time to others while backlog is applied.
	Considerate bool
}

// DefaultConfig has all but the name.
func DefaultConfig() Config {
	return Config{
		Rebuild: "coexstream sink rebuild", RecordsMax: 2000, LiveBytesMax: 256 << 10, BacklogBytesMax: 1 << 20, Poll: 100 * time.Millisecond,
		RetryMin: 100 * time.Millisecond, RetryMax: 30 * time.Second, CutPatience: 10 * time.Second, Heartbeat: time.Hour, Recheck: 5 * time.Second,
		ContactTombstones: 8 * 24 * time.Hour, SyncTombstones: 24 * time.Hour,
	}
}

// Validate names what cannot be.
func (c *Config) Validate() error {
	switch {
	case c.Name == "":
		return fmt.Errorf("a sink without a name")
	case c.RecordsMax < 1:
		return fmt.Errorf("records of a batch: %d is not allowed; allowed: 1 or more", c.RecordsMax)
	case c.LiveBytesMax < 1 || c.BacklogBytesMax < 1:
		return fmt.Errorf("bytes of a fetch: %d and %d are not allowed; allowed: 1 or more", c.LiveBytesMax, c.BacklogBytesMax)
	case c.Poll <= 0 || c.RetryMin <= 0 || c.RetryMax < c.RetryMin || c.CutPatience <= 0 || c.Heartbeat <= 0 || c.Recheck <= 0 || c.ContactTombstones <= 0 || c.SyncTombstones <= 0:
		return fmt.Errorf("a duration that is 0 or less, or a greatest distance below the first one")
	}
	return nil
}

// tombstones is how long a topic keeps tombstones; 0: it has none.
func (c *Config) tombstones(topic schemas.Topic) time.Duration {
	switch topic {
	case schemas.TopicContacts:
		return c.ContactTombstones
	case schemas.TopicSyncs:
		return c.SyncTombstones
	}
	return 0
}

// Deps are what a sink works with.
type Deps struct {
	Log        Log
	Target     Target
	Assignment Assignment // nil: all partitions are this process's own
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Now        func() time.Time
}
