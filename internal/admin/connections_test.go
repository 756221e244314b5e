package admin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestConnectionsOfStrangersMakeRoomForProbes: probes and scrapes are answered beside any connections of strangers, and
// the connections stay within their limit.
func TestConnectionsOfStrangersMakeRoomForProbes(t *testing.T) {
	const most = 16
	for name, held := range map[string]string{
		"silent":                  "",
		"within the request line": "GET /rea",
		"within the headers":      "GET /readyz HTTP/1.1\r\nHost: localhost\r\nX: ",
		"idle after a request":    "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"that read no answer":     strings.Repeat("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 2000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deps := quietDeps(&Health{})
			s, err := Listen(t.Context(), "127.0.0.1:0", most, Access{}, deps)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			for i := range 3 * most {
				c, err := net.Dial("tcp", s.Addr())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				go func() { _, _ = io.WriteString(c, held) }() // until the answers fill the line
				if i%most != 0 {
					continue
				}
				for _, path := range []string{"/livez", "/metrics"} {
					if status, _ := get(t, "http://"+s.Addr()+path); status != http.StatusOK {
						t.Errorf("%s after %d connections: %d", path, i+1, status)
					}
				}
			}
			for deadline := time.Now().Add(time.Minute); closedConnections(t, s.Addr()) < 2*most; { // they are accepted one after the other
				if time.Now().After(deadline) {
					t.Fatalf("fewer than %d connections were closed", 2*most)
				}
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// closedConnections is the value of the metric.
func closedConnections(t *testing.T, addr string) float64 {
	t.Helper()
	_, text := get(t, "http://"+addr+"/metrics")
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "coexstream_admin_connections_closed_total "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("coexstream_admin_connections_closed_total is not exposed")
	return 0
}

// pipes is a listener within the process, for the clock of synctest.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	close(l.closed)
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// TestSlowConnectionsEndInTheirTime has the time that a connection gets for each part of a request.
func TestSlowConnectionsEndInTheirTime(t *testing.T) {
	const probe, metrics = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for name, c := range map[string]struct {
		sends string
		reads bool
		ends  time.Duration
	}{
		"silent":        {"", true, 5 * time.Second},
		"slow headers":  {"GET /livez HTTP/1.1\r\nHost", true, 5 * time.Second},
		"idle":          {probe, true, 2 * time.Minute},
		"reads nothing": {metrics, false, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &pipes{make(chan net.Conn), make(chan struct{})}
				s, err := newServer(l, 8, Access{}, quietDeps(&Health{}))
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- s.Run(ctx) }()
				ours, theirs := net.Pipe()
				l.conns <- theirs
				began := time.Now()
				if _, err := io.WriteString(ours, c.sends); err != nil {
					t.Fatal(err)
				}
				if c.reads {
					_, err = io.Copy(io.Discard, ours)
				} else {
					time.Sleep(c.ends + time.Second) // on the clock of the bubble
					_, err = ours.Write([]byte("x"))
				}
				took := time.Since(began)
				if c.reads && (err != nil || took < c.ends || took > c.ends+time.Second) || !c.reads && !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("ended after %s with %v, want %s", took, err, c.ends)
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
