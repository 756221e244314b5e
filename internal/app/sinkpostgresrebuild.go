package app

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

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
			p := cfg.Sink.Postgres
			store, err := postgres.Open(cmd.Context(), postgres.Config{URL: func() string { return url }, Schema: shadow.Name(), ConnectionsMax: p.ConnectionsMax, Timeout: p.Timeout})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, store.Close()) }()
			c := postgresOf(cfg)
			c.Name = "postgres-rebuild"
			if err := a.rebuild(cmd, cfg, c, store, shadow, dryRun); err != nil {
				return fmt.Errorf("%w; if the schema %s cannot be filled, drop it and run this again", err, shadow.Name())
			}
			return nil
		},
	}
	bindPostgres(cmd)
	cmd.Flags().BoolVar(&keep, "keep", false, "keep all rows, and read the topics over them")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show how many rows would change, and change none")
	return cmd
}
