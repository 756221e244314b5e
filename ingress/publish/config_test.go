package publish

import (
	"strings"
	"testing"
	"time"
)

func TestValidateNamesKeyValueAndWhatIsAllowed(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"publisher.brokers is empty": func(c *Config) { c.Brokers = nil },
		`publisher.compression_live is "gzip": want none, snappy, lz4 or zstd`: func(c *Config) { c.CompressionLive = "gzip" },
		"publisher.batch_bytes_max is 1: want 1024 to":                         func(c *Config) { c.BatchBytesMax = 1 },
		"publisher.in_flight_bytes_max is 1:":                                  func(c *Config) { c.InFlightBytesMax = 1 },
		"publisher.produce_timeout is 0s: want 10ms to 1m0s":                   func(c *Config) { c.ProduceTimeout = 0 },
		"publisher.connection_idle_timeout is 1ms: want 1s to 1h0m0s":          func(c *Config) { c.ConnectionIdleTimeout = time.Millisecond },
	} {
		cfg := DefaultConfig()
		cfg.Brokers = []string{"b:9092"}
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
