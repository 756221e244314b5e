package admin

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/listen"
)

// connectionCounts are the metrics of the listener's connections.
type connectionCounts struct{ closed, failed prometheus.Counter }

func newConnectionCounts(reg prometheus.Registerer) (connectionCounts, error) {
	c := connectionCounts{
		closed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_admin_connections_closed_total",
			Help: "Connections of the admin listener closed for newer ones, at admin.connections_max.",
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_admin_accept_failures_total",
			Help: "Failed attempts of the admin listener to accept a connection, such as too many open files.",
		}),
	}
	for _, m := range []prometheus.Collector{c.closed, c.failed} {
		if err := reg.Register(m); err != nil {
			return c, fmt.Errorf("register metrics of the admin listener: %w", err)
		}
	}
	return c, nil
}

// limited is a listener with a limited number of open connections.
type limited struct {
	net.Listener
	connections *listen.Connections
}

func newLimited(l net.Listener, connectionsMax int, counts connectionCounts, log *slog.Logger) limited {
	failed := func(err error, _ bool) {
		counts.failed.Inc()
		log.Debug("the admin listener cannot accept connections; trying again", "error", err)
	}
	return limited{listen.Lasting{Listener: l, Failed: failed}, listen.NewConnections(connectionsMax, connectionsMax, counts.closed.Inc)}
}

// Accept implements net.Listener.
func (l limited) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.connections.Enter(c), nil
}

// stateChanged is the hook of net/http. A connection is in use from the headers of a request to the end of the answer.
func stateChanged(c net.Conn, state http.ConnState) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	m, ok := c.(*listen.Connection)
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		m.Use()
	case http.StateIdle:
		m.Wait()
	case http.StateNew, http.StateClosed, http.StateHijacked: // Enter and Close do it
	}
}

// timely limits the time for an answer, also where the client does not read it. Profiles take longer.
func timely(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/debug/pprof") {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout)) // fails where writing will, too
		}
		next.ServeHTTP(w, r)
	})
}
