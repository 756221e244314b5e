package ingress

import "time"

// connGroup has the connections that share a limit: all of them, or those of one client. At the limit it chooses the
// connection to evict for a new one:
//
//  1. the unverified connection that has waited longest, idle or within the headers of a request;
//  2. the unverified connection whose body began first;
//  3. the verified connection that has been idle longest. This applies only while verified ones are more than half of
//     the limit, so that a flood of unverified connections does not displace all senders.
//
// A connection that waits for the log is never evicted.
type connGroup struct {
	open     int
	verified int
	queues   [places]connQueue
}

// place is the queue of a connection among those that may be evicted.
type place uint8

const (
	placeNone      place = iota // verified, or being served
	placeWaiting                // waits for a request, or for the rest of its headers
	placeReceiving              // receives a body
	places
)

// A connection is in the queues of two groups.
const (
	ofAll = iota
	ofClient
	groups
)

// link has the neighbours of a connection in a queue.
type link struct{ before, after *conn }

// connQueue has connections in the order of their arrival in the queue.
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

// oldest returns the first unverified connection to evict; nil when none has waited for the grace.
func (g *connGroup) oldest(now time.Time, grace time.Duration) *conn {
	for _, p := range []place{placeWaiting, placeReceiving} {
		if c := g.queues[p].first; c != nil && now.Sub(c.queuedAt) >= grace {
			return c
		}
	}
	return nil
}

// enqueue moves a connection to the end of a queue. placeNone removes it from its queue.
func (o *openConns) enqueue(c *conn, p place) {
	o.mu.Lock()
	o.enqueueLocked(c, p)
	o.mu.Unlock()
}

// enqueueLocked is enqueue with the lock held.
func (o *openConns) enqueueLocked(c *conn, p place) {
	if c.place != placeNone {
		o.all.queues[c.place].remove(c, ofAll)
		c.group.queues[c.place].remove(c, ofClient)
	}
	if c.left || c.group == nil {
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

// noteSignature stores whether the last signature on a connection was right.
func (o *openConns) noteSignature(c *conn, right bool) {
	if c.verified == right {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	c.verified = right
	if c.left || c.group == nil {
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

// enter counts an open connection.
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

// leave stops counting a connection that is closed, or about to be.
func (o *openConns) leave(c *conn) {
	if c.left || c.group == nil {
		return
	}
	o.enqueueLocked(c, placeNone)
	c.left = true
	for _, g := range []*connGroup{&o.all, c.group} {
		g.open--
		if c.verified {
			g.verified--
		}
	}
	if c.group.open == 0 {
		delete(o.of, c.client)
	}
}

// limit names the limit that was reached.
type limit uint8

const (
	limitNone limit = iota
	limitClient
	limitAll
)

// makeRoom makes room for one more connection of a client. It returns the limit that prevents it, or limitNone.
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

// evictOne evicts one connection, if any may be evicted.
func (o *openConns) evictOne(most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.evict(&o.all, most)
}

// evict evicts one connection of a group. It returns false when none may be evicted.
func (o *openConns) evict(g *connGroup, most int) bool {
	now := time.Now()
	c := g.oldest(now, o.grace)
	if c == nil && g.verified > most/2 {
		c = o.idleVerified(g, now)
	}
	if c == nil {
		return false
	}
	o.evictConn(c)
	return true
}

// evictConn evicts a connection.
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

// idleVerified returns the verified connection of a group that has been idle longest; nil when there is none. It scans all
// connections, so it runs at most once in a millisecond.
func (o *openConns) idleVerified(g *connGroup, now time.Time) (oldest *conn) {
	if now.Sub(o.idleChecked) < time.Millisecond {
		return nil
	}
	o.idleChecked = now
	until := o.clock.Load() - int64(o.grace)
	for c := range o.conns {
		if !c.verified || c.left || g != &o.all && g != c.group {
			continue
		}
		if since, idle := c.idleSince(); idle && since <= until {
			oldest, until = c, since
		}
	}
	return oldest
}
