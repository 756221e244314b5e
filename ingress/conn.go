package ingress

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// conn is a connection of the server.
type conn struct {
	net.Conn

	// ended: the sender has closed it. fasthttp tells the end of a chunked body, and a connection that
	// ends between two chunks, with the same io.EOF; only the second one ever asks the connection for
	// more and gets nothing. Only its own goroutine reads a connection.
	ended bool

	writeBy    time.Time     // the write deadline that is set; of its own goroutine
	writeSlack time.Duration // how much earlier than asked for it may be

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

// expire ends the waiting for what should have come by now: reading fails with a timeout.
func (c *conn) expire(now time.Time, read, idle time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	waited := time.Duration(now.UnixNano() - c.since)
	if c.phase == phaseReading && waited >= read || c.phase == phaseIdle && waited >= idle {
		c.cut = true
		_ = c.Conn.SetReadDeadline(now)
	}
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		c.ended = true
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
