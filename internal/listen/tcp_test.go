package listen

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// port is a port that another process has for a while.
func port(free time.Time) func() (net.Listener, error) {
	return func() (net.Listener, error) {
		if time.Now().Before(free) {
			return nil, &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
		}
		return &net.TCPListener{}, nil
	}
}

func TestPortIsTakenOverFromOneWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l, err := untilFree(t.Context(), port(began.Add(Patience-100*time.Millisecond)))
		if took := time.Since(began); l == nil || err != nil || took < Patience-100*time.Millisecond || took > Patience {
			t.Errorf("%v, %v after %s", l, err, took)
		}
		began = time.Now()
		l, err = untilFree(t.Context(), port(began.Add(Patience+100*time.Millisecond)))
		if took := time.Since(began); l != nil || !errors.Is(err, syscall.EADDRINUSE) || took != Patience {
			t.Errorf("%v, %v after %s", l, err, took)
		}
	})
}

func TestPortThatStaysTakenIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := TCP(t.Context(), l.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := TCP(ctx, l.Addr().String()); err == nil {
		t.Error("no error when told to stop")
	}
}
