package sinks

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/schemas"
)

// Config configures a sink.
type Config struct {
	Name    string // of the sink, in metrics and logs
	Rebuild string // the command that fills the target again

	RecordsMax        int           // records of a batch; batches of backlog have fewer while live events arrive
	BacklogMax        int           // partitions that apply backlog at the same time; 0: all
	LiveBytesMax      int32         // of a fetch of a live topic of a partition, about
	BacklogBytesMax   int32         // of a fetch of history or media, about
	Poll              time.Duration // the interval at which the ends of the logs are requested
	RetryMin          time.Duration // the shortest interval between two attempts
	RetryMax          time.Duration // the longest
	CutPatience       time.Duration // how long a log may seem shorter than before, as after the election of a leader
	Heartbeat         time.Duration // the interval at which an unchanged position is written again
	Recheck           time.Duration // the interval at which the positions of the target are checked: a rebuild changes them
	ContactTombstones time.Duration // how long `contacts` keeps tombstones
	SyncTombstones    time.Duration // how long `syncs` does
	// Considerate leaves half of the time to others while backlog is applied.
	Considerate bool
}

// DefaultConfig has all values except the name.
func DefaultConfig() Config {
	return Config{
		Rebuild: "coexstream sink rebuild", RecordsMax: 2000, LiveBytesMax: 256 << 10, BacklogBytesMax: 1 << 20, Poll: 100 * time.Millisecond,
		RetryMin: 100 * time.Millisecond, RetryMax: 30 * time.Second, CutPatience: 10 * time.Second, Heartbeat: time.Hour, Recheck: 5 * time.Second,
		ContactTombstones: 8 * 24 * time.Hour, SyncTombstones: 24 * time.Hour,
	}
}

// Validate returns an error that names the field, its value, and the allowed values.
func (c *Config) Validate() error {
	switch {
	case c.Name == "":
		return invalid.Value("Name", c.Name, "a name")
	case c.RecordsMax < 1:
		return invalid.Value("RecordsMax", c.RecordsMax, "1 or more")
	case c.BacklogMax < 0:
		return invalid.Value("BacklogMax", c.BacklogMax, "0 or more")
	case c.LiveBytesMax < 1:
		return invalid.Value("LiveBytesMax", c.LiveBytesMax, "1 or more")
	case c.BacklogBytesMax < 1:
		return invalid.Value("BacklogBytesMax", c.BacklogBytesMax, "1 or more")
	case c.RetryMax < c.RetryMin:
		return invalid.Value("RetryMax", c.RetryMax, "at least RetryMin (%s)", c.RetryMin)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"Poll", c.Poll}, {"RetryMin", c.RetryMin}, {"CutPatience", c.CutPatience}, {"Heartbeat", c.Heartbeat}, {"Recheck", c.Recheck},
		{"ContactTombstones", c.ContactTombstones}, {"SyncTombstones", c.SyncTombstones},
	} {
		if d.value <= 0 {
			return invalid.Value(d.field, d.value, "more than 0")
		}
	}
	return nil
}

// tombstones returns how long a topic keeps tombstones; 0: it has none.
func (c *Config) tombstones(topic schemas.Topic) time.Duration {
	switch topic {
	case schemas.TopicContacts:
		return c.ContactTombstones
	case schemas.TopicSyncs:
		return c.SyncTombstones
	}
	return 0
}

// Deps are the dependencies of a sink.
type Deps struct {
	Log        Log
	Target     Target
	Assignment Assignment // nil: this process reads all partitions
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Now        func() time.Time
}
