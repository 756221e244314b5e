package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

func (a *app) sinkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sink",
		Short: "Keep the events as tables (PostgreSQL, SQLite), the topics as an archive, or send webhooks",
		Long: `A sink writes the events of the topics to tables: messages, chats, contacts, syncs. postgres is the one for
PostgreSQL, with its commands. webhook sends the events to HTTP endpoints. archive keeps the topics as files in a folder
or a bucket. media downloads the media assets of the messages.

status and rebuild are about the SQLite file data/read.db of up. status shows the positions and the records that could
not be applied. rebuild fills the tables again from the topics.`,
		Example: `  coexstream sink postgres --help
  coexstream sink webhook --help
  coexstream sink archive --help
  coexstream sink status
  sqlite3 -readonly data/read.db "SELECT * FROM inbox ORDER BY last_at DESC LIMIT 20"`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(onlySecrets(a.sinkPostgresCommand(), "sink.postgres"), onlySecrets(a.sinkWebhookCommand()), onlySecrets(a.sinkArchiveCommand()),
		onlySecrets(a.sinkMediaCommand(), "sink.media"),
		a.sinkStatusCommand(), a.sinkRebuildCommand())
	return cmd
}

// runSink runs the process of a sink. have names the key without which it has nothing to do.
func (a *app) runSink(cmd *cobra.Command, have func(*config.Config) error, start func(context.Context, *service, kafka.Connection) error) error {
	cfg, _, err := a.loadBeside(cmd)
	if err != nil {
		return err
	}
	if err := have(cfg); err != nil {
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
		return start(ctx, s, conn)
	})
}

func (a *app) sinkStatusCommand() *cobra.Command {
	output := "text"
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show positions, lag, and records that could not be applied",
		Example: `  coexstream sink status
  coexstream sink status --output json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			cfg, _, err := a.loadBeside(cmd)
			if err != nil {
				return err
			}
			s, err := readSinkStatus(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			return s.tell(cmd, cfg, a.logger(cfg), output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "text or json")
	return cmd
}

func readSinkStatus(ctx context.Context, cfg *config.Config) (*sinkStatus, error) {
	file := readModelFile(cfg)
	in, err := sqlite.Inspect(ctx, file, lettersShown)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there are no tables at %s; 'coexstream up' makes them (sink.sqlite.enabled)", file)
	}
	if err != nil {
		return nil, err
	}
	s := newSinkStatus(in)
	s.File = file
	return s, nil
}
