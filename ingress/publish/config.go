package publish

import (
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// Config is the configuration of a Publisher.
type Config struct {
	Brokers     []string // host:port
	ClientID    string
	TopicPrefix string

	CompressionLive string // of raw.live: none, snappy, lz4, zstd
	CompressionBulk string // of raw.bulk: none, snappy, lz4, zstd

	// BatchBytesMax bounds a batch before compression. A longer record gets a batch of its own.
	BatchBytesMax int
	// RecordBytesMax is the expected max.message.bytes of the raw topics. A smaller value of a topic replaces it once
	// the topic was asked. A longer body is written in segments.
	RecordBytesMax int
	// InFlightBytesMax bounds the records that wait or are in flight.
	InFlightBytesMax int64
	// ProduceTimeout bounds one attempt. The deadline of a record bounds all attempts together.
	ProduceTimeout time.Duration
	// ConnectionIdleTimeout closes unused connections before the broker or a proxy does.
	ConnectionIdleTimeout time.Duration
}

// DefaultConfig returns the defaults. Brokers has none.
func DefaultConfig() Config {
	return Config{
		ClientID:              "coexstream-ingress",
		TopicPrefix:           "coex.",
		CompressionLive:       "none",
		CompressionBulk:       "snappy",
		BatchBytesMax:         960 << 10, // below Kafka's default max.message.bytes of 1 MiB and 12
		RecordBytesMax:        20 << 20,
		InFlightBytesMax:      128 << 20,
		ProduceTimeout:        2 * time.Second,
		ConnectionIdleTimeout: 4 * time.Minute,
	}
}

// Validate returns an error that names the key, its value, and what is allowed.
func (c *Config) Validate() error {
	if len(c.Brokers) == 0 {
		return fmt.Errorf("publisher.brokers is empty: want at least one host:port")
	}
	for _, l := range []struct{ key, value string }{
		{"compression_live", c.CompressionLive}, {"compression_bulk", c.CompressionBulk},
	} {
		if _, err := compression(l.value); err != nil {
			return fmt.Errorf("publisher.%s is %w", l.key, err)
		}
	}
	if c.BatchBytesMax < 1<<10 || c.BatchBytesMax > 64<<20 {
		return fmt.Errorf("publisher.batch_bytes_max is %d: want %d to %d", c.BatchBytesMax, 1<<10, 64<<20)
	}
	if c.RecordBytesMax < 1<<16 || c.RecordBytesMax > 1<<30 {
		return fmt.Errorf("publisher.record_bytes_max is %d: want %d to %d", c.RecordBytesMax, 1<<16, 1<<30)
	}
	if c.InFlightBytesMax < 1<<20 || c.InFlightBytesMax > 1<<40 {
		return fmt.Errorf("publisher.in_flight_bytes_max is %d: want %d to %d", c.InFlightBytesMax, 1<<20, int64(1)<<40)
	}
	if c.ProduceTimeout < 10*time.Millisecond || c.ProduceTimeout > time.Minute {
		return fmt.Errorf("publisher.produce_timeout is %s: want %s to %s", c.ProduceTimeout, 10*time.Millisecond, time.Minute)
	}
	if c.ConnectionIdleTimeout < time.Second || c.ConnectionIdleTimeout > time.Hour {
		return fmt.Errorf("publisher.connection_idle_timeout is %s: want %s to %s", c.ConnectionIdleTimeout, time.Second, time.Hour)
	}
	return nil
}

func compression(name string) (kafka.Compression, error) {
	switch name {
	case "none":
		return 0, nil
	case "snappy":
		return kafka.Snappy, nil
	case "lz4":
		return kafka.Lz4, nil
	case "zstd":
		return kafka.Zstd, nil
	}
	return 0, fmt.Errorf("%q: want none, snappy, lz4 or zstd", name)
}
