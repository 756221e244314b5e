package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/embedded"
	"github.com/coexstream/coexstream/internal/private"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/sqlite"
)

func (a *app) sinkRebuildCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "rebuild",
		Short: "Fill the tables again from the topics",
		Long: `Beside a running up: read all topics into a second file, FILE.rebuild, while the sink continues. Then replace the rows
that differ, in one transaction. Readers see the former rows until its end, and the sink waits for it. Rows whose events
retention has removed from the topics are removed. --dry-run shows how many rows would change, and leaves the tables as
they are. The disk needs room for a second file. Only one rebuild can run at a time.

While up is stopped: delete the file. The next up fills it from the topics. Use this for a file that is damaged, that
another version wrote, or that has to become smaller.`,
		Example: `  coexstream sink rebuild --dry-run
  coexstream sink rebuild`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd, config.UpDefaults())
			if err != nil {
				return err
			}
			lock, err := embedded.Acquire(cfg.DataDir)
			if errors.Is(err, private.ErrInUse) {
				return a.rebuildBeside(cmd, dryRun)
			}
			if err != nil {
				return err
			}
			defer func() { _ = lock.Release() }()
			if dryRun {
				return usagef("--dry-run needs the topics of a running up")
			}
			return removeReadModel(cmd, cfg)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show how many rows would change, and change none")
	return cmd
}

// removeReadModel deletes the file of an up that is stopped.
func removeReadModel(cmd *cobra.Command, cfg *config.Config) error {
	// The key may name a file of another program, which is not removed.
	file := readModelFile(cfg)
	if _, err := sqlite.Inspect(cmd.Context(), file, 0); errors.Is(err, fs.ErrNotExist) {
		sayf(cmd.OutOrStdout(), "there are no tables at %s\n", file)
		return nil
	} else if err != nil && (errors.Is(err, sqlite.ErrForeign) || cfg.IsSet("sink.sqlite.file")) {
		return fmt.Errorf("%w; nothing was removed", err)
	}
	for _, name := range sqlite.Files(file) {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	sayf(cmd.OutOrStdout(), "removed %s; the next 'coexstream up' fills it again\n", file)
	return nil
}

// rebuildBeside fills the tables again beside a running up.
func (a *app) rebuildBeside(cmd *cobra.Command, dryRun bool) (err error) {
	cfg, _, err := a.loadBeside(cmd)
	if err != nil {
		return err
	}
	file := readModelFile(cfg)
	lock, err := private.Lock(file + ".rebuild.lock")
	if errors.Is(err, private.ErrInUse) {
		return fmt.Errorf("a rebuild of %s runs", file)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // the file stays: removing it would let two processes lock two files of the same name
	shadow, err := sqlite.OpenShadow(cmd.Context(), file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there are no tables at %s; 'coexstream up' makes them (sink.sqlite.enabled)", file)
	}
	if err != nil {
		return fmt.Errorf("%w; if the file is damaged or of another version, stop up and run this again", err)
	}
	defer func() { err = errors.Join(err, shadow.Close()) }()
	if err := closeReadModel(shadow.Name()); err != nil {
		return err
	}
	if room := roomOf(cfg); room != nil {
		shadow.Store().Guard(*room)
	}
	c := readModelOf(cfg)
	c.Name, c.Considerate = "sqlite-rebuild", false
	return a.rebuild(cmd, cfg, c, shadow.Store(), shadow, dryRun)
}

// shadow is the second copy of a target's tables, which a rebuild fills.
type shadow interface {
	Replace(ctx context.Context, finish func(context.Context) error) ([]sinks.Changed, error)
	Compare(ctx context.Context) ([]sinks.Changed, error)
}

// rebuild fills the second copy, and gives the first one its rows.
func (a *app) rebuild(cmd *cobra.Command, cfg *config.Config, c sinks.Config, target sinks.Target, copies shadow, dryRun bool) error {
	ctx := cmd.Context()
	conn, err := connectionOf(cfg, a.logger(cfg))
	if err != nil {
		return err
	}
	log, err := sinks.NewKafkaLog(conn, cfg.Kafka.Prefix)
	if err != nil {
		return err
	}
	defer log.Close()
	sink, err := sinks.New(c, sinks.Deps{Log: log, Target: target, Registerer: prometheus.NewRegistry(), Logger: a.logger(cfg), Now: time.Now})
	if err != nil {
		return err
	}
	filling := sinks.Fill(ctx, sink)
	said := time.Now()
	err = filling.Wait(ctx, func(left int64) {
		if time.Since(said) > 5*time.Second {
			said = time.Now()
			sayf(cmd.ErrOrStderr(), "%d records to go\n", left)
		}
	})
	if err != nil {
		return errors.Join(err, filling.Stop())
	}
	var changed []sinks.Changed
	if dryRun {
		if err = filling.Finish(ctx); err == nil {
			changed, err = copies.Compare(ctx)
		}
	} else {
		changed, err = copies.Replace(ctx, filling.Finish)
	}
	if err := errors.Join(err, filling.Stop()); err != nil {
		return err
	}
	return showChanged(cmd, changed, dryRun)
}

func showChanged(cmd *cobra.Command, changed []sinks.Changed, dryRun bool) error {
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
