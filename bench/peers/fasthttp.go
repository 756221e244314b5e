package peers

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/valyala/fasthttp"
)

// ServeFastHTTP is ServeHTTP with fasthttp. publish may be nil: then nothing is published. It must not keep the body.
func ServeFastHTTP(ctx context.Context, ln net.Listener, cfg Config, publish func(body []byte) error) error {
	secret := []byte(cfg.Secret)
	server := &fasthttp.Server{
		MaxRequestBodySize: BodyBytesMax,
		Handler: func(r *fasthttp.RequestCtx) {
			if len(secret) > 0 && !Verified(secret, r.PostBody(), r.Request.Header.Peek(SignatureHeader)) {
				r.SetStatusCode(fasthttp.StatusUnauthorized)
				return
			}
			if publish != nil {
				if err := publish(r.PostBody()); err != nil {
					r.Error(err.Error(), fasthttp.StatusServiceUnavailable)
					return
				}
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
