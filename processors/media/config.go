package media

import (
	"fmt"
	"time"
)

// Config says what is remembered, and for how long.
type Config struct {
	// MediaAgeMax is the age of a message, when its chunk was received, up to which a follow-up can be
	// expected: placeholders of older messages are not remembered.
	MediaAgeMax time.Duration
	// Remember is how long a placeholder is remembered after it was seen.
	Remember time.Duration
	// Hold is how long a follow-up waits for its placeholder; 0: not at all.
	Hold time.Duration
	// HoldItemsMax and HoldBytesMax bound the follow-ups that wait, of one number.
	HoldItemsMax int
	HoldBytesMax int
}

// DefaultConfig is generous where the documents are known to be vague: they say that assets follow for
// media of the last 14 days.
func DefaultConfig() Config {
	return Config{
		MediaAgeMax:  30 * 24 * time.Hour,
		Remember:     14 * 24 * time.Hour,
		Hold:         time.Hour, // longer than a chunk waits for a hole before it
		HoldItemsMax: 10_000,
		HoldBytesMax: 16 << 20,
	}
}

// Validate names the first key that has a value which is not allowed.
func (c *Config) Validate() error {
	for _, k := range []struct {
		key        string
		value, min time.Duration
	}{
		{"media_age_max", c.MediaAgeMax, time.Hour},
		{"remember", c.Remember, time.Minute},
		{"hold", c.Hold, 0},
	} {
		if k.value < k.min {
			return fmt.Errorf("media.%s: %v: must be at least %v", k.key, k.value, k.min)
		}
	}
	if c.Hold > c.Remember {
		return fmt.Errorf("media.hold: %v: must be at most media.remember (%v)", c.Hold, c.Remember)
	}
	for _, k := range []struct {
		key   string
		value int
	}{{"hold_items_max", c.HoldItemsMax}, {"hold_bytes_max", c.HoldBytesMax}} {
		if k.value < 0 {
			return fmt.Errorf("media.%s: %d: must be at least 0", k.key, k.value)
		}
	}
	return nil
}
