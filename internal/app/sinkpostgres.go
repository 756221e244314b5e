package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/postgres"
)

func (a *app) sinkPostgresCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "postgres",
		Short: "Keep the events in PostgreSQL tables",
		Long: `Read the event topics and write the tables of a PostgreSQL schema: messages, chats, contacts, syncs. Rows and
positions are one transaction, so a restart neither loses nor repeats anything. Instances with the same
sink.postgres.group_id share the partitions. Each process of a machine needs its own admin address.

'sink postgres migrate' creates the tables. Until then, and while the database is away, the process waits and reports it
on /readyz.`,
		Example: `  coexstream sink postgres migrate
  coexstream sink postgres --brokers kafka:9092
  coexstream sink postgres status`,
		Args: none,
		RunE: a.runSinkPostgres,
	}
	bindPostgres(cmd)
	bind(cmd.Flags(), "group-id", "sink.postgres.group_id", "consumer group")
	bind(cmd.Flags(), "admin-listen", "admin.listen", "address of the admin listener")
	cmd.AddCommand(a.postgresMigrateCommand(), a.postgresStatusCommand(), a.postgresRebuildCommand(), a.postgresEraseCommand())
	return cmd
}

// bindPostgres adds the flags that locate the tables.
func bindPostgres(cmd *cobra.Command) {
	bind(cmd.Flags(), "url-file", "sink.postgres.url_file", "file with the URL of the database")
	bind(cmd.Flags(), "schema", "sink.postgres.schema", "schema of the tables")
}

func postgresOf(cfg *config.Config) sinks.Config {
	c := sinks.DefaultConfig()
	c.Name, c.Rebuild, c.RecordsMax = "postgres", "coexstream sink postgres rebuild", cfg.Sink.Postgres.RecordsMax
	c.BacklogMax = max(1, cfg.Sink.Postgres.ConnectionsMax-1)
	c.ContactTombstones, c.SyncTombstones = cfg.Topics.Contacts.TombstoneRetention, cfg.Topics.State.TombstoneRetention
	return c
}

// haveURL returns an error that names the missing key.
func haveURL(cfg *config.Config) error {
	if cfg.Sink.Postgres.URL == "" {
		return usagef("sink.postgres.url: no database is given; set the key, COEXSTREAM_SINK_POSTGRES_URL, or --url-file")
	}
	return nil
}

func (a *app) runSinkPostgres(cmd *cobra.Command, _ []string) error {
	cfg, _, err := a.loadBeside(cmd)
	if err != nil {
		return err
	}
	if err := haveURL(cfg); err != nil {
		return err
	}
	a.collectEarly()
	s, err := newService(cmd.Context(), cfg, a.logger(cfg))
	if err != nil {
		return err
	}
	return s.run(cmd.Context(), func(ctx context.Context) error {
		conn, err := connect(cfg, s.watcher, s.log)
		if err != nil {
			return err
		}
		return s.startSinkPostgres(ctx, conn)
	})
}

func (s *service) startSinkPostgres(ctx context.Context, conn kafka.Connection) error {
	p, url := s.cfg.Sink.Postgres, &secret{}
	if err := url.watch(s.watcher, "sink.postgres.url", p.URL, p.URLFile); err != nil {
		return err
	}
	store, err := postgres.Open(context.WithoutCancel(ctx), postgres.Config{URL: url.get, Schema: p.Schema, ConnectionsMax: p.ConnectionsMax, Timeout: p.Timeout})
	if err != nil {
		return fmt.Errorf("%w: sink.postgres: %w", config.ErrInvalid, err)
	}
	group, err := sinks.NewGroup(conn, s.cfg.Kafka.Prefix, sinks.GroupConfig{ID: p.GroupID, SessionTimeout: p.SessionTimeout, Now: time.Now})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	log, err := sinks.NewKafkaLog(conn, s.cfg.Kafka.Prefix)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	sink, err := sinks.New(postgresOf(s.cfg), sinks.Deps{Log: log, Target: store, Assignment: group, Registerer: s.metrics, Logger: s.log, Now: time.Now})
	if err != nil {
		log.Close()
		return errors.Join(err, store.Close())
	}
	s.health.Add("sink postgres", sink.Ready)
	s.parts.start("sink postgres", func(ctx context.Context) error {
		defer log.Close()
		return errors.Join(sink.Run(ctx), store.Close())
	})
	return nil
}

func (a *app) postgresMigrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Create the schema and its tables, or bring them to this version",
		Long: `Create the schema and its tables, or bring them to the version of this program. Migrations only add, so instances of
an older version continue meanwhile. Run it before you start a new version. It needs a role that owns the schema.`,
		Example: `  coexstream sink postgres migrate
  coexstream sink postgres migrate --url-file ./owner-url`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd, nil)
			if err != nil {
				return err
			}
			if err := haveURL(cfg); err != nil {
				return err
			}
			done, err := postgres.Migrate(cmd.Context(), cfg.Sink.Postgres.URL, cfg.Sink.Postgres.Schema)
			if err != nil {
				return err
			}
			for _, step := range done.Steps {
				sayf(cmd.OutOrStdout(), "applied %s\n", step)
			}
			sayf(cmd.OutOrStdout(), "schema %s has version %d\n", cfg.Sink.Postgres.Schema, done.To)
			return nil
		},
	}
	bindPostgres(cmd)
	return cmd
}

func (a *app) postgresStatusCommand() *cobra.Command {
	output := "text"
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show positions, lag, and records that could not be applied",
		Example: `  coexstream sink postgres status
  coexstream sink postgres status --output json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			cfg, _, err := a.loadBeside(cmd)
			if err != nil {
				return err
			}
			if err := haveURL(cfg); err != nil {
				return err
			}
			in, version, err := postgres.Inspect(cmd.Context(), cfg.Sink.Postgres.URL, cfg.Sink.Postgres.Schema, lettersShown)
			if err != nil {
				return err
			}
			s := newSinkStatus(in)
			s.Schema, s.Version = cfg.Sink.Postgres.Schema, version
			return s.tell(cmd, cfg, a.logger(cfg), output)
		},
	}
	bindPostgres(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", output, "text or json")
	return cmd
}
