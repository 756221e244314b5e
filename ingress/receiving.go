package ingress

import (
	"sync/atomic"
	"time"
)

// arrival is a body that is being received from a connection whose sender has shown no secret yet.
type arrival struct {
	bytes atomic.Int64 // that have come

	// Under the lock of openConns:
	claimed int64     // bytes of a long body that are reserved for it; 0: it is a short one
	began   time.Time // when they were
}

// slowGrace is how long a body has before it can be called slow.
const slowGrace = time.Second

// claim notes that bytes are reserved for a long body.
func (o *openConns) claim(c *conn, n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c.arrival.claimed, c.arrival.began = n, time.Now()
	c.arrival.bytes.Store(0)
	o.place(c, placeReceiving)
}

// receive notes that a body begins to arrive.
func (o *openConns) receive(c *conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c.arrival.claimed = 0
	o.place(c, placeReceiving)
}

// pressShort has the short body that has been arriving for the longest time make room, if that is long enough to be called slow.
func (o *openConns) pressShort() {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for c := o.all.queues[placeReceiving].first; c != nil && now.Sub(c.stoodAt) >= o.slow; c = c.links[ofAll].after {
		if c.arrival.claimed == 0 {
			o.dismiss(c)
			return
		}
	}
}

// pressLong has long bodies make room that are so slow that they would not be there within the time that a request has,
// the oldest first, until they held n bytes.
func (o *openConns) pressLong(n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if now.Sub(o.pressed) < pressEvery/10 {
		return // many that wait need not all look
	}
	o.pressed = now
	for c := o.all.queues[placeReceiving].first; c != nil && n > 0; {
		next, a := c.links[ofAll].after, &c.arrival
		if age := now.Sub(a.began); a.claimed > 0 && age >= o.slow && behind(a.bytes.Load(), a.claimed, age, o.readTimeout) {
			n -= a.claimed
			o.dismiss(c)
		}
		c = next
	}
}

// behind tells whether what has come of a body after some time is less than its part of all that has to come within a limit.
func behind(come, all int64, after, limit time.Duration) bool {
	return float64(come)*float64(limit) < float64(all)*float64(after)
}
