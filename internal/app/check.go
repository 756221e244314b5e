package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/verify"
)

func (a *app) checkCommand() *cobra.Command {
	c := verify.DefaultCheckConfig()
	output := "text"
	var secretFiles []string
	var sinks checkedSinks
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Compare the topics with the ground truth of a simulation; exit code 3 when they differ",
		Long: `Compare all topics with the ground truth of 'coexstream simulate'. Every event must be there once, in the right
order and with the right content. The contacts table must be right. The raw log must have every body with a
200, byte for byte, with a valid signature.

The command waits up to --wait for missing events. It ends when everything is there and the topics are quiet.
--sqlite, --postgres, --receiver and --archive compare the targets of the sinks with the topics as well, with rules of
their own. --receiver judges what 'coexstream simulate receiver' took: nothing lost, nothing out of order, nothing that
the endpoint does not ask for. A repetition is allowed where an answer may have been lost. Each restart of the sink
(--receiver-restarts) allows as many as the in_flight of the endpoint. --archive judges objects, records and bodies.

After an interrupted simulation, the processor may hold chunks whose predecessors were never sent. They count as
held, and the report has the time of their release. Run the command again then.`,
		Example: `  coexstream check
  coexstream check --truth run.jsonl --wait 10m --output json
  coexstream check --secret-file ./app-secret
  coexstream check --sqlite data/read.db --postgres
  coexstream check --receiver receiver --archive file:///var/lib/archive`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			for _, file := range secretFiles {
				var secret string
				if err := secretOf("secret-file", file, &secret); err != nil {
					return err
				}
				c.Secrets = append(c.Secrets, secret)
			}
			cfg, _, err := a.loadBeside(cmd)
			if err != nil {
				return err
			}
			conn, err := connectionOf(cfg, a.logger(cfg))
			if err != nil {
				return err
			}
			c.Connection, c.Brokers, c.Prefix = &conn, cfg.Kafka.Brokers, cfg.Kafka.Prefix
			h := cfg.Processor.History
			c.GapTimeout, c.PhaseHold, c.QuietTime = h.GapTimeout, h.PhaseHold, h.QuietTime
			c.SilentAfter, c.StalledAfter, c.DeadlineNear = h.SilentAfter, h.StalledAfter, h.DeadlineNear
			sources := cfg.Ingress.Sources
			if len(sources) == 0 {
				if sources, err = readSecrets(cfg.DataDir); err != nil {
					return err
				}
			}
			for _, s := range sources {
				for _, secret := range s.Secrets {
					c.Secrets = append(c.Secrets, secret.Value)
				}
			}
			if err := c.Validate(); err != nil {
				return usageError{err}
			}
			if _, err := os.Stat(c.TruthFile); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no ground truth at %s: run 'coexstream simulate' first, or name its file with --truth", c.TruthFile)
			}
			beside, err := sinks.configs(cmd.Context(), cfg, &c, conn)
			if err != nil {
				return err
			}
			return a.check(cmd, c, beside, output)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.TruthFile, "truth", c.TruthFile, "file with the ground truth")
	durationFlag(f, &c.Wait, "wait", "maximum time to wait for missing events, and for a sink that makes no progress")
	durationFlag(f, &c.Settle, "settle", "time for which the topics must be quiet at the end")
	f.StringArrayVar(&c.Secrets, "secret", nil, "temporary app secret for signatures, beside those of the configured sources; repeatable. Other users of this machine can see it in the process list")
	f.StringArrayVar(&secretFiles, "secret-file", nil, "file with such an app secret; repeatable")
	f.IntVar(&c.ValidateEvery, "validate-every", c.ValidateEvery, "validate every n-th event of a type against its JSON Schema; 0: none")
	f.IntVar(&c.SamplesMax, "samples", c.SamplesMax, "maximum faults to show, of each kind in each topic")
	f.StringVar(&sinks.sqlite, "sqlite", "", "compare the tables in this SQLite file with the topics, too")
	f.BoolVar(&sinks.postgres, "postgres", false, "compare the tables in PostgreSQL with the topics, too (sink.postgres.url)")
	bindEndpoints(cmd)
	f.StringVar(&sinks.receiver, "receiver", "", "compare the file of a receiver with the topics, too; a folder: all files in it")
	f.IntVar(&sinks.restarts, "receiver-restarts", 0, "how often a process of the webhook sink was killed, or lost its partitions")
	f.StringVar(&sinks.archive, "archive", "", "compare the archive at this URL with the topics and the ground truth, too")
	f.StringVarP(&output, "output", "o", output, "text or json")
	return cmd
}
