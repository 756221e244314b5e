package publish

import (
	"strings"
	"testing"
	"time"
)

func TestValidateNamesKeyValueAndWhatIsAllowed(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"kafka.brokers: [] is not allowed":                                                  func(c *Config) { c.Brokers = nil },
		`ingress.compression.live: "gzip" is not allowed; allowed: none, snappy, lz4, zstd`: func(c *Config) { c.CompressionLive = "gzip" },
		"publisher.batch_bytes_max: 1 is not allowed; allowed: 1024 to":                     func(c *Config) { c.BatchBytesMax = 1 },
		"publisher.in_flight_bytes_max: 1 is not allowed":                                   func(c *Config) { c.InFlightBytesMax = 1 },
		"publisher.produce_timeout: 0s is not allowed; allowed: 10ms to 1m0s":               func(c *Config) { c.ProduceTimeout = 0 },
		"publisher.connection_idle_timeout: 1ms is not allowed; allowed: 1s to 1h0m0s":      func(c *Config) { c.ConnectionIdleTimeout = time.Millisecond },
	} {
		cfg := DefaultConfig()
		cfg.Brokers = []string{"b:9092"}
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
