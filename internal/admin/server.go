// Package admin is the operators' listener: metrics, liveness, readiness and profiles. It has a port of its own, so that it
// answers while the webhook port is busy, and senders do not reach it.
//
//	/metrics      Prometheus
//	/livez        200 while the process runs
//	/readyz       200 when every part is ready, else 503; JSON with the reason of each part
//	/debug/pprof  profiles
//
// A part of the process can add paths with an access of their own (Mount).
//
// Where access is limited (Access), a bearer token or a client certificate gives full access. Elsewhere the Host must be an
// IP address, localhost or a configured name. Other requests get /livez and /readyz only, because probes send no token and
// load balancers any name. Then /readyz has no reasons, because they name brokers.
package admin

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/coexstream/coexstream/internal/listen"
)

// NewRegistry is a registry with the metrics of the Go runtime and of the process.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return r
}

// Server is the listener.
type Server struct {
	listener net.Listener
	http     *http.Server
	mux      *http.ServeMux
	access   Access
}

const (
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	// answerTimeout is the time of a request from its headers to the end of its answer.
	answerTimeout = 10 * time.Second
	// profileTimeout is that of a profile. net/http/pprof refuses profiles that would exceed it.
	profileTimeout = ProfileMax + 15*time.Second
)

// Deps are the dependencies of a Server.
type Deps struct {
	Metrics *prometheus.Registry
	Health  *Health
	Log     *slog.Logger
}

// Listen opens the port. So a port in use is an error before anything else starts. It keeps at most connectionsMax
// connections: those without a request make room first, see listen.Connections.
func Listen(ctx context.Context, address string, connectionsMax int, access Access, deps Deps) (*Server, error) {
	l, err := listen.TCP(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("open admin.listen %s: %w", address, err)
	}
	s, err := newServer(l, connectionsMax, access, deps)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return s, nil
}

func newServer(l net.Listener, connectionsMax int, access Access, deps Deps) (*Server, error) {
	counts, err := newConnectionCounts(deps.Metrics)
	if err != nil {
		return nil, err
	}
	l = newLimited(l, connectionsMax, counts, deps.Log)
	if access.TLS != nil {
		l = tls.NewListener(l, access.TLS)
	}
	mux := handler(access, deps.Metrics, deps.Health)
	return &Server{
		listener: l, mux: mux, access: access,
		http: &http.Server{
			Handler:           timely(mux),
			ReadHeaderTimeout: headerTimeout,
			MaxHeaderBytes:    16 << 10,
			ReadTimeout:       10 * time.Second, // bodies are small
			WriteTimeout:      profileTimeout,
			IdleTimeout:       idleTimeout,
			ConnState:         stateChanged,
			ErrorLog:          slog.NewLogLogger(deps.Log.Handler(), slog.LevelDebug),
		},
	}, nil
}

// handler answers the paths of the package comment.
func handler(access Access, metrics prometheus.Gatherer, health *Health) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", access.guard(promhttp.HandlerFor(metrics, promhttp.HandlerOpts{})))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, map[string]bool{"live": true}) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		report, status := health.Report(), http.StatusOK
		if !access.allows(r) {
			report = report.WithoutReasons()
		}
		if !report.Ready {
			status = http.StatusServiceUnavailable
		}
		answer(w, status, report)
	})
	for path, profile := range map[string]http.HandlerFunc{
		"/debug/pprof/": bounded(pprof.Index), "/debug/pprof/profile": bounded(pprof.Profile), "/debug/pprof/trace": bounded(pprof.Trace),
		"/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/symbol": pprof.Symbol,
	} {
		mux.Handle(path, access.guard(profile))
	}
	return mux
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the prober went away
}

// Mount adds a handler for a pattern of net/http. It decides itself who has access, and gets up to MountedTimeout for an answer.
func (s *Server) Mount(pattern string, h http.Handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(MountedTimeout)) // fails where writing will, too
		h.ServeHTTP(w, r)
	})
}

// MountedTimeout is the time of an answer of a mounted handler.
const MountedTimeout = time.Minute

// Allows reports whether a request has full access to the listener.
func (s *Server) Allows(r *http.Request) bool { return s.access.allows(r) }

// Addr is the address that the listener has.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close closes a listener that Run was never called for.
func (s *Server) Close() error { return s.listener.Close() }

// Run serves until ctx ends, then lets requests in flight finish for a moment, and returns nil.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve admin on %s: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := s.http.Shutdown(grace); err != nil {
		_ = s.http.Close() // a profile that is being taken is cut off
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve admin on %s: %w", s.Addr(), err)
	}
	return nil
}
