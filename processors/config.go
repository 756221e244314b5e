package processors

import (
	"fmt"
	"time"

	"github.com/coexstream/coexstream/internal/contentcoding"
	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/processors/task"
	"github.com/coexstream/coexstream/schemas"
)

// Config is a processor's configuration.
type Config struct {
	Brokers  []string
	ClientID string
	Prefix   string // of every topic

	GroupID string
	// InstanceID names this processor among those of the group. A stable one (a pod's name) lets a
	// restarted processor take its partitions back at once; empty: a random one, and after a crash the
	// group waits for SessionTimeout.
	InstanceID string

	SessionTimeout     time.Duration
	RebalanceTimeout   time.Duration
	TransactionTimeout time.Duration

	// BulkBytesPerTransaction bounds the history work of one transaction, and with it how long a live
	// message waits behind it. One body may exceed it.
	BulkBytesPerTransaction int64
	// HeldBytesMax bounds the bodies with chunks that wait for an earlier one which are kept in memory, packed. The others
	// are read from the log again.
	HeldBytesMax int64
	// Deferred bounds what one business may have of a transaction beside others.
	Deferred deferred.Limits
	// LiveLagRecordsMax is the live backlog from which bulk work pauses.
	LiveLagRecordsMax int64

	// FetchBytesMax and FetchPartitionBytesMax bound what is fetched ahead, as compressed on the wire.
	FetchBytesMax, FetchPartitionBytesMax int32
	// EventBytesMax is the largest event that is produced; a larger one goes to `dlq`, as one does that is larger
	// than its topic takes.
	EventBytesMax int32
	// RecordBytesMax is the largest record that the topics take, as far as it is known before they are asked. A raw
	// record that is longer stands in segments on the topics that carry raw records on.
	RecordBytesMax int32
	// BufferedBytesMax bounds the events that wait to be sent.
	BufferedBytesMax int
	Compression      string // none, snappy, lz4, zstd

	// TickEvery is how often time passes for the tasks; TickGrace is how far behind the clock it stays,
	// so that a webhook that is being written counts as received before it.
	TickEvery, TickGrace time.Duration

	// UnknownState is what becomes of a partition whose state has a record that cannot be read: StateBlock, StateSetAside.
	UnknownState string

	Decode   contentcoding.Limits
	DepthMax int // nesting of a body; 0: split.DefaultDepthMax

	Task task.Config // without Partition, Partitions and PartitionOf
}

// DefaultConfig is the configuration for everything that has a default.
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
		Task:         task.DefaultConfig(),
	}
}

// Validate names the first key whose value cannot be used.
func (c *Config) Validate() error {
	switch {
	case len(c.Brokers) == 0:
		return fmt.Errorf("kafka.brokers: is empty; give at least one host:port")
	case c.GroupID == "":
		return fmt.Errorf("processor.group_id: is empty; give the name of the consumer group")
	case c.SessionTimeout < time.Second:
		return fmt.Errorf("processor.session_timeout: %v; allowed: 1s and more", c.SessionTimeout)
	case c.RebalanceTimeout < c.SessionTimeout:
		return fmt.Errorf("processor.rebalance_timeout: %v; allowed: at least processor.session_timeout (%v)", c.RebalanceTimeout, c.SessionTimeout)
	case c.TransactionTimeout < time.Second || c.TransactionTimeout > 15*time.Minute:
		return fmt.Errorf("processor.transaction_timeout: %v; allowed: 1s to 15m (the brokers' default limit)", c.TransactionTimeout)
	case c.BulkBytesPerTransaction < 1<<10:
		return fmt.Errorf("processor.bulk_bytes_per_transaction: %d; allowed: 1KiB and more", c.BulkBytesPerTransaction)
	case c.HeldBytesMax < 0:
		return fmt.Errorf("processor.held_bytes_max: %d; allowed: 0 and more", c.HeldBytesMax)
	case c.Deferred.BodyBytesMax < 1<<10:
		return fmt.Errorf("processor.live_body_bytes_max: %d; allowed: 1KiB and more", c.Deferred.BodyBytesMax)
	case c.Deferred.BusinessBytesMax < 1<<10:
		return fmt.Errorf("processor.business_bytes_max: %d; allowed: 1KiB and more", c.Deferred.BusinessBytesMax)
	case c.Deferred.RecordsMax < 1:
		return fmt.Errorf("processor.deferred_records_max: %d; allowed: 1 and more", c.Deferred.RecordsMax)
	case c.LiveLagRecordsMax < 1:
		return fmt.Errorf("processor.live_lag_records_max: %d; allowed: 1 and more", c.LiveLagRecordsMax)
	case c.FetchBytesMax < 1<<10 || c.FetchPartitionBytesMax < 1<<10:
		return fmt.Errorf("processor.fetch_bytes_max, processor.fetch_partition_bytes_max: %d, %d; allowed: 1KiB and more", c.FetchBytesMax, c.FetchPartitionBytesMax)
	case c.EventBytesMax < eventBytesLeast || c.RecordBytesMax < recordLimitLeast:
		return fmt.Errorf("processor.event_bytes_max, processor.record_bytes_max: %d, %d; allowed: 16KiB and more, and 64KiB and more", c.EventBytesMax, c.RecordBytesMax)
	case c.BufferedBytesMax < int(c.RecordBytesMax):
		return fmt.Errorf("processor.buffered_bytes_max: %d; allowed: at least processor.record_bytes_max (%d)", c.BufferedBytesMax, c.RecordBytesMax)
	case c.TickEvery <= 0 || c.TickGrace < 0:
		return fmt.Errorf("processor.tick_every, processor.tick_grace: %v, %v; allowed: above 0, and 0 or more", c.TickEvery, c.TickGrace)
	case c.UnknownState != StateBlock && c.UnknownState != StateSetAside:
		return fmt.Errorf("processor.unknown_state: %q; allowed: %s, %s", c.UnknownState, StateBlock, StateSetAside)
	}
	if _, err := codec(c.Compression); err != nil {
		return err
	}
	return c.Task.Validate()
}

// eventBytesLeast is what an event may always have.
const eventBytesLeast = 16 << 10

func (c *Config) topic(t schemas.Topic) string { return t.Name(c.Prefix) }

// inputs names the topics that a processor consumes.
func (c *Config) inputs() []string {
	var names []string
	for _, t := range schemas.Inputs() {
		names = append(names, c.topic(t))
	}
	return names
}
