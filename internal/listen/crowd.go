package listen

import (
	"container/list"
	"net"
	"sync"
)

// Crowd has the open connections of a listener, and closes one for each that is too many. Each connection takes a file of
// the process, which other listeners and the logs need as well. A connection waits or is in use. The first to go is the one that has waited
// longest, then the one that came into use the longest time ago. The newest connection stays.
type Crowd struct {
	max        int
	waitingMax int
	closed     func()

	mu      sync.Mutex
	waiting list.List // of *Member, the longest wait first
	used    list.List // of *Member, the earliest use first
}

// NewCrowd makes a Crowd of at most max connections, of which at most waitingMax wait. closed is called for each
// connection that the Crowd closes.
func NewCrowd(most, waitingMax int, closed func()) *Crowd {
	return &Crowd{max: most, waitingMax: waitingMax, closed: closed}
}

// Member is a connection of a Crowd. Close removes it.
type Member struct {
	net.Conn
	crowd *Crowd
	in    *list.List    // nil: it is closed
	at    *list.Element // in it
}

// Enter adds a connection, which waits.
func (c *Crowd) Enter(conn net.Conn) *Member {
	m := &Member{Conn: conn, crowd: c}
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

// over removes a connection that is too many, and returns it; nil: none is.
func (c *Crowd) over() *Member {
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
	m := from.Front().Value.(*Member) //nolint:forcetypeassert // Enter puts members
	m.leave()
	return m
}

// leave removes a member, with the lock held.
func (m *Member) leave() {
	if m.in != nil {
		m.in.Remove(m.at)
		m.in = nil
	}
}

// Use says that the connection is in use from now on.
func (m *Member) Use() { m.move(&m.crowd.used) }

// Wait says that the connection waits from now on.
func (m *Member) Wait() { m.move(&m.crowd.waiting) }

// move puts a member at the end of a list.
func (m *Member) move(to *list.List) {
	m.crowd.mu.Lock()
	defer m.crowd.mu.Unlock()
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
func (m *Member) Close() error {
	m.crowd.mu.Lock()
	m.leave()
	m.crowd.mu.Unlock()
	return m.Conn.Close()
}
