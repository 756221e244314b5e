package embedded

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestSilentConnectionsAreBoundedAndClientsStay: the oldest connections that say nothing are closed when there are too many.
// One that has sent a request stays, and new clients are served.
func TestSilentConnectionsAreBoundedAndClientsStay(t *testing.T) {
	b := openWith(t, t.TempDir(), "")
	connect := func() net.Conn {
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	asks := func(c net.Conn) error {
		if _, err := c.Write(frame(kmsg.NewPtrApiVersionsRequest(), 3)); err != nil {
			return err
		}
		var length [4]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return err
		}
		_, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(length[:])))
		return err
	}
	client, first := connect(), connect()
	if err := asks(client); err != nil {
		t.Fatal(err)
	}
	var last net.Conn
	for i := range strangersMax {
		last = connect()
		if _, err := last.Write(make([]byte, i%8)); err != nil { // less than the head of a request
			t.Fatal(err)
		}
	}
	if _, err := first.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the oldest silent connection stays: %v", err)
	}
	if err := last.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := last.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the newest silent connection: %v", err)
	}
	for name, c := range map[string]net.Conn{"the client that was there": client, "a new client": connect()} {
		if err := asks(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStrangersAreThoseWhoDidNotAuthenticate: where there is a password, a request does not make a client.
func TestStrangersAreThoseWhoDidNotAuthenticate(t *testing.T) {
	for _, shut := range []bool{true, false} {
		ours, theirs := net.Pipe()
		var s strangers
		g := newGate(ours, requestBytesMax, shut)
		g.strangers = &s
		s.enter(g)
		go func() { _, _ = theirs.Write(frame(kmsg.NewPtrApiVersionsRequest(), 3)) }()
		if _, err := g.Read(make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
		if stranger := s.all.Len() == 1; stranger != shut {
			t.Errorf("shut %t: a stranger after a request: %t", shut, stranger)
		}
		for range scramRounds {
			g.asked = append(g.asked[:0], requested{int16(kmsg.SASLAuthenticate), 1})
			g.answer([]byte{0, 0, 0, 6, 0, 0, 0, 1, 0, 0})
		}
		if s.all.Len() != 0 {
			t.Errorf("shut %t: a stranger after the authentication", shut)
		}
		s.enter(g)
		_ = g.Close()
		_ = theirs.Close()
		if s.all.Len() != 0 {
			t.Errorf("shut %t: a closed connection counts", shut)
		}
	}
}
