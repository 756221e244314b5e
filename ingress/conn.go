package ingress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// conn is a connection of the server.
type conn struct {
	net.Conn

	// secure is Conn where it speaks TLS, until the handshake is done. It is done by the first Read, so that
	// nobody else waits for it, and in the time that a request has.
	secure    *tls.Conn
	clientCN  string      // of a client certificate that was verified; set by the handshake
	handshake func(error) // told when a handshake fails

	client netip.Prefix // the client's address, as it is counted

	unread     prometheus.Counter // counts, once, when an answer cannot be written in time, because nobody reads it
	stuck      bool               // it was counted; of its own goroutine
	writeBy    time.Time          // the write deadline that is set; of its own goroutine
	writeSlack time.Duration      // how much earlier than asked for it may be

	mu    sync.Mutex
	phase phase
	since int64 // when the phase began, in nanoseconds
	cut   bool  // its time is over: every read fails
}

// phase is what a connection is waiting for.
type phase uint8

const (
	phaseReading phase = iota // for the rest of a request; at first, for its beginning
	phaseServing              // for the log
	phaseIdle                 // for the next request
)

// enter begins a phase.
func (c *conn) enter(p phase, now int64) {
	c.mu.Lock()
	c.phase, c.since = p, now
	if c.cut {
		c.cut = false
		_ = c.Conn.SetReadDeadline(time.Time{}) // it came just in time
	}
	c.mu.Unlock()
}

// expire ends the waiting for what should have come by now: reading fails with a timeout. It tells, once,
// whether that was a request.
func (c *conn) expire(now time.Time, read, idle time.Duration) (late bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	waited := time.Duration(now.UnixNano() - c.since)
	late = c.phase == phaseReading && waited >= read
	if !late && (c.phase != phaseIdle || waited < idle) {
		return false
	}
	late = late && !c.cut
	c.cut = true
	_ = c.Conn.SetReadDeadline(now)
	return late
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	if c.secure != nil {
		if err := c.shake(); err != nil {
			return 0, io.EOF // there is nobody to answer
		}
	}
	return c.Conn.Read(b)
}

// shake does the TLS handshake and keeps who the client is.
func (c *conn) shake() error {
	err := c.secure.HandshakeContext(context.Background())
	if err != nil {
		c.handshake(err)
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) && plain.Conn != nil && string(plain.RecordHeader[:4]) == "POST" {
			_, _ = io.WriteString(plain.Conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n"+
				`{"error":"http","detail":"this address speaks TLS: https, not http"}`+"\n")
		}
		return err
	}
	if state := c.secure.ConnectionState(); len(state.VerifiedChains) > 0 {
		c.clientCN = state.PeerCertificates[0].Subject.CommonName
	}
	c.secure = nil
	return nil
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil && !c.stuck && errors.Is(err, os.ErrDeadlineExceeded) {
		c.stuck = true
		c.unread.Inc()
	}
	return n, err
}

// SetWriteDeadline implements net.Conn, roughly: a deadline that is nearly the wanted one stays, so
// that not every answer sets a new one.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if !c.writeBy.IsZero() && t.After(c.writeBy) && t.Sub(c.writeBy) < c.writeSlack {
		return nil
	}
	c.writeBy = t
	return c.Conn.SetWriteDeadline(t)
}
