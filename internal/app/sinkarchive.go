package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	archivesink "github.com/coexstream/coexstream/sinks/archive"
)

func (a *app) sinkArchiveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "archive",
		Short: "Archive the topics in a folder or a bucket",
		Long: `Write the records of the topics to compressed files in a folder or a bucket (S3, Azure), which outlive the retention of
Kafka. 'replay --from-archive' processes them again. Each record is there once, also after a kill and with several
writers. Instances with the same sink.archive.group_id share the partitions. Each process of a machine needs its own
admin address.`,
		Example: `  coexstream sink archive --url file:///var/lib/archive
  coexstream sink archive --url 's3://bucket?region=eu-central-1' --admin-listen 127.0.0.1:9091
  coexstream sink archive ls
  coexstream sink archive verify`,
		Args: none,
		RunE: a.runSinkArchive,
	}
	bindArchive(cmd)
	bind(cmd.Flags(), "group-id", "sink.archive.group_id", "consumer group")
	bind(cmd.Flags(), "admin-listen", "admin.listen", "address of the admin listener")
	cmd.AddCommand(a.archiveListCommand(), a.archiveVerifyCommand())
	return cmd
}

// bindArchive adds the flag that names the archive.
func bindArchive(cmd *cobra.Command) {
	bind(cmd.Flags(), "url", "sink.archive.url", "folder or bucket of the archive")
}

// openArchive opens the folder or bucket.
func openArchive(ctx context.Context, cfg *config.Config) (archive.Bucket, error) {
	c := cfg.Sink.Archive
	if c.URL == "" {
		return nil, usagef("sink.archive.url: no archive is given; set the key, COEXSTREAM_SINK_ARCHIVE_URL, or --url")
	}
	bucket, err := archive.Open(ctx, c.URL, c.Timeout)
	if err != nil {
		return nil, fmt.Errorf("%w: sink.archive.url: %w", config.ErrInvalid, err)
	}
	return bucket, nil
}

func archiveOf(cfg *config.Config) (archivesink.Config, error) {
	from, c := cfg.Sink.Archive, archivesink.DefaultConfig()
	c.Prefix, c.Rotation, c.ObjectBytesMax, c.Snapshots = cfg.Kafka.Prefix, from.Rotation, from.ObjectBytesMax, from.Snapshots
	topics, err := topicsNamed(from.Topics)
	if err != nil {
		return c, fmt.Errorf("%w: sink.archive.topics: %w", config.ErrInvalid, err)
	}
	if len(topics) > 0 {
		c.Topics = topics
	}
	if c.Parquet, err = parquetTopics(from.Parquet); err != nil {
		return c, fmt.Errorf("%w: sink.archive.parquet: %w", config.ErrInvalid, err)
	}
	return c, nil
}

// parquetTopics are topics by their names. `events` are all that have events.
func parquetTopics(names []string) (topics []schemas.Topic, err error) {
	const all = "events"
	if slices.Contains(names, all) {
		topics = sinks.Topics()
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == all })
	}
	others, err := topicsNamed(names)
	return append(topics, others...), err
}

// topicsNamed are the topics of a list of names without their prefix.
func topicsNamed(names []string) (topics []schemas.Topic, err error) {
	known := make([]string, 0, len(archivesink.Topics()))
	byName := map[string]schemas.Topic{}
	for _, topic := range archivesink.Topics() {
		known = append(known, topic.String())
		byName[topic.String()] = topic
	}
	for _, name := range names {
		topic, ok := byName[name]
		if !ok {
			return nil, invalid.Value("topic", name, "%s", strings.Join(known, ", "))
		}
		topics = append(topics, topic)
	}
	return topics, nil
}

func (a *app) runSinkArchive(cmd *cobra.Command, _ []string) error {
	cfg, _, err := a.loadBeside(cmd)
	if err != nil {
		return err
	}
	bucket, err := openArchive(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	a.collectOften()
	s, err := newService(cmd.Context(), cfg, a.logger(cfg))
	if err != nil {
		return errors.Join(err, bucket.Close())
	}
	return s.run(cmd.Context(), func(context.Context) error {
		conn, err := connect(cfg, s.watcher, s.log)
		if err != nil {
			return errors.Join(err, bucket.Close())
		}
		c := cfg.Sink.Archive
		group, err := sinks.NewGroup(conn, cfg.Kafka.Prefix, sinks.GroupConfig{ID: c.GroupID, SessionTimeout: c.SessionTimeout, Now: time.Now})
		if err != nil {
			return errors.Join(err, bucket.Close())
		}
		return s.startSinkArchive(conn, bucket, group, s.health.Add)
	})
}

// startSinkArchive adds the sink, which closes the bucket. ready registers its readiness. assignment may be nil.
func (s *service) startSinkArchive(conn kafka.Connection, bucket archive.Bucket, assignment sinks.Assignment, ready func(string, func() error)) error {
	c, err := archiveOf(s.cfg)
	if err != nil {
		return errors.Join(err, bucket.Close())
	}
	required, optional := c.Topics, []schemas.Topic(nil)
	if len(s.cfg.Sink.Archive.Topics) == 0 { // all that are there
		required = slices.DeleteFunc(slices.Clone(c.Topics), sinks.Optional)
		optional = []schemas.Topic{schemas.TopicAssets}
	}
	log, err := sinks.NewKafkaLogOf(conn, s.cfg.Kafka.Prefix, required, optional...)
	if err != nil {
		return errors.Join(err, bucket.Close())
	}
	sink, err := archivesink.New(c, archivesink.Deps{Log: log, Bucket: bucket, Assignment: assignment, Registerer: s.metrics, Logger: s.log, Now: time.Now})
	if err != nil {
		log.Close()
		return errors.Join(err, bucket.Close())
	}
	ready("archive", sink.Ready)
	s.parts.start("archive", func(ctx context.Context) error {
		defer log.Close()
		return errors.Join(sink.Run(ctx), bucket.Close())
	})
	return nil
}

// startArchive adds the archive of `up`, where it is enabled. Its errors are logged and stop no other part: webhooks are taken also while
// the archive's disk is not mounted.
func (s *service) startArchive(ctx context.Context, conn kafka.Connection) error {
	if !s.cfg.Sink.Archive.Enabled {
		return nil
	}
	bucket, err := openArchive(ctx, s.cfg)
	if err != nil {
		s.log.Error("nothing is archived", "error", err)
		s.health.AddOptional("archive", func() error { return err })
		return nil //nolint:nilerr // logged; up continues without it
	}
	return s.startSinkArchive(conn, bucket, nil, s.health.AddOptional)
}
