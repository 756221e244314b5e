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

	// secure is the TLS connection until its handshake. The first Read makes the handshake, so that no other connection
	// waits for it, within the time of a request.
	secure    *tls.Conn
	clientCN  string      // of a client certificate that was verified; set by the handshake
	handshake func(error) // called when a handshake fails

	client clientAddress

	// Guarded by the lock of openConns:
	group    *connGroup // of the client; nil: not counted
	links    [groups]link
	place    place
	queuedAt time.Time // when it was moved to its place
	left     bool      // it is closed, or about to be: the groups do not count it
	incoming incomingBody
	verified bool // written only by the connection's goroutine, which may read it without the lock

	// Owned by the connection's goroutine:
	again   bool      // a request was answered
	heard   bool      // a byte of the current request has arrived
	stuck   bool      // unread has counted the connection
	writeBy time.Time // the current write deadline

	unread     prometheus.Counter // counts connections whose client did not read an answer in time
	writeSlack time.Duration      // how much earlier than requested the write deadline may be

	// Guarded by mu:
	mu      sync.Mutex
	phase   phase
	since   int64 // begin of the phase, nanoseconds
	cut     bool  // the time of the phase is over: reads fail
	evicted bool  // reads fail until the connection is closed
}

// phase is the state of a connection.
type phase uint8

const (
	phaseReading phase = iota // waits for the rest of a request; at first, for its beginning
	phaseServing              // waits for the log
	phaseIdle                 // waits for the next request
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

// expire makes reads fail with a timeout when the time of the phase is over. It returns true once, when that ends a
// request.
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
	_ = c.Conn.SetReadDeadline(longAgo)
	return late
}

// longAgo is a read deadline that is over by any clock.
var longAgo = time.Unix(1, 0)

// evictTimeout is the time for the last answer of an evicted connection.
const evictTimeout = 500 * time.Millisecond

// evict ends a connection. A request that has begun still gets an answer.
func (c *conn) evict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.evicted = true
	now := time.Now()
	_ = c.Conn.SetReadDeadline(now)
	_ = c.Conn.SetWriteDeadline(now.Add(evictTimeout))
}

// wasEvicted reports whether a connection is being evicted.
func wasEvicted(nc net.Conn) bool {
	c, ok := nc.(*conn)
	if !ok {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.evicted
}

// idleSince returns the time since which a connection waits for the next request.
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
			return 0, io.EOF // no answer is possible
		}
	}
	n, err := c.Conn.Read(b)
	c.heard = c.heard || n > 0
	return n, err
}

// shake makes the TLS handshake and stores the name of the client certificate.
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

// SetWriteDeadline implements net.Conn approximately. A deadline close to the wanted one stays, which saves a call for
// most answers.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if !c.writeBy.IsZero() && t.After(c.writeBy) && t.Sub(c.writeBy) < c.writeSlack {
		return nil
	}
	c.writeBy = t
	return c.Conn.SetWriteDeadline(t)
}
