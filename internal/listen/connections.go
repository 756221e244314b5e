package listen

import (
	"container/list"
	"net"
	"sync"
)

// Connections limits the open connections of a listener: it closes an old one for each above the limit. Each connection
// takes a file of the process, which other listeners and the logs need as well. A connection waits or is in use. The one
// that has waited longest is closed first, then the one that has been in use longest. The newest connection stays.
type Connections struct {
	max        int
	waitingMax int
	closed     func()

	mu      sync.Mutex
	waiting list.List // of *Connection, the longest wait first
	used    list.List // of *Connection, the earliest use first
}

// NewConnections allows at most that many connections, of which at most waitingMax may wait. closed is called for each
// connection that is closed because of these limits.
func NewConnections(most, waitingMax int, closed func()) *Connections {
	return &Connections{max: most, waitingMax: waitingMax, closed: closed}
}

// Connection is one of the Connections of a listener. Close removes it.
type Connection struct {
	net.Conn
	of *Connections
	in *list.List    // nil: it is closed
	at *list.Element // in it
}

// Enter adds a connection, which waits.
func (c *Connections) Enter(conn net.Conn) *Connection {
	m := &Connection{Conn: conn, of: c}
	c.mu.Lock()
	m.in, m.at = &c.waiting, c.waiting.PushBack(m)
	over := c.over()
	c.mu.Unlock()
	if over != nil {
		c.closed()
		_ = over.Conn.Close()
	}
	return m
}

// over removes a connection above the limits, and returns it; nil: there is none.
func (c *Connections) over() *Connection {
	if c.waiting.Len()+c.used.Len() <= c.max && c.waiting.Len() <= c.waitingMax {
		return nil
	}
	from := &c.waiting
	if from.Len() == 1 { // only the newest one waits
		from = &c.used
	}
	if from.Len() == 0 {
		return nil
	}
	m := from.Front().Value.(*Connection) //nolint:forcetypeassert // Enter adds only these
	m.leave()
	return m
}

// leave removes a connection, with the lock held.
func (m *Connection) leave() {
	if m.in != nil {
		m.in.Remove(m.at)
		m.in = nil
	}
}

// Use says that the connection is in use from now on.
func (m *Connection) Use() { m.move(&m.of.used) }

// Wait says that the connection waits from now on.
func (m *Connection) Wait() { m.move(&m.of.waiting) }

// move puts a connection at the end of a list.
func (m *Connection) move(to *list.List) {
	m.of.mu.Lock()
	defer m.of.mu.Unlock()
	if m.in == nil {
		return
	}
	if m.in == to {
		to.MoveToBack(m.at)
		return
	}
	m.leave()
	m.in, m.at = to, to.PushBack(m)
}

// Close implements net.Conn.
func (m *Connection) Close() error {
	m.of.mu.Lock()
	m.leave()
	m.of.mu.Unlock()
	return m.Conn.Close()
}
