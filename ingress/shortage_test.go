package ingress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress/rawtest"
)

// failingListener fails as accept does when a process has too many open files, or a network is down.
type failingListener struct {
	net.Listener
	err      error
	failures atomic.Int64 // still to come
	failed   chan struct{}
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		select {
		case l.failed <- struct{}{}:
		default:
		}
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", l.err)}
	}
	return l.Listener.Accept()
}

// TestTooManyOpenFilesEndNoServer: connections that cannot be accepted wait. Idle ones of strangers make room for them.
func TestTooManyOpenFilesEndNoServer(t *testing.T) {
	for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		t.Run(err.Error(), func(t *testing.T) { servesAfter(t, err, true) })
	}
}

// TestFailedConnectionsEndNoServer: an error of a connection or a network ends only the connection, and nobody makes room.
func TestFailedConnectionsEndNoServer(t *testing.T) {
	for _, err := range []error{syscall.EPROTO, syscall.ENETDOWN, syscall.EHOSTUNREACH, syscall.EPERM, syscall.ECONNABORTED, syscall.EOPNOTSUPP} {
		t.Run(err.Error(), func(t *testing.T) { servesAfter(t, err, false) })
	}
}

// servesAfter sends a webhook before and after three failures of accept, and looks at an idle connection and at the metric.
func servesAfter(t *testing.T, failure error, makesRoom bool) {
	reg := prometheus.NewRegistry()
	s, err := New(testConfig(), &rawtest.Memory{}, Deps{Registerer: reg, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s.open.grace = 0
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &failingListener{Listener: tcp, err: failure, failed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	body := rawtest.Message(1)
	url := "http://" + tcp.Addr().String() + "/meta"
	post := func() int {
		return do(t, http.MethodPost, url, bytes.NewReader(body), "X-Hub-Signature-256", "sha256="+sign(testSecret, body)).code
	}
	idle := dialFrom(t, 9, tcp.Addr().String())
	idle.send("POST /meta HT")
	if code := post(); code != http.StatusOK {
		t.Fatalf("before: %d", code)
	}
	ln.failures.Store(3)
	if code := post(); code != http.StatusOK { // the accept that waits takes one more
		t.Errorf("the last connection before the failures: %d", code)
	}
	<-ln.failed
	if code := post(); code != http.StatusOK {
		t.Errorf("after the failures: %d", code)
	}
	if makesRoom { // the server may have read nothing of it
		if _, err := io.ReadAll(idle.Conn); err != nil && !closedByPeer(err) {
			t.Errorf("the idle connection of a stranger was not closed for room: %v", err)
		}
	} else if err := idle.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	} else if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the idle connection was closed, and nobody needs its room: %v", err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "coexstream_ingress_accept_failures_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	want := map[string]float64{"shortage": 3, "other": 0}
	if !makesRoom {
		want = map[string]float64{"shortage": 0, "other": 3}
	}
	if !maps.Equal(got, want) {
		t.Errorf("coexstream_ingress_accept_failures_total: %v, want %v", got, want)
	}
	_ = idle.Close()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
