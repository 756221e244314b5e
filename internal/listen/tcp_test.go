package listen

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

func TestPortIsTakenOverFromOneWhoLeaves(t *testing.T) {
	first, err := TCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		l, err := TCP(t.Context(), first.Addr().String())
		if err == nil {
			err = l.Close()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("two listeners on one port, or no patience: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
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
