package app

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/invalid"
)

func (a *app) ingressCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ingress",
		Short: "Receive webhooks over HTTP and write them to Kafka",
		Long: `Receive webhooks over HTTP, verify them, and write their exact bytes to raw.live and raw.bulk. The response is 200
when Kafka has acknowledged the webhook. While Kafka is slow or down, the disk spool takes its place. Otherwise
the response is 503 with Retry-After. Any number of instances can run, each with its own spool
(ingress.spool.dir). The key ingress.sources configures the sources.`,
		Example: `  coexstream ingress --config coexstream.yaml --brokers kafka:9092`,
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := a.loadBeside(cmd)
			if err != nil {
				return err
			}
			if len(cfg.Ingress.Sources) == 0 {
				return fmt.Errorf("%w: %w", config.ErrInvalid, invalid.Value("ingress.sources", cfg.Ingress.Sources, "at least one source"))
			}
			a.collectEarly()
			log := a.logger(cfg)
			cfg.Embedded.ConnectionsMax = 0 // no broker runs here
			fitConnections(cfg, openFilesMax(), log)
			s, err := newService(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			return s.run(cmd.Context(), func(ctx context.Context) error {
				conn, err := connect(cfg, s.watcher, s.log)
				if err != nil {
					return err
				}
				_, err = s.startIngress(ctx, conn)
				return err
			})
		},
	}
	bind(cmd.Flags(), "listen", "ingress.listen", "address of the webhook listener")
	bind(cmd.Flags(), "admin-listen", "admin.listen", "address of the admin listener")
	return cmd
}
