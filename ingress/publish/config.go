package publish

import (
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/coexstream/coexstream/internal/invalid"
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

// Validate returns an error that names the key, its value, and the allowed values.
func (c *Config) Validate() error {
	if len(c.Brokers) == 0 {
		return invalid.Value("kafka.brokers", c.Brokers, "at least one host:port")
	}
	for _, l := range []struct{ key, value string }{
		{"ingress.compression.live", c.CompressionLive}, {"ingress.compression.bulk", c.CompressionBulk},
	} {
		if _, ok := compression(l.value); !ok {
			return invalid.Value(l.key, l.value, "none, snappy, lz4, zstd")
		}
	}
	if c.BatchBytesMax < 1<<10 || c.BatchBytesMax > 64<<20 {
		return invalid.Value("publisher.batch_bytes_max", c.BatchBytesMax, "%d to %d", 1<<10, 64<<20)
	}
	if c.RecordBytesMax < 1<<16 || c.RecordBytesMax > 1<<30 {
		return invalid.Value("publisher.record_bytes_max", c.RecordBytesMax, "%d to %d", 1<<16, 1<<30)
	}
	if c.InFlightBytesMax < 1<<20 || c.InFlightBytesMax > 1<<40 {
		return invalid.Value("publisher.in_flight_bytes_max", c.InFlightBytesMax, "%d to %d", 1<<20, int64(1)<<40)
	}
	if c.ProduceTimeout < 10*time.Millisecond || c.ProduceTimeout > time.Minute {
		return invalid.Value("publisher.produce_timeout", c.ProduceTimeout, "%s to %s", 10*time.Millisecond, time.Minute)
	}
	if c.ConnectionIdleTimeout < time.Second || c.ConnectionIdleTimeout > time.Hour {
		return invalid.Value("publisher.connection_idle_timeout", c.ConnectionIdleTimeout, "%s to %s", time.Second, time.Hour)
	}
	return nil
}

func compression(name string) (codec kafka.Compression, ok bool) {
	switch name {
	case "none":
		return 0, true
	case "snappy":
		return kafka.Snappy, true
	case "lz4":
		return kafka.Lz4, true
	case "zstd":
		return kafka.Zstd, true
	}
	return 0, false
}
