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

// openConns knows the open connections, and ends the waiting for those that are silent for too long.
//
// It keeps the time for fasthttp, which would set two deadlines for each request: a tenth of what a
// short request costs. Here a request only notes in which phase its connection is, by a clock that ticks
// with the sweeps.
type openConns struct {
	readTimeout, idleTimeout time.Duration
	clock                    atomic.Int64 // nanoseconds, of the last sweep

	// grace is how long a connection has to have waited before it may have to make room.
	grace time.Duration
	// slow is how long a body may take before it may have to make room for other bodies.
	slow time.Duration

	mu          sync.Mutex
	conns       map[*conn]struct{} // those that make room, too, until they have ended
	all         connGroup
	of          map[clientAddress]*connGroup
	slowChecked time.Time          // when long bodies were looked at for slow ones
	idleChecked time.Time          // when all were looked at for one that may be closed
	late        prometheus.Counter // counts connections whose request did not come in time
	evicted     evictedMetrics
	empty       chan struct{} // closed when conns becomes empty; nil when nobody waits
}

// evictedMetrics count the connections that had to make room.
type evictedMetrics struct{ waiting, receiving, verified prometheus.Counter }

// idleEvictionAfter lets a sender begin: its first packet comes a round trip after its connection.
const idleEvictionAfter = 250 * time.Millisecond

// clientAddress is the address by which a client is counted: an IPv6 client has a whole /64 to itself.
type clientAddress = netip.Prefix

func newOpenConns(readTimeout, idleTimeout time.Duration, now time.Time) *openConns {
	o := &openConns{readTimeout: readTimeout, idleTimeout: idleTimeout, grace: idleEvictionAfter, slow: slowBodyAfter, conns: map[*conn]struct{}{}, of: map[clientAddress]*connGroup{}}
	o.clock.Store(now.UnixNano())
	return o
}

// changed is fasthttp's hook.
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

// tick is how often to sweep, and so how exactly the timeouts are kept.
func (o *openConns) tick() time.Duration {
	return min(max(min(o.readTimeout, o.idleTimeout)/8, 10*time.Millisecond), time.Second)
}

// sweep ends the waiting of all connections whose time is over.
func (o *openConns) sweep(now time.Time) {
	o.clock.Store(now.UnixNano())
	tick := o.tick()
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		// A phase begins up to a tick after the time that it noted.
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

// clientOf is the client of an address.
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
	client, _ := ip.Prefix(bits) // fails for no address at all, which is then a client of its own
	return client
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
