package partition

import (
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/media"
)

// Config is what a partition is told.
type Config struct {
	Partition, Partitions int32
	// PartitionOf is the partition of a business: murmur2 over its WABA id.
	PartitionOf func(business []byte) int32

	// DedupWindow is for how long a live message, status or event is known again.
	DedupWindow time.Duration
	// EventBytesMax is the largest value of an event; a larger one goes to `dlq`.
	EventBytesMax int
	// OtherBytesMax is that of `other`, whose events carry what may be a whole body; 0: no limit.
	OtherBytesMax int
	// ReplayTimeout is how long a replay may be silent before it counts as given up.
	ReplayTimeout time.Duration

	History history.Config
	Media   media.Config
}

// DefaultConfig has every default; the partition fields are the owner's to set.
func DefaultConfig() Config {
	return Config{DedupWindow: 24 * time.Hour, EventBytesMax: 1 << 20, ReplayTimeout: time.Hour, History: history.DefaultConfig(), Media: media.DefaultConfig()}
}

// Validate names the first key whose value cannot be used.
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
