package ingress

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
)

// openConns has the open connections, and closes those that are silent for too long.
//
// It replaces the deadlines of fasthttp, which would set two for each request and take a tenth of the time of a short
// one. Here a request only stores the phase of its connection and the time of the last sweep.
type openConns struct {
	readTimeout, idleTimeout time.Duration
	clock                    atomic.Int64 // time of the last sweep, nanoseconds

	// grace is the time a connection must have waited before it may be evicted.
	grace time.Duration
	// slow is the time a body must have taken before it may be evicted for other bodies.
	slow time.Duration

	mu          sync.Mutex
	conns       map[*conn]struct{} // also evicted ones, until they are closed
	all         connGroup
	of          map[clientAddress]*connGroup
	slowChecked time.Time          // the last search for slow long bodies
	idleChecked time.Time          // the last search for an idle verified connection
	late        prometheus.Counter // counts connections whose request did not arrive in time
	evicted     evictedMetrics
	empty       chan struct{} // closed when conns becomes empty; nil: no call of wait
}

// evictedMetrics count evicted connections.
type evictedMetrics struct{ waiting, receiving, verified prometheus.Counter }

// idleEvictionAfter is the default of grace. The first packet of a sender arrives a round trip after its connection.
const idleEvictionAfter = 250 * time.Millisecond

// clientAddress identifies a client: its IPv4 address, or the /64 network of its IPv6 address.
type clientAddress = netip.Prefix

func newOpenConns(readTimeout, idleTimeout time.Duration, now time.Time) *openConns {
	o := &openConns{readTimeout: readTimeout, idleTimeout: idleTimeout, grace: idleEvictionAfter, slow: slowBodyAfter, conns: map[*conn]struct{}{}, of: map[clientAddress]*connGroup{}}
	o.clock.Store(now.UnixNano())
	return o
}

// changed is the hook of fasthttp for changes of a connection's state.
func (o *openConns) changed(nc net.Conn, state fasthttp.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	switch state {
	case fasthttp.StateNew:
		c.enter(phaseReading, o.clock.Load())
		o.enter(c)
	case fasthttp.StateActive:
		c.heard = c.heard || c.again // the first byte of a later request may have come with the former one
		c.enter(phaseReading, o.clock.Load())
		if !c.verified {
			o.enqueue(c, placeWaiting)
		}
	case fasthttp.StateIdle:
		c.heard, c.again = false, true
		c.enter(phaseIdle, o.clock.Load())
		if !c.verified {
			o.enqueue(c, placeWaiting)
		}
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		o.mu.Lock()
		o.leave(c)
		delete(o.conns, c)
		if len(o.conns) == 0 && o.empty != nil {
			close(o.empty)
			o.empty = nil
		}
		o.mu.Unlock()
	}
}

// tick returns the time between two sweeps, which is the precision of the timeouts.
func (o *openConns) tick() time.Duration {
	return min(max(min(o.readTimeout, o.idleTimeout)/8, 10*time.Millisecond), time.Second)
}

// sweep expires all connections whose time is over.
func (o *openConns) sweep(now time.Time) {
	o.clock.Store(now.UnixNano())
	tick := o.tick()
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		// A phase begins up to a tick after its stored time.
		if c.expire(now, o.readTimeout+tick, o.idleTimeout+tick) {
			o.late.Inc()
		}
	}
}

// run sweeps until done is closed.
func (o *openConns) run(now func() time.Time, done <-chan struct{}) {
	tick := time.NewTicker(o.tick())
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			o.sweep(now())
		case <-done:
			return
		}
	}
}

func (o *openConns) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.conns)
}

// clientOf returns the client of an address.
func clientOf(a net.Addr) clientAddress {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return clientAddress{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	client, _ := ip.Prefix(bits) // fails for an invalid address, which then is a client of its own
	return client
}

// cut closes all connections and returns their number.
func (o *openConns) cut() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		_ = c.Close()
	}
	return len(o.conns)
}

// wait returns when all connections are closed.
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
