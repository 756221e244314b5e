// Package bare is the floor: a fasthttp server that reads a POST and answers, with or without verifying its
// signature. It keeps nothing.
package bare

import (
	"context"
	"net"

	"github.com/coexstream/coexstream/bench/peers"
)

// Serve serves until ctx ends.
func Serve(ctx context.Context, ln net.Listener, cfg peers.Config) error {
	return peers.ServeFastHTTP(ctx, ln, cfg, nil)
}
