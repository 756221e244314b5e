package media

import (
	"fmt"
	"time"
)

// Config says how long the parts wait for each other.
type Config struct {
	// MaxAge is how old a message can be for its placeholder to be remembered. The documents say that
	// assets follow for messages of the last 14 days.
	MaxAge time.Duration `koanf:"max_age"`
	// Remember is for how long after its chunk a placeholder waits for its follow-up.
	Remember time.Duration `koanf:"remember"`
	// Hold is for how long an early follow-up waits for its placeholder.
	Hold time.Duration `koanf:"hold"`
	// HoldItemsMax and HoldBytesMax bound what is held for one number.
	HoldItemsMax int   `koanf:"hold_items_max"`
	HoldBytesMax int64 `koanf:"hold_bytes_max"`
}

// DefaultConfig has every default.
func DefaultConfig() Config {
	return Config{MaxAge: 30 * 24 * time.Hour, Remember: 14 * 24 * time.Hour, Hold: 30 * time.Minute, HoldItemsMax: 2000, HoldBytesMax: 2 << 20}
}

// Validate names the first key whose value cannot be used.
func (c *Config) Validate() error {
	switch {
	case c.MaxAge <= 0:
		return fmt.Errorf("processor.media.max_age: %v; allowed: above 0", c.MaxAge)
	case c.Remember < time.Minute:
		return fmt.Errorf("processor.media.remember: %v; allowed: 1m and more", c.Remember)
	case c.Hold < 0:
		return fmt.Errorf("processor.media.hold: %v; allowed: 0 (do not wait) and more", c.Hold)
	case c.HoldItemsMax < 0 || c.HoldBytesMax < 0:
		return fmt.Errorf("processor.media.hold_items_max, processor.media.hold_bytes_max: %d, %d; allowed: 0 and more", c.HoldItemsMax, c.HoldBytesMax)
	}
	return nil
}
