package ingress

import "time"

// crowd is connections that share a limit: all of them, or those of one client. It knows whom to close when one more
// wants room.
//
// Closed first is who waited longest: idle, or in the middle of a request's headers. Then who sends a body, the one that
// began first. Last comes who has sent a webhook with the right signature and is idle, and only while such connections are more
// than half of the limit, so that a flood of strangers does not take the room of all senders. A connection that waits for
// the log is never closed.
type crowd struct {
	open     int
	verified int
	queues   [places]connQueue
}

// place is where a connection stands among those that may be closed.
type place uint8

const (
	placeNone      place = iota // verified, or served at the moment
	placeWaiting                // for a request, or for the rest of its headers
	placeReceiving              // a body
	places
)

// A connection is in the queues of two crowds.
const (
	ofAll = iota
	ofClient
	crowds
)

// link is a connection's neighbours in a queue.
type link struct{ before, after *conn }

// connQueue is connections in the order in which they came.
type connQueue struct{ first, last *conn }

func (q *connQueue) push(c *conn, of int) {
	c.links[of] = link{before: q.last}
	if q.last == nil {
		q.first = c
	} else {
		q.last.links[of].after = c
	}
	q.last = c
}

func (q *connQueue) remove(c *conn, of int) {
	l := &c.links[of]
	if l.before == nil {
		q.first = l.after
	} else {
		l.before.links[of].after = l.after
	}
	if l.after == nil {
		q.last = l.before
	} else {
		l.after.links[of].before = l.before
	}
	*l = link{}
}

// oldest is whom to close first of those that were not verified; nil where none has been there for the grace.
func (w *crowd) oldest(now time.Time, grace time.Duration) *conn {
	for _, p := range []place{placeWaiting, placeReceiving} {
		if c := w.queues[p].first; c != nil && now.Sub(c.stoodAt) >= grace {
			return c
		}
	}
	return nil
}

// stand puts a connection at a place, behind the others there.
func (o *openConns) stand(c *conn, p place) {
	o.mu.Lock()
	o.place(c, p)
	o.mu.Unlock()
}

// place is stand, with the lock held.
func (o *openConns) place(c *conn, p place) {
	if c.place != placeNone {
		o.all.queues[c.place].remove(c, ofAll)
		c.crowd.queues[c.place].remove(c, ofClient)
	}
	if c.leaves || c.crowd == nil {
		p = placeNone
	}
	c.place = p
	if p == placeNone {
		return
	}
	c.stoodAt = time.Now()
	o.all.queues[p].push(c, ofAll)
	c.crowd.queues[p].push(c, ofClient)
}

// verify notes whether the sender has shown that it knows a secret: with the last signature that came.
func (o *openConns) verify(c *conn, right bool) {
	if c.verified == right {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	c.verified = right
	if c.leaves || c.crowd == nil {
		return
	}
	by := 1
	if !right {
		by = -1
	}
	o.all.verified += by
	c.crowd.verified += by
	o.place(c, placeNone)
}

// enter counts a connection in.
func (o *openConns) enter(c *conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	own := o.of[c.client]
	if own == nil {
		own = new(crowd)
		o.of[c.client] = own
	}
	o.conns[c] = struct{}{}
	c.crowd = own
	o.all.open++
	own.open++
	o.place(c, placeWaiting)
}

// leave counts a connection out: it is closed, or about to be.
func (o *openConns) leave(c *conn) {
	if c.leaves || c.crowd == nil {
		return
	}
	o.place(c, placeNone)
	c.leaves = true
	for _, w := range []*crowd{&o.all, c.crowd} {
		w.open--
		if c.verified {
			w.verified--
		}
	}
	if c.crowd.open == 0 {
		delete(o.of, c.client)
	}
}

// limit is one that leaves no room for a connection.
type limit uint8

const (
	limitNone limit = iota
	limitClient
	limitAll
)

// makeRoom makes room for one more connection of a client, and tells which limit does not let it.
func (o *openConns) makeRoom(client clientAddress, most, mostOfClient int) limit {
	o.mu.Lock()
	defer o.mu.Unlock()
	if own := o.of[client]; own != nil && mostOfClient > 0 && own.open >= mostOfClient && !o.evict(own, mostOfClient) {
		return limitClient
	}
	if o.all.open >= most && !o.evict(&o.all, most) {
		return limitAll
	}
	return limitNone
}

// evict lets one connection of a crowd go, if there is one that may.
func (o *openConns) evict(w *crowd, most int) bool {
	now := time.Now()
	c := w.oldest(now, o.grace)
	if c == nil && w.verified > most/2 {
		c = o.idleVerified(w, now)
	}
	if c == nil {
		return false
	}
	o.dismiss(c)
	return true
}

// dismiss counts a connection out and ends it.
func (o *openConns) dismiss(c *conn) {
	switch {
	case c.verified:
		o.evicted.verified.Inc()
	case c.place == placeWaiting:
		o.evicted.waiting.Inc()
	default:
		o.evicted.receiving.Inc()
	}
	o.leave(c)
	c.dismiss()
}

// idleVerified is the verified connection of a crowd that has been idle for the longest time; nil where there is none.
// It looks at all connections, and so not more often than each millisecond.
func (o *openConns) idleVerified(w *crowd, now time.Time) (oldest *conn) {
	if now.Sub(o.looked) < time.Millisecond {
		return nil
	}
	o.looked = now
	until := o.clock.Load() - int64(o.grace)
	for c := range o.conns {
		if !c.verified || c.leaves || w != &o.all && w != c.crowd {
			continue
		}
		if since, idle := c.idleSince(); idle && since <= until {
			oldest, until = c, since
		}
	}
	return oldest
}
