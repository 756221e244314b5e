package ingress

import "time"

// connGroup is connections that share a limit: all of them, or those of one client. It knows whom to close when one more
// wants room.
//
// Closed first is who waited longest: idle, or in the middle of a request's headers. Then who sends a body, the one that
// began first. Last comes who has sent a webhook with the right signature and is idle, and only while such connections are more
// than half of the limit, so that a flood of strangers does not take the room of all senders. A connection that waits for
// the log is never closed.
type connGroup struct {
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

// A connection is in the queues of two groups.
const (
	ofAll = iota
	ofClient
	groups
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
func (w *connGroup) oldest(now time.Time, grace time.Duration) *conn {
	for _, p := range []place{placeWaiting, placeReceiving} {
		if c := w.queues[p].first; c != nil && now.Sub(c.queuedAt) >= grace {
			return c
		}
	}
	return nil
}

// enqueue puts a connection at a place, behind the others there.
func (o *openConns) enqueue(c *conn, p place) {
	o.mu.Lock()
	o.enqueueLocked(c, p)
	o.mu.Unlock()
}

// enqueueLocked is stand, with the lock held.
func (o *openConns) enqueueLocked(c *conn, p place) {
	if c.place != placeNone {
		o.all.queues[c.place].remove(c, ofAll)
		c.group.queues[c.place].remove(c, ofClient)
	}
	if c.counted || c.group == nil {
		p = placeNone
	}
	c.place = p
	if p == placeNone {
		return
	}
	c.queuedAt = time.Now()
	o.all.queues[p].push(c, ofAll)
	c.group.queues[p].push(c, ofClient)
}

// noteSignature notes whether the sender has shown that it knows a secret: with the last signature that came.
func (o *openConns) noteSignature(c *conn, right bool) {
	if c.verified == right {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	c.verified = right
	if c.counted || c.group == nil {
		return
	}
	by := 1
	if !right {
		by = -1
	}
	o.all.verified += by
	c.group.verified += by
	o.enqueueLocked(c, placeNone)
}

// enter counts a connection in.
func (o *openConns) enter(c *conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	own := o.of[c.client]
	if own == nil {
		own = new(connGroup)
		o.of[c.client] = own
	}
	o.conns[c] = struct{}{}
	c.group = own
	o.all.open++
	own.open++
	o.enqueueLocked(c, placeWaiting)
}

// leave counts a connection out: it is closed, or about to be.
func (o *openConns) leave(c *conn) {
	if c.counted || c.group == nil {
		return
	}
	o.enqueueLocked(c, placeNone)
	c.counted = true
	for _, w := range []*connGroup{&o.all, c.group} {
		w.open--
		if c.verified {
			w.verified--
		}
	}
	if c.group.open == 0 {
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
func (o *openConns) evict(w *connGroup, most int) bool {
	now := time.Now()
	c := w.oldest(now, o.grace)
	if c == nil && w.verified > most/2 {
		c = o.idleVerified(w, now)
	}
	if c == nil {
		return false
	}
	o.evictConn(c)
	return true
}

// evictConn counts a connection out and ends it.
func (o *openConns) evictConn(c *conn) {
	switch {
	case c.verified:
		o.evicted.verified.Inc()
	case c.place == placeWaiting:
		o.evicted.waiting.Inc()
	default:
		o.evicted.receiving.Inc()
	}
	o.leave(c)
	c.evict()
}

// idleVerified is the verified connection of a crowd that has been idle for the longest time; nil where there is none.
// It looks at all connections, and so not more often than each millisecond.
func (o *openConns) idleVerified(w *connGroup, now time.Time) (oldest *conn) {
	if now.Sub(o.idleChecked) < time.Millisecond {
		return nil
	}
	o.idleChecked = now
	until := o.clock.Load() - int64(o.grace)
	for c := range o.conns {
		if !c.verified || c.counted || w != &o.all && w != c.group {
			continue
		}
		if since, idle := c.idleSince(); idle && since <= until {
			oldest, until = c, since
		}
	}
	return oldest
}
