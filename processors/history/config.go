package history

import (
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
)

// Config has the durations that a sync waits, and its bounds.
type Config struct {
	// GapTimeout is how long later chunks wait for a missing one.
	GapTimeout time.Duration
	// PhaseHold is how long an unfinished phase holds back the next one.
	PhaseHold time.Duration
	// QuietTime without a chunk ends a sync.
	QuietTime time.Duration
	// Ceiling is how long a sync can be open.
	Ceiling time.Duration
	// ChunkMemory is how long the chunks of a closed window are remembered, to drop redeliveries.
	ChunkMemory time.Duration
	// SilentAfter is how long after an accepted request a history without any chunk counts as silent.
	SilentAfter time.Duration
	// StalledAfter without a chunk makes a requested sync count as stalled.
	StalledAfter time.Duration
	// DeadlineNear is how long before the end of the time to request a sync its deadline is near.
	DeadlineNear time.Duration
	// HeldChunksMax bounds the held chunks of a window. Beyond it, the first wait ends as if its time were over, then
	// the next one, until the bound is kept.
	HeldChunksMax int
}

// DefaultConfig follows docs/webhooks.md. Senders repeat webhooks for up to 7 days. A sync is over after 6 quiet hours,
// or after 7 days.
func DefaultConfig() Config {
	return Config{
		GapTimeout:    30 * time.Minute,
		PhaseHold:     2 * time.Minute,
		QuietTime:     6 * time.Hour,
		Ceiling:       7 * 24 * time.Hour,
		ChunkMemory:   7 * 24 * time.Hour,
		SilentAfter:   30 * time.Minute,
		StalledAfter:  2 * time.Hour,
		DeadlineNear:  4 * time.Hour,
		HeldChunksMax: 65536,
	}
}

// Validate names the first key with an invalid value. GapTimeout is at least PhaseHold, and QuietTime at least
// GapTimeout.
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
		{"silent_after", c.SilentAfter, time.Millisecond, ""},
		{"stalled_after", c.StalledAfter, time.Millisecond, ""},
		{"deadline_near", c.DeadlineNear, time.Millisecond, ""},
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
