package history

import (
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
)

// Config says how long a sync waits, and for what.
type Config struct {
	// GapTimeout is how long a hole in the chunk order is waited for.
	GapTimeout time.Duration
	// PhaseHold is how long a phase that is not known to be finished holds back the next one.
	PhaseHold time.Duration
	// QuietTime without a chunk ends a sync.
	QuietTime time.Duration
	// Ceiling is how long a sync can be open.
	Ceiling time.Duration
	// ChunkMemory is how long the chunks of a closed window are remembered, so that a redelivery is known.
	ChunkMemory time.Duration
	// HeldChunksMax bounds the chunks that one window holds when those of a body have left that may: beyond it
	// the first wait is ended as if its time were over, and the next one, until no more are held.
	HeldChunksMax int
}

// DefaultConfig follows docs/webhooks.md: webhooks are delivered again for up to 7 days, and a sync is over
// when it was quiet for 6 hours or open for 7 days.
func DefaultConfig() Config {
	return Config{
		GapTimeout:    30 * time.Minute,
		PhaseHold:     2 * time.Minute,
		QuietTime:     6 * time.Hour,
		Ceiling:       7 * 24 * time.Hour,
		ChunkMemory:   7 * 24 * time.Hour,
		HeldChunksMax: 65536,
	}
}

// Validate names the first key that has a value which is not allowed. The waits must be in the order of
// what they end: a phase is held no longer than a hole, a hole no longer than the sync is quiet.
func (c *Config) Validate() error {
	for _, k := range []struct {
		key        string
		value, min time.Duration
		minKey     string
	}{
		{"phase_hold", c.PhaseHold, time.Millisecond, ""},
		{"gap_timeout", c.GapTimeout, c.PhaseHold, "processor.history.phase_hold"},
		{"quiet_time", c.QuietTime, c.GapTimeout, "processor.history.gap_timeout"},
		{"ceiling", c.Ceiling, c.QuietTime, "processor.history.quiet_time"},
		{"chunk_memory", c.ChunkMemory, time.Millisecond, ""},
	} {
		if k.value < k.min && k.minKey == "" {
			return invalid.Value("processor.history."+k.key, k.value, "%v or more", k.min)
		}
		if k.value < k.min {
			return invalid.Value("processor.history."+k.key, k.value, "at least %s (%v)", k.minKey, k.min)
		}
	}
	if c.HeldChunksMax < 1 {
		return invalid.Value("processor.history.held_chunks_max", c.HeldChunksMax, "1 or more")
	}
	return nil
}
