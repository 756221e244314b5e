// Package kafkago is net/http with kafka-go's Writer as its README shows it, and with the one setting that
// durability needs: a zero Writer does not wait for acknowledgements.
package kafkago

import (
	"context"
	"errors"
	"net"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/coexstream/coexstream/bench/peers"
)

// Serve serves until ctx ends. batchTimeout is how long the Writer lets a batch fill; 0 is its default, a
// second.
func Serve(ctx context.Context, ln net.Listener, cfg peers.Config, batchTimeout time.Duration) error {
	w := &kafkago.Writer{
		Addr:         kafkago.TCP(cfg.Brokers...),
		Topic:        cfg.Topic,
		Balancer:     &kafkago.LeastBytes{},
		RequiredAcks: kafkago.RequireAll,
		BatchBytes:   peers.BodyBytesMax + 1<<20, // or bodies of megabytes would be refused
		BatchTimeout: batchTimeout,
	}
	err := peers.ServeHTTP(ctx, ln, cfg, func(ctx context.Context, body []byte) error {
		return w.WriteMessages(ctx, kafkago.Message{Value: body})
	})
	return errors.Join(err, w.Close())
}
