package embedded

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/listen"
)

// visitors opens connections to a broker that accepts at most 16, of which 4 may be silent.
type visitors struct {
	*testing.T
	b *Broker
}

func newVisitors(t *testing.T) visitors {
	cfg := testConfig(t.TempDir(), false)
	cfg.ConnectionsMax = 16
	b, err := Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return visitors{t, b}
}

func (v visitors) connect() net.Conn {
	v.Helper()
	c, err := net.Dial("tcp", v.b.Addr())
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		v.Fatal(err)
	}
	return c
}

// asks sends a request and reads its answer.
func asks(c net.Conn) error {
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

// client is a connection that has sent a request.
func (v visitors) client() net.Conn {
	v.Helper()
	c := v.connect()
	if err := asks(c); err != nil {
		v.Fatal(err)
	}
	return c
}

// ends waits for the end of a connection.
func (v visitors) ends(c net.Conn, name string) {
	v.Helper()
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		v.Errorf("%s stays: %v", name, err)
	}
}

// TestSilentConnectionsAreBoundedAndClientsStay: the oldest connections that say nothing are closed when there are too many.
// One that has sent a request stays, and new clients are served.
func TestSilentConnectionsAreBoundedAndClientsStay(t *testing.T) {
	v := newVisitors(t)
	client, first := v.client(), v.connect()
	var last net.Conn
	for i := range 4 {
		last = v.connect()
		if _, err := last.Write(make([]byte, 1+i)); err != nil { // less than the head of a request
			t.Fatal(err)
		}
	}
	v.ends(first, "the oldest silent connection")
	for name, c := range map[string]net.Conn{"the client that was there": client, "a new client": v.connect()} {
		if err := asks(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConnectionsWithOldRequestsMakeRoomForNewClients: clients that send requests stay, those that only sent one go.
func TestConnectionsWithOldRequestsMakeRoomForNewClients(t *testing.T) {
	v := newVisitors(t)
	client := v.client()
	var idle []net.Conn
	for range 15 {
		idle = append(idle, v.client())
	}
	for i, c := range idle {
		if err := asks(client); err != nil {
			t.Fatalf("the client that sends requests, after %d newcomers: %v", i, err)
		}
		if err := asks(v.connect()); err != nil {
			t.Fatalf("newcomer %d: %v", i, err)
		}
		v.ends(c, "a connection with an old request")
	}
}

// TestStrangersAreThoseWhoDidNotAuthenticate: where there is a password, a request does not make a client.
func TestStrangersAreThoseWhoDidNotAuthenticate(t *testing.T) {
	for name, c := range map[string]struct{ shut, authenticated, stays bool }{
		"no password":                 {false, false, true},
		"password, not authenticated": {true, false, false},
		"password, authenticated":     {true, true, true},
	} {
		ours, theirs := net.Pipe()
		closed := 0
		connections := listen.NewConnections(10, 1, func() { closed++ })
		m := connections.Enter(ours)
		g := newGate(m, requestBytesMax, c.shut)
		g.member = m
		go func() { _, _ = theirs.Write(frame(kmsg.NewPtrApiVersionsRequest(), 3)) }()
		if _, err := g.Read(make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
		for i := 0; c.authenticated && i < scramRounds; i++ {
			g.asked = append(g.asked[:0], requested{int16(kmsg.SASLAuthenticate), 1})
			g.answer([]byte{0, 0, 0, 6, 0, 0, 0, 1, 0, 0})
		}
		other, _ := net.Pipe()
		connections.Enter(other) // only one may wait
		if stays := closed == 0; stays != c.stays {
			t.Errorf("%s: stays %t, want %t", name, stays, c.stays)
		}
		_ = theirs.Close()
	}
}
