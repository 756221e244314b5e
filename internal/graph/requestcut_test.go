package graph

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// cutter accepts connections, reads some bytes of each, and ends it: with a reset, or in order.
type cutter struct {
	net.Listener
	read  int // bytes; negative: up to the end of the request
	reset bool
	seen  chan []byte // of each connection
}

func newCutter(t *testing.T, read int, reset bool) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{l, read, reset, make(chan []byte, 16)}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(conn)
		}
	}()
	return c
}

func (c *cutter) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	var got []byte
	for b := make([]byte, 1); len(got) != c.read && (c.read >= 0 || !bytes.HasSuffix(got, []byte("}"))); {
		if _, err := io.ReadFull(conn, b); err != nil {
			break
		}
		got = append(got, b[0])
	}
	if tcp, ok := conn.(*net.TCPConn); ok && c.reset {
		_ = tcp.SetLinger(0)
	}
	c.seen <- got
}

// TestARequestCutAtAnyByteIsUnknownAndNothingIsRepeated lets the server end the connection after each byte of the request. The provider may
// have accepted any of them: the end of a connection does not say how much was read.
func TestARequestCutAtAnyByteIsUnknownAndNothingIsRepeated(t *testing.T) {
	t.Parallel()
	whole := newCutter(t, -1, false)
	if o := newClient(t, "meta", "http://"+whole.Addr().String()).Sync(t.Context(), token(t), "77", "history"); o.Kind != Unknown {
		t.Fatalf("without an answer: %v (%s)", o.Kind, o.Message)
	}
	request := <-whole.seen
	if !bytes.HasPrefix(request, []byte("POST /77/smb_app_data HTTP/1.1\r\n")) || !bytes.HasSuffix(request, []byte("}")) {
		t.Fatalf("%q", request)
	}
	for cut := range len(request) + 1 { // a reset before the first byte can end the dial, which is certainly not sent
		c := newCutter(t, cut, cut%2 == 0 && cut > 0)
		o := newClient(t, "meta", "http://"+c.Addr().String()).Sync(t.Context(), token(t), "77", "history")
		if o.Kind != Unknown || strings.Contains(o.Message, testToken[:8]) {
			t.Errorf("cut at %d of %d: %v (%s), want unknown", cut, len(request), o.Kind, o.Message)
		}
		<-c.seen
		if n := len(c.seen); n != 0 {
			t.Errorf("cut at %d: %d more connections", cut, n)
		}
		_ = c.Close()
	}
}
