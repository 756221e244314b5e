package app

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/postgres"
)

func (a *app) postgresRebuildCommand() *cobra.Command {
	var keep, dryRun bool
	cmd := &cobra.Command{
		Use:   "rebuild",
		Short: "Fill the tables again from the topics",
		Long: `Read all topics into a second schema, SCHEMA_rebuild, while the instances continue. Then replace the rows that differ,
in one transaction. Readers see the former rows until its end, and the instances wait. Rights, views and indexes stay.
Rows whose events retention has removed from the topics are removed. --dry-run shows how many rows would change, and
leaves the tables as they are.

--keep keeps all rows. The instances then read the topics from the beginning over the rows that are there. Both ways
release blocked partitions within seconds. An interrupted rebuild continues when you run it again. Only one can run at a
time. It needs tables of this version ('sink postgres migrate'), and a role that may create schemas and owns this one.`,
		Example: `  coexstream sink postgres rebuild --dry-run
  coexstream sink postgres rebuild
  coexstream sink postgres rebuild --keep`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if keep && dryRun {
				return usagef("--keep and --dry-run exclude each other: --keep changes no row by itself")
			}
			cfg, _, err := a.loadBeside(cmd)
			if err != nil {
				return err
			}
			if err := haveURL(cfg); err != nil {
				return err
			}
			url, schema := cfg.Sink.Postgres.URL, cfg.Sink.Postgres.Schema
			if keep {
				if err := postgres.ReadAgain(cmd.Context(), url, schema); err != nil {
					return err
				}
				sayf(cmd.OutOrStdout(), "the instances read the topics from the beginning\n")
				return nil
			}
			shadow, err := postgres.OpenShadow(cmd.Context(), url, schema)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, shadow.Close(cmd.Context())) }()
			if err := a.fillShadow(cmd, cfg, shadow.Name()); err != nil {
				return err
			}
			finish := shadow.Replace
			if dryRun {
				finish = shadow.Compare
			}
			changed, err := finish(cmd.Context())
			if err != nil {
				return err
			}
			return showChanged(cmd, changed, dryRun)
		},
	}
	bindPostgres(cmd)
	cmd.Flags().BoolVar(&keep, "keep", false, "keep all rows, and read the topics over them")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show how many rows would change, and change none")
	return cmd
}

func showChanged(cmd *cobra.Command, changed []postgres.Changed, dryRun bool) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	sayf(w, "TABLE\tROWS\tREMOVED\tADDED\tUPDATED\n")
	for _, c := range changed {
		sayf(w, "%s\t%d\t%d\t%d\t%d\n", c.Table, c.Rows, c.Removed, c.Added, c.Updated)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if dryRun {
		sayf(cmd.OutOrStdout(), "nothing was changed (--dry-run)\n")
	}
	return nil
}

// fillShadow reads all topics into the second schema.
func (a *app) fillShadow(cmd *cobra.Command, cfg *config.Config, shadow string) (err error) {
	ctx, p := cmd.Context(), cfg.Sink.Postgres
	conn, err := connectionOf(cfg, a.logger(cfg))
	if err != nil {
		return err
	}
	log, err := sinks.NewKafkaLog(conn, cfg.Kafka.Prefix)
	if err != nil {
		return err
	}
	defer log.Close()
	store, err := postgres.Open(ctx, postgres.Config{URL: func() string { return p.URL }, Schema: shadow, ConnectionsMax: p.ConnectionsMax, Timeout: p.Timeout})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	c := postgresOf(cfg)
	c.Name = "postgres-rebuild"
	sink, err := sinks.New(c, sinks.Deps{Log: log, Target: store, Registerer: prometheus.NewRegistry(), Logger: a.logger(cfg), Now: time.Now})
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- sink.Run(running) }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	said := time.Now()
	for !sink.CaughtUp() {
		for _, why := range sink.Blocked() {
			cancel()
			return errors.Join(fmt.Errorf("the second schema cannot be filled: %w; drop the schema %s and run this again", why, shadow), <-ended)
		}
		if time.Since(said) > 5*time.Second {
			said = time.Now()
			live, _ := sink.Lag("live")
			backlog, _ := sink.Lag("backlog")
			sayf(cmd.ErrOrStderr(), "%d records to go\n", live+backlog)
		}
		select {
		case err := <-ended:
			return errors.Join(err, ctx.Err())
		case <-tick.C:
		}
	}
	cancel()
	return <-ended
}
