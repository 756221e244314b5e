package ingress

import (
	"sync/atomic"
	"time"
)

// incomingBody is a body that is being received from a connection whose sender has shown no secret yet.
type incomingBody struct {
	received atomic.Int64 // that have come

	// Under the lock of openConns:
	reserved int64     // bytes of a long body that are reserved for it; 0: it is a short one
	began    time.Time // when they were
}

// slowBodyAfter is how long a body has before it can be called slow.
const slowBodyAfter = time.Second

// receiveLong notes that bytes are reserved for a long body.
func (o *openConns) receiveLong(c *conn, n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c.incoming.reserved, c.incoming.began = n, time.Now()
	c.incoming.received.Store(0)
	o.enqueueLocked(c, placeReceiving)
}

// receiveShort notes that a body begins to arrive.
func (o *openConns) receiveShort(c *conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c.incoming.reserved = 0
	o.enqueueLocked(c, placeReceiving)
}

// evictSlowShort has the short body that has been arriving for the longest time make room, if that is long enough to be called slow.
func (o *openConns) evictSlowShort() {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for c := o.all.queues[placeReceiving].first; c != nil && now.Sub(c.queuedAt) >= o.slow; c = c.links[ofAll].after {
		if c.incoming.reserved == 0 {
			o.evictConn(c)
			return
		}
	}
}

// evictSlowLong has long bodies make room that are so slow that they would not be there within the time that a request has,
// the oldest first, until they held n bytes.
func (o *openConns) evictSlowLong(n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if now.Sub(o.slowChecked) < evictEvery/10 {
		return // many that wait need not all look
	}
	o.slowChecked = now
	for c := o.all.queues[placeReceiving].first; c != nil && n > 0; {
		next, a := c.links[ofAll].after, &c.incoming
		if age := now.Sub(a.began); a.reserved > 0 && age >= o.slow && behind(a.received.Load(), a.reserved, age, o.readTimeout) {
			n -= a.reserved
			o.evictConn(c)
		}
		c = next
	}
}

// behind tells whether what has come of a body after some time is less than its part of all that has to come within a limit.
func behind(come, all int64, after, limit time.Duration) bool {
	return float64(come)*float64(limit) < float64(all)*float64(after)
}
