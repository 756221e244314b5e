// Package franzgo is net/http with franz-go's ProduceSync: acks=all and idempotent, as it is by default, and
// without its linger of 10 ms, which would only slow down who waits for an answer.
package franzgo

import (
	"context"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/bench/peers"
)

// Serve serves until ctx ends.
func Serve(ctx context.Context, ln net.Listener, cfg peers.Config) error {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(cfg.Brokers...), kgo.DefaultProduceTopic(cfg.Topic), kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(peers.BodyBytesMax+1<<20), // or bodies of megabytes would be refused
	)
	if err != nil {
		return fmt.Errorf("connect to %v: %w", cfg.Brokers, err)
	}
	defer cl.Close()
	return peers.ServeHTTP(ctx, ln, cfg, func(ctx context.Context, body []byte) error {
		return cl.ProduceSync(ctx, &kgo.Record{Value: body}).FirstErr()
	})
}
