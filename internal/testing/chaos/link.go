package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// linkMode is what a link does with what it carries.
type linkMode int

const (
	// linkOpen forwards.
	linkOpen linkMode = iota
	// linkCut resets all connections, and new ones as soon as they are there.
	linkCut
	// linkStalled takes connections and bytes, and forwards nothing until it is open again, without an error.
	linkStalled
	// linkDeaf forwards requests and loses the answers: the client does not learn the outcome.
	linkDeaf
)

func (m linkMode) String() string { return [...]string{"open", "cut", "stalled", "deaf"}[m] }

// link carries the connections that one end, from, opens to another one, to.
type link struct {
	from, to string
	dial     string // where to listens itself
	listen   net.Listener

	mu      sync.Mutex
	mode    linkMode
	delay   time.Duration // of every read, in each direction
	changed chan struct{} // closed at the next change
	conns   map[*carried]struct{}
	closed  bool
	running sync.WaitGroup
}

// carried is one connection of a link.
type carried struct {
	client, server net.Conn
	lost           bool // bytes of it are gone: it cannot continue
}

// anyPort of loopback is where a link listens that need not be at a certain address.
const anyPort = "127.0.0.1:0"

func newLink(ctx context.Context, from, to, listen, dial string) (*link, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listen for %s~%s: %w", from, to, err)
	}
	k := &link{from: from, to: to, dial: dial, listen: l, changed: make(chan struct{}), conns: map[*carried]struct{}{}}
	k.running.Go(k.accept)
	return k, nil
}

// addr is where clients connect to.
func (l *link) addr() string { return l.listen.Addr().String() }

// set changes what the link does. A link that comes back from deafness resets the connections whose answers
// it lost.
func (l *link) set(mode linkMode, delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mode, l.delay = mode, delay
	close(l.changed)
	l.changed = make(chan struct{})
	for c := range l.conns {
		if mode == linkCut || c.lost && mode != linkDeaf {
			c.reset()
		}
	}
}

func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	_ = l.listen.Close() // nothing to do about it
	l.set(linkCut, 0)
	l.running.Wait()
}

func (l *link) accept() {
	for {
		client, err := l.listen.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // out of descriptors for a moment
			continue
		}
		l.running.Go(func() { l.carry(client) })
	}
}

// state is what the link does now, and a channel that closes when that changes.
func (l *link) state() (linkMode, time.Duration, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mode, l.delay, l.changed
}

func (l *link) carry(client net.Conn) {
	c := &carried{client: client}
	for {
		mode, _, changed := l.state()
		if mode == linkCut {
			c.reset()
			return
		}
		if mode != linkStalled {
			break
		}
		<-changed // accepted, as by a firewall that drops everything
	}
	server, err := (&net.Dialer{Timeout: 5 * time.Second}).Dial("tcp", l.dial)
	if err != nil {
		c.reset() // the other side is away
		return
	}
	c.server = server
	l.mu.Lock()
	if l.mode == linkCut {
		l.mu.Unlock()
		c.reset()
		return
	}
	l.conns[c] = struct{}{}
	l.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.pump(c, server, client, false) })
	both.Go(func() { l.pump(c, client, server, true) })
	both.Wait()
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
}

// pump forwards one direction until either side is gone.
func (l *link) pump(c *carried, to, from net.Conn, answers bool) {
	defer c.reset() // neither Kafka nor webhooks have a use for half a connection
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !l.forward(c, to, buf[:n], answers) {
			return
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				c.end()
			}
			return
		}
	}
}

// forward writes b as the link's mode says. It is false when the connection is over.
func (l *link) forward(c *carried, to net.Conn, b []byte, answers bool) bool {
	mode, delay, changed := l.state()
	if delay > 0 {
		late := time.NewTimer(delay)
		defer late.Stop()
		select {
		case <-late.C:
		case <-changed:
		}
		mode, _, changed = l.state()
	}
	for mode == linkStalled {
		<-changed
		mode, _, changed = l.state()
	}
	if mode == linkCut {
		return false
	}
	if mode == linkDeaf && answers {
		l.mu.Lock()
		c.lost = true
		l.mu.Unlock()
		return true
	}
	_, err := to.Write(b)
	return err == nil
}

// reset closes both sides so that bytes in flight are lost, as in a network that is cut.
func (c *carried) reset() {
	for _, conn := range []net.Conn{c.client, c.server} {
		if t, ok := conn.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // closed already: fine
		}
	}
	c.end()
}

// end closes both sides in order.
func (c *carried) end() {
	for _, conn := range []net.Conn{c.client, c.server} {
		if conn != nil {
			_ = conn.Close() // closed already: fine
		}
	}
}

// links are all links that there are.
type links []*link

// of are those that an end opens its connections to others over, in the order in which they were made.
func (all links) of(from string) links {
	var some links
	for _, l := range all {
		if l.from == from {
			some = append(some, l)
		}
	}
	return some
}

// between are the links of a target such as ingress~broker-2, broker-0~broker-1 or ingress~every-broker. A broker's
// every broker are the others. With ~ either end opens the connections, with > the first one, with < the other.
func (all links) between(target string) (links, error) {
	var some links
	if at := strings.IndexAny(target, "~<>"); at >= 0 {
		one, way, other := target[:at], target[at], target[at+1:]
		means := func(name string) bool { return name == other || other == everyBroker && isBroker(name) }
		for _, l := range all {
			if way != '<' && l.from == one && means(l.to) || way != '>' && l.to == one && means(l.from) {
				some = append(some, l)
			}
		}
	}
	if some == nil {
		return nil, fmt.Errorf("no link %q", target)
	}
	return some, nil
}

func (all links) close() {
	for _, l := range all {
		l.close()
	}
}
