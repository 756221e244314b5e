package ingress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
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

func TestWhichErrorsOfAcceptPass(t *testing.T) {
	accept := func(err error) error {
		return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	}
	for err, want := range map[error]bool{
		syscall.EMFILE: true, syscall.ENFILE: true, syscall.ENOMEM: true, syscall.ECONNABORTED: true,
		syscall.EBADF: false, syscall.EINVAL: false,
	} {
		if got := passes(accept(err)); got != want {
			t.Errorf("%v passes: %v, want %v", err, got, want)
		}
	}
	for _, err := range []error{nil, net.ErrClosed, &net.OpError{Op: "accept", Err: net.ErrClosed}, errors.New("x")} {
		if passes(err) {
			t.Errorf("%v passes", err)
		}
	}
}

// crowdedListener fails like accept in a process with too many open files, until there is room.
type crowdedListener struct {
	net.Listener
	failures atomic.Int64 // still to come
	failed   chan struct{}
}

func (l *crowdedListener) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		select {
		case l.failed <- struct{}{}:
		default:
		}
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

// TestTooManyOpenFilesEndNoServer: connections that cannot be accepted wait. Idle ones of strangers make room for them.
func TestTooManyOpenFilesEndNoServer(t *testing.T) {
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
	ln := &crowdedListener{Listener: tcp, failed: make(chan struct{}, 1)}
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
		t.Errorf("the last connection before the shortage: %d", code)
	}
	<-ln.failed
	if code := post(); code != http.StatusOK {
		t.Errorf("after the shortage: %d", code)
	}
	if _, err := io.ReadAll(idle.Conn); err != nil {
		t.Errorf("the idle connection of a stranger was not closed for room: %v", err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if got := f.GetMetric()[0].GetCounter().GetValue(); f.GetName() == "coexstream_ingress_accept_failures_total" && got != 3 {
			t.Errorf("%v failures are counted, want 3", got)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
