package partition

import (
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/media"
)

// Config is the configuration of a partition.
type Config struct {
	Partition, Partitions int32
	// PartitionOf returns the partition of a business: murmur2 of its WABA id.
	PartitionOf func(business []byte) int32

	// DedupWindow is how long a live message, status or event is remembered for deduplication.
	DedupWindow time.Duration
	// EventBytesMax is the maximum length of an event's value. A longer one goes to `dlq`.
	EventBytesMax int
	// OtherBytesMax is that for `other`, whose events may contain a whole body; 0: no limit.
	OtherBytesMax int
	// ReplayTimeout is the maximum silence of a replay. After it the replay counts as abandoned.
	ReplayTimeout time.Duration

	History history.Config
	Media   media.Config
}

// DefaultConfig returns the defaults. The owner sets the fields about partitions.
func DefaultConfig() Config {
	return Config{DedupWindow: 24 * time.Hour, EventBytesMax: 1 << 20, ReplayTimeout: time.Hour, History: history.DefaultConfig(), Media: media.DefaultConfig()}
}

// Validate returns an error that names the first invalid key.
func (c *Config) Validate() error {
	if c.DedupWindow < time.Minute {
		return invalid.Value("processor.dedup_window", c.DedupWindow, "1m or more")
	}
	if c.EventBytesMax < 16<<10 {
		return invalid.Value("processor.event_bytes_max", c.EventBytesMax, "16KiB or more")
	}
	if c.ReplayTimeout < time.Minute {
		return invalid.Value("processor.replay_timeout", c.ReplayTimeout, "1m or more")
	}
	if err := c.History.Validate(); err != nil {
		return err
	}
	return c.Media.Validate()
}
