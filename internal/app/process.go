package app

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) processCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "process",
		Short: "Turn raw webhooks into ordered, deduplicated events",
		Long: `Read raw.live and raw.bulk and write the event topics, exactly once, in one transaction after the other.
Instances with the same processor.group_id share the partitions. Give each instance a stable name
(processor.instance_id): it gets its partitions back immediately after a restart. Each process of a machine needs its own
admin address.`,
		Example: `  coexstream process --brokers kafka:9092 --instance-id processor-0
  coexstream process --brokers kafka:9092 --instance-id processor-1 --admin-listen 127.0.0.1:9091`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := a.loadBeside(cmd)
			if err != nil {
				return err
			}
			a.collectEarly()
			s, err := newService(cmd.Context(), cfg, a.logger(cfg))
			if err != nil {
				return err
			}
			return s.run(cmd.Context(), func(context.Context) error {
				conn, err := connect(cfg, s.watcher, s.log)
				if err != nil {
					return err
				}
				return s.startProcessor(conn)
			})
		},
	}
	bind(cmd.Flags(), "group-id", "processor.group_id", "consumer group")
	bind(cmd.Flags(), "instance-id", "processor.instance_id", "stable name of this instance")
	bind(cmd.Flags(), "admin-listen", "admin.listen", "address of the admin listener")
	return cmd
}
