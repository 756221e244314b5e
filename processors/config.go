package processors

import (
	"time"

	"github.com/coexstream/coexstream/internal/contentcoding"
	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
)

// Config is the configuration of a processor. Validate checks it.
type Config struct {
	Brokers  []string
	ClientID string
	Prefix   string // of every topic

	GroupID string
	// InstanceID identifies this processor in the group. With a stable id, such as a pod's name, a restarted processor
	// gets its partitions back at once. If it is empty, a random id is used, and after a crash the group waits for
	// SessionTimeout.
	InstanceID string

	SessionTimeout     time.Duration
	RebalanceTimeout   time.Duration
	TransactionTimeout time.Duration

	// BulkBytesPerTransaction is the maximum bulk of one transaction in bytes. It bounds how long a live message waits
	// behind bulk. One body may exceed it.
	BulkBytesPerTransaction int64
	// HeldBytesMax is the maximum memory in bytes for compressed bodies of held chunks. Others are read again from
	// Kafka. 0 disables the cache.
	HeldBytesMax int64
	// Deferred bounds one business's part of a transaction while other businesses have live traffic.
	Deferred deferred.Limits
	// LiveLagRecordsMax is the live lag in records above which bulk pauses.
	LiveLagRecordsMax int64

	// FetchBytesMax and FetchPartitionBytesMax bound one fetch response, in compressed bytes.
	FetchBytesMax, FetchPartitionBytesMax int32
	// EventBytesMax is the maximum size of an event in bytes. Longer events, and those above their topic's limit, go to
	// `dlq`.
	EventBytesMax int32
	// RecordBytesMax is the assumed maximum size of a record in bytes, until the topics have reported theirs. Longer
	// records of `rerouted` and `dlq` are written in segments.
	RecordBytesMax int32
	// BufferedBytesMax bounds the produced bytes that wait for acknowledgements.
	BufferedBytesMax int
	Compression      string // none, snappy, lz4, zstd

	// TickEvery is the interval at which time passes for the cores. TickGrace is how far their time stays behind the
	// clock, so that a webhook that is still being written counts as received earlier.
	TickEvery, TickGrace time.Duration

	// UnknownState decides about a partition with an unreadable state record: StateBlock or StateSetAside.
	UnknownState string

	Decode   contentcoding.Limits
	DepthMax int // nesting of a body; 0: split.DefaultDepthMax

	Partition partition.Config // without Partition, Partitions and PartitionOf
}

// DefaultConfig returns the defaults of all keys that have one.
func DefaultConfig() Config {
	return Config{
		ClientID: "coexstream-processor", Prefix: "coex.", GroupID: "coexstream",
		SessionTimeout: 30 * time.Second, RebalanceTimeout: 2 * time.Minute, TransactionTimeout: time.Minute,
		BulkBytesPerTransaction: 4 << 20, HeldBytesMax: 32 << 20, LiveLagRecordsMax: 2000,
		Deferred:      deferred.Limits{BodyBytesMax: 64 << 10, BusinessBytesMax: 256 << 10, RecordsMax: 100_000},
		FetchBytesMax: 2 << 20, FetchPartitionBytesMax: 512 << 10,
		EventBytesMax: 1 << 20, RecordBytesMax: 20 << 20, BufferedBytesMax: 32 << 20,
		Compression: "snappy",
		TickEvery:   time.Second, TickGrace: 5 * time.Second,
		UnknownState: StateBlock,
		Decode:       contentcoding.Limits{BytesMax: contentcoding.DefaultBytesMax, RatioMax: contentcoding.DefaultRatioMax},
		Partition:    partition.DefaultConfig(),
	}
}

// Validate returns an error that names the first key with an invalid value, the value and the allowed ones.
func (c *Config) Validate() error {
	switch {
	case len(c.Brokers) == 0:
		return invalid.Value("kafka.brokers", c.Brokers, "at least one host:port")
	case c.GroupID == "":
		return invalid.Value("processor.group_id", c.GroupID, "the name of the consumer group")
	case c.SessionTimeout < time.Second:
		return invalid.Value("processor.session_timeout", c.SessionTimeout, "1s or more")
	case c.RebalanceTimeout < c.SessionTimeout:
		return invalid.Value("processor.rebalance_timeout", c.RebalanceTimeout, "at least processor.session_timeout (%v)", c.SessionTimeout)
	case c.TransactionTimeout < time.Second || c.TransactionTimeout > 15*time.Minute:
		return invalid.Value("processor.transaction_timeout", c.TransactionTimeout, "1s to 15m (the brokers' default limit)")
	case c.BulkBytesPerTransaction < 1<<10:
		return invalid.Value("processor.bulk_bytes_max", c.BulkBytesPerTransaction, "1KiB or more")
	case c.HeldBytesMax < 0:
		return invalid.Value("processor.held_bytes_max", c.HeldBytesMax, "0 or more")
	case c.Deferred.BodyBytesMax < 1<<10:
		return invalid.Value("processor.live_body_bytes_max", c.Deferred.BodyBytesMax, "1KiB or more")
	case c.Deferred.BusinessBytesMax < 1<<10:
		return invalid.Value("processor.business_bytes_max", c.Deferred.BusinessBytesMax, "1KiB or more")
	case c.Deferred.RecordsMax < 1:
		return invalid.Value("processor.deferred_records_max", c.Deferred.RecordsMax, "1 or more")
	case c.LiveLagRecordsMax < 1:
		return invalid.Value("processor.live_lag_records_max", c.LiveLagRecordsMax, "1 or more")
	case c.FetchBytesMax < 1<<10:
		return invalid.Value("processor.fetch_bytes_max", c.FetchBytesMax, "1KiB or more")
	case c.FetchPartitionBytesMax < 1<<10:
		return invalid.Value("processor.fetch_partition_bytes_max", c.FetchPartitionBytesMax, "1KiB or more")
	case c.EventBytesMax < eventBytesLeast:
		return invalid.Value("processor.event_bytes_max", c.EventBytesMax, "16KiB or more")
	case c.RecordBytesMax < recordLimitLeast:
		return invalid.Value("processor.record_bytes_max", c.RecordBytesMax, "64KiB or more")
	case c.BufferedBytesMax < int(c.RecordBytesMax):
		return invalid.Value("processor.buffered_bytes_max", c.BufferedBytesMax, "at least processor.record_bytes_max (%d)", c.RecordBytesMax)
	case c.TickEvery <= 0:
		return invalid.Value("processor.tick_every", c.TickEvery, "more than 0")
	case c.TickGrace < 0:
		return invalid.Value("processor.tick_grace", c.TickGrace, "0 or more")
	case c.UnknownState != StateBlock && c.UnknownState != StateSetAside:
		return invalid.Value("processor.unknown_state", c.UnknownState, "%s, %s", StateBlock, StateSetAside)
	}
	if _, err := codec(c.Compression); err != nil {
		return err
	}
	return c.Partition.Validate()
}

// eventBytesLeast is the minimum of EventBytesMax in bytes.
const eventBytesLeast = 16 << 10

func (c *Config) topic(t schemas.Topic) string { return t.Name(c.Prefix) }

// inputs returns the names of the topics that a processor consumes.
func (c *Config) inputs() []string {
	var names []string
	for _, t := range schemas.Inputs() {
		names = append(names, c.topic(t))
	}
	return names
}
