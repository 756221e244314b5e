package media

import (
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
)

// Config has the bounds and times of a Book.
type Config struct {
	// Remember is how long a placeholder is remembered after it was seen, for a message of any age.
	Remember time.Duration
	// Hold is how long a follow-up waits for its placeholder; 0: not at all.
	Hold time.Duration
	// HoldItemsMax and HoldBytesMax bound the follow-ups that wait, of one number.
	HoldItemsMax int
	HoldBytesMax int
}

// DefaultConfig is generous where the documents are vague: they say that media of the last 14 days follow.
func DefaultConfig() Config {
	return Config{
		Remember:     14 * 24 * time.Hour,
		Hold:         time.Hour, // longer than a chunk waits for a gap before it
		HoldItemsMax: 10_000,
		HoldBytesMax: 16 << 20,
	}
}

// Validate names the first key with an invalid value.
func (c *Config) Validate() error {
	for _, k := range []struct {
		key        string
		value, min time.Duration
	}{
		{"remember", c.Remember, time.Minute},
		{"hold", c.Hold, 0},
	} {
		if k.value < k.min {
			return invalid.Value("processor.media."+k.key, k.value, "%v or more", k.min)
		}
	}
	if c.Hold > c.Remember {
		return invalid.Value("processor.media.hold", c.Hold, "at most processor.media.remember (%v)", c.Remember)
	}
	for _, k := range []struct {
		key   string
		value int
	}{{"hold_items_max", c.HoldItemsMax}, {"hold_bytes_max", c.HoldBytesMax}} {
		if k.value < 0 {
			return invalid.Value("processor.media."+k.key, k.value, "0 or more")
		}
	}
	return nil
}
