// Package bare is the floor: a fasthttp server that reads a POST and answers, with or without verifying its
// signature. It keeps nothing.
package bare

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/valyala/fasthttp"

	"github.com/coexstream/coexstream/bench/peers"
)

// Serve serves until ctx ends.
func Serve(ctx context.Context, ln net.Listener, cfg peers.Config) error {
	secret := []byte(cfg.Secret)
	server := &fasthttp.Server{
		MaxRequestBodySize: peers.BodyBytesMax,
		Handler: func(r *fasthttp.RequestCtx) {
			if len(secret) > 0 && !peers.Verified(secret, r.PostBody(), r.Request.Header.Peek(peers.SignatureHeader)) {
				r.SetStatusCode(fasthttp.StatusUnauthorized)
				return
			}
			r.SetStatusCode(fasthttp.StatusOK)
		},
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	return errors.Join(ln.Close(), <-served)
}
