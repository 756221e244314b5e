package ingress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
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

	client clientAddress

	// Under the lock of openConns:
	group    *connGroup // of the client; nil: not counted
	links    [groups]link
	place    place
	queuedAt time.Time // since when it is at its place
	counted  bool      // it is counted out
	incoming incomingBody
	verified bool // written by its own goroutine alone, which so may read it without the lock

	again      bool               // a request of it was answered; of its own goroutine
	heard      bool               // a byte of the request has come; of its own goroutine
	unread     prometheus.Counter // counts, once, when an answer cannot be written in time, because nobody reads it
	stuck      bool               // it was counted; of its own goroutine
	writeBy    time.Time          // the write deadline that is set; of its own goroutine
	writeSlack time.Duration      // how much earlier than asked for it may be

	mu    sync.Mutex
	phase phase
	since int64 // when the phase began, in nanoseconds
	cut   bool  // its time is over: every read fails
	// evicted: it has to make room. Every read fails from now on.
	evicted bool
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
	if c.cut && !c.evicted {
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
	if c.evicted {
		return false
	}
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

// evictTimeout is how long a connection that has to make room has for its last answer.
const evictTimeout = 500 * time.Millisecond

// evict ends a connection that has to make room: whoever has begun a request is told so.
func (c *conn) evict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.evicted = true
	now := time.Now()
	_ = c.Conn.SetReadDeadline(now)
	_ = c.Conn.SetWriteDeadline(now.Add(evictTimeout))
}

// wasEvicted tells whether a connection has to make room.
func wasEvicted(nc net.Conn) bool {
	c, ok := nc.(*conn)
	if !ok {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.evicted
}

// idleSince is the beginning of the time in which a connection has waited for the next request.
func (c *conn) idleSince() (since int64, idle bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since, c.phase == phaseIdle && !c.evicted
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.evicted {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	if c.secure != nil {
		if err := c.shake(); err != nil {
			return 0, io.EOF // there is nobody to answer
		}
	}
	n, err := c.Conn.Read(b)
	c.heard = c.heard || n > 0
	return n, err
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
	if !c.heard && wasEvicted(c) {
		return 0, net.ErrClosed // an answer to nothing is an error to clients
	}
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
