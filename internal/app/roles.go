package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/coexstream/coexstream/ingress"
	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/contentcoding"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors"
)

// The functions of this file turn the configuration into those of the parts. What they do not set has the
// part's own default.

func connectionOf(cfg *config.Config) (kafka.Connection, error) {
	k := cfg.Kafka
	c := kafka.Connection{
		Brokers: k.Brokers, ClientID: k.ClientID, DialTimeout: k.DialTimeout, RequestTimeout: k.RequestTimeout,
	}
	var err error
	if k.TLS.Enabled {
		if c.TLS, err = kafka.LoadTLS(k.TLS.CAFile, k.TLS.CertFile, k.TLS.KeyFile, k.TLS.ServerName); err != nil {
			return c, fmt.Errorf("%w: %w", config.ErrInvalid, err)
		}
	}
	if c.SASL, err = kafka.NewSASL(k.SASL.Mechanism, k.SASL.Username, k.SASL.Password); err != nil {
		return c, fmt.Errorf("%w: %w", config.ErrInvalid, err)
	}
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("%w: %w", config.ErrInvalid, err)
	}
	return c, nil
}

func layoutOf(cfg *config.Config) kafka.Layout {
	t := cfg.Topics
	return kafka.Layout{
		Prefix: cfg.Kafka.Prefix, Partitions: cfg.Kafka.Partitions,
		ReplicationFactor: cfg.Kafka.ReplicationFactor, MinInsyncReplicas: cfg.Kafka.MinInsyncReplicas,
		MaxMessageBytes: t.MaxMessageBytes, SegmentBytes: t.SegmentBytes,
		RawRetention: t.Raw.Retention, ReroutedRetention: t.Rerouted.Retention, EventsRetention: t.Events.Retention,
		DLQRetention: t.DLQ.Retention, ContactTombstones: t.Contacts.TombstoneRetention, StateTombstones: t.State.TombstoneRetention,
	}
}

func ingressOf(cfg *config.Config) ingress.Config {
	from, c := cfg.Ingress, ingress.DefaultConfig()
	c.Listen = from.Listen
	c.BodyBytesMax, c.DecodedBytesMax, c.RatioMax = int(from.BodyBytesMax), int(from.DecodedBytesMax), from.DecodedRatioMax
	c.HeaderBytesMax, c.ConnectionsMax, c.InFlightBytesMax = int(from.HeaderBytesMax), from.ConnectionsMax, from.InFlightBytesMax
	c.ReadTimeout, c.WriteTimeout, c.IdleTimeout = from.ReadTimeout, from.WriteTimeout, from.IdleTimeout
	c.AckTimeout, c.RetryAfter = from.AckTimeout, from.RetryAfter
	c.DrainDelay = from.DrainDelay
	for _, s := range from.Sources {
		to := ingress.Source{
			Name: s.Name, Provider: s.Provider, Path: s.Path,
			VerifyToken: ingress.Credential(s.VerifyToken), SignatureRequired: s.SignatureRequired,
			RequestsMax: s.RequestsMax,
		}
		for _, secret := range s.Secrets {
			to.Secrets = append(to.Secrets, ingress.Secret{ID: secret.ID, Value: ingress.Credential(secret.Value)})
		}
		c.Sources = append(c.Sources, to)
	}
	return c
}

func publisherOf(cfg *config.Config) ingress.PublisherConfig {
	c := ingress.DefaultPublisherConfig()
	c.Brokers, c.ClientID, c.TopicPrefix = cfg.Kafka.Brokers, cfg.Kafka.ClientID+"-ingress", cfg.Kafka.Prefix
	c.CompressionLive, c.CompressionBulk = cfg.Ingress.Compression.Live, cfg.Ingress.Compression.Bulk
	c.InFlightBytesMax = cfg.Ingress.InFlightBytesMax
	return c
}

func spoolOf(cfg *config.Config) ingress.SpoolConfig {
	from, c := cfg.Ingress.Spool, ingress.DefaultSpoolConfig()
	c.Dir = from.Dir
	if c.Dir == "" {
		c.Dir = filepath.Join(cfg.DataDir, "spool")
	}
	c.After, c.BytesMax, c.AgeMax, c.SegmentBytes, c.Sync = from.After, from.BytesMax, from.AgeMax, from.SegmentBytes, from.Fsync
	c.DrainBytesPerSecond, c.DrainRecordsPerSecond = from.Drain.BytesPerSecond, from.Drain.RecordsPerSecond
	return c
}

func processorOf(cfg *config.Config) (processors.Config, error) {
	from, c := cfg.Processor, processors.DefaultConfig()
	c.Brokers, c.ClientID, c.Prefix = cfg.Kafka.Brokers, cfg.Kafka.ClientID+"-processor", cfg.Kafka.Prefix
	c.GroupID, c.InstanceID = from.GroupID, from.InstanceID
	if c.InstanceID == "" {
		host, err := os.Hostname()
		if err != nil {
			return c, fmt.Errorf("processor.instance_id is empty, and the host has no name: %w", err)
		}
		c.InstanceID, _, _ = strings.Cut(host, ".")
	}
	c.SessionTimeout, c.RebalanceTimeout, c.TransactionTimeout = from.SessionTimeout, from.RebalanceTimeout, from.TransactionTimeout
	c.BulkBytesPerTransaction, c.Compression = from.BulkBytesMax, from.Compression
	c.EventBytesMax, c.Task.EventBytesMax = int32(from.EventBytesMax), int(from.EventBytesMax)
	c.RecordBytesMax = int32(cfg.Topics.MaxMessageBytes)
	c.BufferedBytesMax = max(c.BufferedBytesMax, int(c.RecordBytesMax))
	c.DepthMax = from.DepthMax
	c.Decode = contentcoding.Limits{BytesMax: int(from.BodyBytesMax), RatioMax: cfg.Ingress.DecodedRatioMax}
	c.Task.DedupWindow, c.Task.ReplayTimeout = from.DedupWindow, from.ReplayTimeout
	c.Task.Media.Hold = from.Media.Hold
	c.Task.History.GapTimeout, c.Task.History.PhaseHold = from.History.GapTimeout, from.History.PhaseHold
	c.Task.History.QuietTime, c.Task.History.Ceiling = from.History.QuietTime, from.History.Ceiling
	return c, nil
}
