package ingress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/internal/contentcoding"
)

// Server receives webhooks and hands them to a raw.Durable.
type Server struct {
	cfg     Config
	durable raw.Durable
	log     *slog.Logger
	now     func() time.Time
	metrics *serverMetrics

	sources    map[string]*source // by path
	decoding   contentcoding.Limits
	tooLong    *refusal
	answers    *answers
	ids        *requestIDs
	budget     *budget
	unverified *unverifiedDecoding
	tokens     *tokenLimits
	buffers    buffers
	pool       sync.Pool // *exchange

	http *fasthttp.Server
	open *openConns
	tls  *tls.Config // nil: plain text

	serving  atomic.Bool
	draining atomic.Bool
}

// Deps are the dependencies of a Server.
type Deps struct {
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Now        func() time.Time
	TLS        *tls.Config // nil: plain text
}

// New makes a Server. Serve runs it.
func New(cfg Config, durable raw.Durable, deps Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, durable: durable, log: deps.Logger, now: deps.Now,
		sources:    map[string]*source{},
		decoding:   contentcoding.Limits{BytesMax: cfg.DecodedBytesMax, RatioMax: cfg.RatioMax},
		tooLong:    refuseLength(cfg.BodyBytesMax),
		answers:    newAnswers(cfg.RetryAfter),
		ids:        newRequestIDs(),
		budget:     newBudget(cfg.InFlightBytesMax, roomFor(cfg.BodyBytesMax), int64(cfg.DecodedBytesMax)),
		unverified: newUnverifiedDecoding(),
		tokens:     newTokenLimits(),
		pool:       sync.Pool{New: func() any { return new(exchange) }},
		tls:        deps.TLS,
		open:       newOpenConns(cfg.ReadTimeout, cfg.IdleTimeout, deps.Now()),
	}
	s.answers.add(s.tooLong)
	metrics, err := newServerMetrics(deps.Registerer, cfg.Sources,
		func() float64 { return float64(s.budget.reserved()) },
		func() float64 { return float64(s.open.count()) })
	if err != nil {
		return nil, err
	}
	s.metrics, s.open.late, s.open.evicted = metrics, metrics.late, metrics.evicted
	for i := range cfg.Sources {
		src := &cfg.Sources[i]
		s.sources[src.Path] = newSource(src, metrics.sources[src.Name])
	}
	s.http = &fasthttp.Server{
		Handler:        s.handle,
		ExpectHandler:  s.expect,
		ErrorHandler:   s.broken,
		HeaderReceived: headersRead,
		// Never reached: the listener refuses connections over the limit with an answer.
		Concurrency:                  cfg.ConnectionsMax + 1024,
		ReadBufferSize:               cfg.HeaderBytesMax,
		WriteTimeout:                 cfg.WriteTimeout,
		MaxRequestBodySize:           cfg.BodyBytesMax,
		StreamRequestBody:            true, // bodies are read after their bytes were reserved
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		SecureErrorLogMessage:        true, // no header bytes in the log
		CloseOnShutdown:              true,
		ConnState:                    s.open.changed,
		Logger:                       httpLog{deps.Logger},
	}
	return s, nil
}

// SetCredentials replaces the verify token and the secrets of a source. Requests that are being served keep the former
// ones.
func (s *Server) SetCredentials(name string, token Credential, secrets []Secret) error {
	for _, src := range s.sources {
		if string(src.name) != name {
			continue
		}
		if src.required && len(secrets) == 0 {
			return fmt.Errorf("source %s: %w", name, noSecrets("secrets"))
		}
		if err := errors.Join(validateToken(token), validateSecrets(secrets)); err != nil {
			return fmt.Errorf("source %s: %w", name, err)
		}
		src.credentials.Store(newCredentials(token, secrets))
		return nil
	}
	return fmt.Errorf("set credentials of source %s: there is no such source", name)
}

// Serve serves ln until ctx ends. Then it drains: Ready fails, connections are accepted for DrainDelay more, ln and idle
// connections are closed, and requests in flight are answered. It returns when every connection is closed. Connections
// that are open after DrainTimeout are closed, and Serve returns an error.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	addr := ln.Addr()
	s.serving.Store(true)
	limited := newLimitedListener(ln, s.open, s.cfg.ConnectionsMax, s.answers, s.ids, func() {
		s.metrics.none.answered(fasthttp.StatusServiceUnavailable)
	})
	limited.writeSlack = s.cfg.WriteTimeout / 4
	limited.mostOfClient, limited.tls, limited.metrics, limited.log = s.cfg.PerClientMax, s.tls, s.metrics, s.log
	swept := make(chan struct{})
	var sweeping sync.WaitGroup
	sweeping.Go(func() { s.open.run(s.now, swept) })
	defer func() {
		close(swept)
		sweeping.Wait()
	}()
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(limited) }()
	s.log.Info("taking webhooks", "address", addr.String(), "sources", len(s.sources))

	var err error
	ended := false
	select {
	case err = <-failed:
		ended = true
	case <-ctx.Done():
	}
	s.draining.Store(true)
	if !ended && s.cfg.DrainDelay > 0 {
		select {
		case err = <-failed:
			ended = true
		case <-time.After(s.cfg.DrainDelay):
		}
	}
	drainErr := s.drain()
	if !ended {
		// It is open only when ctx ended before fasthttp began to accept.
		_ = ln.Close()
		err = <-failed
	}
	limited.wait()
	if err != nil {
		return fmt.Errorf("serve %s: %w", addr, err)
	}
	return drainErr
}

// drain closes the listener and waits for the connections.
func (s *Server) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	err := s.http.ShutdownWithContext(ctx)
	if err == nil {
		return nil
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("shut down the listener: %w", err)
	}
	cut := s.open.cut()
	// The handlers return when the Durable does, at the deadlines of their records.
	s.open.wait()
	return fmt.Errorf("%d connections were cut after ingress.drain_timeout of %s", cut, s.cfg.DrainTimeout)
}

// Ready returns nil when webhooks should be sent here, otherwise the reason.
func (s *Server) Ready() error {
	switch {
	case s.draining.Load():
		return errors.New("draining")
	case !s.serving.Load():
		return errors.New("not listening yet")
	}
	return s.durable.Ready()
}

// httpLog logs the formats of fasthttp's messages without their arguments. The arguments quote the request, whose first
// line may contain a verify token.
type httpLog struct{ log *slog.Logger }

// Printf implements fasthttp.Logger.
func (l httpLog) Printf(format string, _ ...any) {
	l.log.Debug("http: " + format)
}
