package app

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/kafka"
)

func (a *app) topicsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "Create, verify and describe the topics",
		Example: `  coexstream topics create --brokers kafka:9092
  coexstream topics verify --brokers kafka:9092
  coexstream topics describe --brokers kafka:9092`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.topicsCreateCommand(), a.topicsVerifyCommand(), a.topicsDescribeCommand())
	return cmd
}

// withAdmin runs fn with a connection to the cluster and the configured layout.
func (a *app) withAdmin(cmd *cobra.Command, fn func(context.Context, *kafka.Admin, kafka.Layout) error) error {
	cfg, _, err := a.loadBeside(cmd)
	if err != nil {
		return err
	}
	admin, err := adminOf(cfg, a.logger(cfg))
	if err != nil {
		return err
	}
	defer admin.Close()
	return fn(cmd.Context(), admin, layoutOf(cfg))
}

func adminOf(cfg *config.Config, log *slog.Logger) (*kafka.Admin, error) {
	conn, err := connectionOf(cfg, log)
	if err != nil {
		return nil, err
	}
	return kafka.NewAdmin(conn)
}

func layoutFlags(cmd *cobra.Command) {
	bind(cmd.Flags(), "partitions", "kafka.partitions", "partitions of every topic")
	bind(cmd.Flags(), "replication-factor", "kafka.replication_factor", "replicas of every partition")
}

func (a *app) topicsCreateCommand() *cobra.Command {
	update := false
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create missing topics",
		Long: `Create missing topics, and the log of the desk. Existing topics stay unchanged, so the command can run again. With --update, existing
topics get the configured settings. The number of partitions is never changed, because that would break the order
of each business.`,
		Example: `  coexstream topics create --brokers kafka:9092 --partitions 24
  coexstream topics create --update --set topics.raw.retention=30d`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAdmin(cmd, func(ctx context.Context, admin *kafka.Admin, layout kafka.Layout) error {
				created, err := admin.Create(ctx, layout)
				if err != nil {
					return err
				}
				desk, err := admin.CreateDesk(ctx, layout)
				if err != nil {
					return err
				}
				out := cmd.OutOrStdout()
				for _, c := range append(created, desk) {
					state := "exists"
					if c.New {
						state = "created"
					}
					sayf(out, "%-8s %s\n", state, c.Name)
				}
				if !update {
					return nil
				}
				changed, err := admin.Apply(ctx, layout)
				for _, d := range changed {
					sayf(out, "changed  %s: %s from %s to %s\n", d.Topic, d.What, d.Have, d.Want)
				}
				return err
			})
		},
	}
	layoutFlags(cmd)
	cmd.Flags().BoolVar(&update, "update", false, "change the settings of existing topics as well")
	return cmd
}

func (a *app) topicsVerifyCommand() *cobra.Command {
	format := "text"
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the topics with the configuration; exit code 3 for differences",
		Example: `  coexstream topics verify --brokers kafka:9092
  coexstream topics verify --output json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(format, "text", "json"); err != nil {
				return err
			}
			return a.withAdmin(cmd, func(ctx context.Context, admin *kafka.Admin, layout kafka.Layout) error {
				diffs, err := admin.Verify(ctx, layout)
				if err != nil {
					return err
				}
				out := cmd.OutOrStdout()
				if format == "json" {
					if diffs == nil {
						diffs = []kafka.Difference{}
					}
					if err := writeJSON(out, diffs); err != nil {
						return err
					}
				} else {
					for _, d := range diffs {
						sayf(out, "%s%s\n", d, inSegments(d))
					}
					sayf(out, "%s compared, %s\n", counted(len(layout.Specs()), "topic"), counted(len(diffs), "difference"))
				}
				if len(diffs) > 0 {
					return errFaults
				}
				return nil
			})
		},
	}
	layoutFlags(cmd)
	cmd.Flags().StringVarP(&format, "output", "o", format, "text or json")
	return cmd
}

// inSegments explains a lower limit of a record.
func inSegments(d kafka.Difference) string {
	have, err := strconv.ParseInt(d.Have, 10, 64)
	want, _ := strconv.ParseInt(d.Want, 10, 64)
	if d.What != "max.message.bytes" || err != nil || have >= want {
		return ""
	}
	return " (longer bodies travel in segments; where the cluster allows no more, set topics.max_message_bytes to it)"
}

func (a *app) topicsDescribeCommand() *cobra.Command {
	format, wide := "text", false
	cmd := &cobra.Command{
		Use:   "describe",
		Short: "Show sizes, offsets and configuration of the topics",
		Example: `  coexstream topics describe
  coexstream topics describe --partitions-shown
  coexstream topics describe --output json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(format, "text", "json"); err != nil {
				return err
			}
			return a.withAdmin(cmd, func(ctx context.Context, admin *kafka.Admin, layout kafka.Layout) error {
				states, err := admin.Describe(ctx, layout)
				if err != nil {
					return err
				}
				if format == "json" {
					return writeJSON(cmd.OutOrStdout(), states)
				}
				return describeTopics(cmd.OutOrStdout(), states, wide)
			})
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", format, "text or json")
	cmd.Flags().BoolVar(&wide, "partitions-shown", false, "add a line for each partition")
	return cmd
}

func describeTopics(out io.Writer, states []kafka.TopicState, wide bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	sayf(w, "TOPIC\tPARTITIONS\tOFFSETS\tBYTES\tCLEANUP\tKEPT\n")
	for _, t := range states {
		if !t.Exists {
			sayf(w, "%s\tmissing\t\t\t\t\n", t.Name)
			continue
		}
		kept := t.Config["retention.ms"]
		if t.Config["cleanup.policy"] == "compact" {
			kept = t.Config["delete.retention.ms"]
		}
		sayf(w, "%s\t%d\t%d\t%d\t%s\t%s\n", t.Name, len(t.Partitions), t.Records, t.Bytes, t.Config["cleanup.policy"], inDays(kept))
		if !wide {
			continue
		}
		for _, p := range t.Partitions {
			sayf(w, "  /%d\tleader %d, %d/%d in sync\t%d to %d\t%d\t\t\n", p.ID, p.Leader, p.InSync, p.Replicas, p.Start, p.End, p.Bytes)
		}
	}
	return w.Flush()
}

// inDays formats a configuration in milliseconds as a duration.
func inDays(ms string) string {
	d, err := config.ParseDuration(ms + "ms")
	if err != nil {
		return ms
	}
	return config.FormatDuration(d)
}

func writeJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
