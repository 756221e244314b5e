package ingress

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// openConns knows the open connections.
type openConns struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	empty chan struct{} // closed when conns becomes empty; nil when nobody waits
}

// changed is fasthttp's hook.
func (o *openConns) changed(c net.Conn, state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateNew:
		o.mu.Lock()
		o.conns[c] = struct{}{}
		o.mu.Unlock()
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		o.mu.Lock()
		delete(o.conns, c)
		if len(o.conns) == 0 && o.empty != nil {
			close(o.empty)
			o.empty = nil
		}
		o.mu.Unlock()
	}
}

func (o *openConns) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.conns)
}

// cut closes all connections and tells how many there were.
func (o *openConns) cut() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		_ = c.Close()
	}
	return len(o.conns)
}

// wait returns when no connection is served any more.
func (o *openConns) wait() {
	o.mu.Lock()
	if len(o.conns) == 0 {
		o.mu.Unlock()
		return
	}
	if o.empty == nil {
		o.empty = make(chan struct{})
	}
	empty := o.empty
	o.mu.Unlock()
	<-empty
}

// conn remembers that its sender has closed it. fasthttp tells the end of a chunked body, and a
// connection that ends between two chunks, with the same io.EOF; only the second one ever asks the
// connection for more and gets nothing.
type conn struct {
	net.Conn
	ended bool // only its own goroutine reads a connection
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		c.ended = true
	}
	return n, err
}

// crowdedListener refuses connections over a limit with a 503 that says when to come again.
type crowdedListener struct {
	net.Listener
	open    *openConns
	most    int
	answers *answers
	ids     *requestIDs
	refused func()

	slots chan struct{} // of refusals being written
	wg    sync.WaitGroup
}

const (
	crowdSlots   = 64
	crowdTimeout = 500 * time.Millisecond
)

func newCrowdedListener(ln net.Listener, open *openConns, most int, a *answers, ids *requestIDs, refused func()) *crowdedListener {
	return &crowdedListener{Listener: ln, open: open, most: most, answers: a, ids: ids, refused: refused, slots: make(chan struct{}, crowdSlots)}
}

// Accept returns the next connection within the limit.
func (l *crowdedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.count() < l.most {
			return &conn{Conn: c}, nil
		}
		l.refused()
		select {
		case l.slots <- struct{}{}:
			l.wg.Go(func() {
				l.refuse(c)
				<-l.slots
			})
		default:
			_ = c.Close() // so many that not even an answer is affordable
		}
	}
}

// refuse answers once a request has begun to arrive, for an answer to nothing is an error to clients,
// and reads on a little so that the answer arrives.
func (l *crowdedListener) refuse(c net.Conn) {
	defer func() { _ = c.Close() }()
	if c.SetDeadline(time.Now().Add(crowdTimeout)) != nil {
		return
	}
	var first [1]byte
	if _, err := c.Read(first[:]); err != nil {
		return
	}
	var id [requestIDBytes]byte
	l.ids.next(&id)
	body := (&refusal{503, "connections", "too many connections"}).line()
	_, err := fmt.Fprintf(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: %s\r\nContent-Length: %d\r\nRetry-After: %s\r\nX-Request-Id: %s\r\nConnection: close\r\n\r\n%s",
		jsonType, len(body), l.answers.retryAfter, id[:], body)
	if err != nil {
		return
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c, discardBytesMax)
}

// wait returns when the last refusal is written.
func (l *crowdedListener) wait() { l.wg.Wait() }
