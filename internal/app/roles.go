package app

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/coexstream/coexstream/ingress"
	"github.com/coexstream/coexstream/ingress/handover"
	"github.com/coexstream/coexstream/ingress/publish"
	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/contentcoding"
	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/reload"
	"github.com/coexstream/coexstream/processors"
	"github.com/coexstream/coexstream/processors/deferred"
)

// The functions of this file turn the configuration into those of the parts. A part uses its own default for a value
// that they do not set.

// connectionOf returns a connection with the present content of the files, for commands that end soon. log may be nil.
func connectionOf(cfg *config.Config, log *slog.Logger) (kafka.Connection, error) {
	return connect(cfg, nil, log)
}

// connect returns a connection with the certificates and the password of their files, and follows their changes by the
// watcher. The watcher may be nil.
func connect(cfg *config.Config, watcher *reload.Watcher, log *slog.Logger) (kafka.Connection, error) {
	k := cfg.Kafka
	c := kafka.Connection{
		Brokers: k.Brokers, ClientID: k.ClientID, DialTimeout: k.DialTimeout, RequestTimeout: k.RequestTimeout, Log: log,
	}
	if k.TLS.Enabled {
		identity := &reload.Identity{
			Section: "kafka.tls", CertFile: k.TLS.CertFile, KeyFile: k.TLS.KeyFile, AuthorityKey: "ca_file", AuthorityFile: k.TLS.CAFile,
		}
		if err := watch(watcher, identity.Set(watcher)); err != nil {
			return c, err
		}
		c.TLS = func() *tls.Config { return identity.Client(k.TLS.ServerName) }
	}
	password := &secret{}
	if err := password.watch(watcher, "kafka.sasl.password", k.SASL.Password, k.SASL.PasswordFile); err != nil {
		return c, err
	}
	var err error
	if c.SASL, err = kafka.NewSASL(k.SASL.Mechanism, k.SASL.Username, password.get); err != nil {
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
	c.BodyBytesMax, c.DecodedBytesMax, c.RatioMax = int(from.BodyBytesMax), int(from.DecodedBytesMax), from.DecodedRatioMax
	c.HeaderBytesMax, c.ConnectionsMax, c.InFlightBytesMax = int(from.HeaderBytesMax), from.ConnectionsMax, from.InFlightBytesMax
	c.ReadTimeout, c.WriteTimeout, c.IdleTimeout = from.ReadTimeout, from.WriteTimeout, from.IdleTimeout
	c.AckTimeout, c.RetryAfter = from.AckTimeout, from.RetryAfter
	c.DrainDelay, c.PerClientMax = from.DrainDelay, from.PerClientMax
	for i := range from.Sources {
		s := &from.Sources[i]
		token, secrets := credentialsOf(s)
		c.Sources = append(c.Sources, ingress.Source{
			Name: s.Name, Provider: s.Provider, Path: s.Path, ClientCN: s.ClientCN,
			VerifyToken: token, Secrets: secrets, SignatureRequired: s.SignatureRequired,
			RequestsMax: s.RequestsMax, RequestsPerSecond: s.RequestsPerSecond, BytesPerSecond: s.BytesPerSecond,
		})
	}
	return c
}

func credentialsOf(s *config.Source) (ingress.Credential, []ingress.Secret) {
	var secrets []ingress.Secret
	for _, secret := range s.Secrets {
		secrets = append(secrets, ingress.Secret{ID: secret.ID, Value: ingress.Credential(secret.Value)})
	}
	return ingress.Credential(s.VerifyToken), secrets
}

func publisherOf(cfg *config.Config) publish.Config {
	c := publish.DefaultConfig()
	c.Brokers, c.ClientID, c.TopicPrefix = cfg.Kafka.Brokers, cfg.Kafka.ClientID+"-ingress", cfg.Kafka.Prefix
	c.CompressionLive, c.CompressionBulk = cfg.Ingress.Compression.Live, cfg.Ingress.Compression.Bulk
	c.InFlightBytesMax, c.RecordBytesMax = cfg.Ingress.InFlightBytesMax, int(cfg.Topics.MaxMessageBytes)
	return c
}

func spoolOf(cfg *config.Config) handover.Config {
	from, c := cfg.Ingress.Spool, handover.DefaultConfig()
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
			return c, fmt.Errorf("%w (the host has no name: %w)", invalid.Value("processor.instance_id", "", "a name that is stable and unique in the group"), err)
		}
		c.InstanceID, _, _ = strings.Cut(host, ".")
	}
	c.SessionTimeout, c.RebalanceTimeout, c.TransactionTimeout = from.SessionTimeout, from.RebalanceTimeout, from.TransactionTimeout
	c.BulkBytesPerTransaction, c.HeldBytesMax, c.Compression = from.BulkBytesMax, from.HeldBytesMax, from.Compression
	c.Deferred = deferred.Limits{BodyBytesMax: from.LiveBodyBytesMax, BusinessBytesMax: from.BusinessBytesMax, RecordsMax: from.DeferredRecordsMax}
	c.EventBytesMax, c.Partition.EventBytesMax = int32(from.EventBytesMax), int(from.EventBytesMax)
	c.RecordBytesMax = int32(cfg.Topics.MaxMessageBytes)
	c.BufferedBytesMax = max(c.BufferedBytesMax, int(c.RecordBytesMax))
	c.DepthMax = from.DepthMax
	c.Decode = contentcoding.Limits{BytesMax: int(from.BodyBytesMax), RatioMax: cfg.Ingress.DecodedRatioMax}
	c.Partition.DedupWindow, c.Partition.ReplayTimeout = from.DedupWindow, from.ReplayTimeout
	c.UnknownState = from.UnknownState
	c.Partition.Media.Hold = from.Media.Hold
	c.Partition.History.GapTimeout, c.Partition.History.PhaseHold = from.History.GapTimeout, from.History.PhaseHold
	c.Partition.History.SilentAfter, c.Partition.History.StalledAfter = from.History.SilentAfter, from.History.StalledAfter
	c.Partition.History.DeadlineNear = from.History.DeadlineNear
	c.Partition.History.QuietTime, c.Partition.History.Ceiling = from.History.QuietTime, from.History.Ceiling
	return c, nil
}
