package ingress

import (
	"sync/atomic"
	"time"
)

// incomingBody is a body that is being received on an unverified connection.
type incomingBody struct {
	received atomic.Int64 // bytes

	// Guarded by the lock of openConns:
	reserved int64     // bytes for a long body; 0: the body is short
	began    time.Time // the time of the reservation
	standing standing  // of the client
}

// slowBodyAfter is the time before a body can count as slow.
const slowBodyAfter = time.Second

// receiveLong starts a long body after n bytes were reserved for it.
func (o *openConns) receiveLong(c *conn, n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c.incoming.reserved, c.incoming.began = n, time.Now()
	c.incoming.received.Store(0)
	o.enqueueLocked(c, placeReceiving)
}

// receiveShort starts a body.
func (o *openConns) receiveShort(c *conn, of standing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c.incoming.reserved, c.incoming.standing = 0, of
	o.enqueueLocked(c, placeReceiving)
}

// evictSlowShort evicts the connection whose short body has been arriving longest, if that body counts as slow.
func (o *openConns) evictSlowShort() {
	o.evictReceiving(o.slow, func(b *incomingBody) bool { return b.reserved == 0 })
}

// evictArriving evicts the connection of a standing whose short body has been arriving longest. It returns false when none
// has been arriving for long enough.
func (o *openConns) evictArriving(of standing) bool {
	return o.evictReceiving(min(o.grace, o.slow), func(b *incomingBody) bool { return b.reserved == 0 && b.standing == of })
}

// evictReceiving evicts the connection with the oldest body that is wanted, if it has been arriving for a time.
func (o *openConns) evictReceiving(after time.Duration, wanted func(b *incomingBody) bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for c := o.all.queues[placeReceiving].first; c != nil && now.Sub(c.queuedAt) >= after; c = c.links[ofAll].after {
		if wanted(&c.incoming) {
			o.evictConn(c)
			return true
		}
	}
	return false
}

// evictSlowLong evicts connections whose long bodies are too slow to arrive within the read timeout, oldest first, until
// they have released n bytes.
func (o *openConns) evictSlowLong(n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if now.Sub(o.slowChecked) < evictEvery/10 {
		return // one check serves all that wait
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

// behind reports whether a body arrives too slowly: less of it has come after a time than its share of the limit.
func behind(come, all int64, after, limit time.Duration) bool {
	return float64(come)*float64(limit) < float64(all)*float64(after)
}
