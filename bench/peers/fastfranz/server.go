// Package fastfranz is the yardstick of the ingress's producer: the same HTTP library, and franz-go with one produce
// request in flight for each broker, acks=all and no linger. It is idempotent, or, like the ingress, not.
package fastfranz

import (
	"context"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/bench/peers"
)

// Serve serves until ctx ends.
func Serve(ctx context.Context, ln net.Listener, cfg peers.Config, idempotent bool) error {
	opts := []kgo.Opt{
		kgo.SeedBrokers(cfg.Brokers...), kgo.DefaultProduceTopic(cfg.Topic), kgo.ProducerLinger(0),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.MaxProduceRequestsInflightPerBroker(1),
		kgo.ProducerBatchMaxBytes(peers.BodyBytesMax + 1<<20), // or bodies of megabytes would be refused
	}
	if !idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("connect to %v: %w", cfg.Brokers, err)
	}
	defer cl.Close()
	return peers.ServeFastHTTP(ctx, ln, cfg, func(body []byte) error {
		// The record refers to the body until it is acknowledged or failed, which ProduceSync waits for.
		return cl.ProduceSync(context.WithoutCancel(ctx), &kgo.Record{Value: body}).FirstErr()
	})
}
