package listen

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
)

// echo answers every connection of l with what it says, until l is closed.
func echo(l net.Listener) (ended chan error) {
	ended = make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return ended
}

func TestReachedWithAndWithoutASocket(t *testing.T) {
	socket, err := TCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := WithInProcess(socket)
	ended := echo(l)
	for name, dial := range map[string]func() (net.Conn, error){
		"memory": func() (net.Conn, error) { return l.Dial(t.Context()) },
		"socket": func() (net.Conn, error) { return new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String()) },
	} {
		c, err := dial()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if isSocket := c.RemoteAddr().Network() == "tcp"; isSocket != (name == "socket") {
			t.Errorf("%s: connected over %s", name, c.RemoteAddr().Network())
		}
		said, heard := []byte("hello"), make([]byte, 5)
		go func() { _, _ = c.Write(said) }()
		if _, err := io.ReadFull(c, heard); err != nil || string(heard) != "hello" {
			t.Errorf("%s: heard %q, %v", name, heard, err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepting ended with %v", err)
	}
	if _, err := l.Dial(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener was reached: %v", err)
	}
}

func TestDialGivesUpWithItsContext(t *testing.T) {
	socket, err := TCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := WithInProcess(socket)
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody accepts, and Dial says %v", err)
	}
}
