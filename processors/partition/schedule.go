package partition

import (
	"container/heap"
	"time"
)

// schedule orders numbers by the next time at which something is due for one of them, so that time can pass
// with every record and cost nothing where nothing is due.
type schedule struct {
	heap  []*number
	stale []*number // what is due for them may have changed
}

// touched notes that what is due for a number may have changed.
func (s *schedule) touched(n *number) {
	if !n.stale {
		n.stale = true
		s.stale = append(s.stale, n)
	}
}

// refresh puts the numbers that were touched to their places.
func (s *schedule) refresh() {
	for _, n := range s.stale {
		n.stale = false
		s.put(n)
	}
	s.stale = s.stale[:0]
}

// put puts a number to its place. One that waits for a chunk to be read again has none: what is due for it
// comes after that chunk. So has one whose business has records that wait.
func (s *schedule) put(n *number) {
	due := n.deadline()
	if n.wanting || n.behind {
		due = time.Time{}
	}
	switch {
	case due.IsZero() && n.scheduled:
		heap.Remove(s, n.place)
	case due.IsZero():
	case n.scheduled:
		n.due = due
		heap.Fix(s, n.place)
	default:
		n.due = due
		heap.Push(s, n)
	}
}

// next is a number for which something is due until a time.
func (s *schedule) next(until time.Time) (*number, bool) {
	if len(s.heap) == 0 || s.heap[0].due.After(until) {
		return nil, false
	}
	return s.heap[0], true
}

// deadline is the next time at which something is due for a number; zero: never.
func (n *number) deadline() time.Time {
	h, m := n.history.Deadline(), n.media.Deadline()
	if h.IsZero() || !m.IsZero() && m.Before(h) {
		return m
	}
	return h
}

// Len, Less, Swap, Push and Pop are heap.Interface.
func (s *schedule) Len() int           { return len(s.heap) }
func (s *schedule) Less(i, j int) bool { return s.heap[i].due.Before(s.heap[j].due) }
func (s *schedule) Swap(i, j int) {
	s.heap[i], s.heap[j] = s.heap[j], s.heap[i]
	s.heap[i].place, s.heap[j].place = i, j
}

func (s *schedule) Push(x any) {
	n := x.(*number) //nolint:forcetypeassert // put pushes numbers
	n.place, n.scheduled = len(s.heap), true
	s.heap = append(s.heap, n)
}

func (s *schedule) Pop() any {
	last := len(s.heap) - 1
	n := s.heap[last]
	s.heap[last] = nil
	s.heap = s.heap[:last]
	n.scheduled = false
	return n
}

// Tick lets time pass. See the package comment for when a time may be told.
func (p *Partition) Tick(now time.Time) {
	if now.After(p.ticked) {
		p.Pass(now)
	}
}

// Pass lets time pass up to when a record of the lane that carries history was received, before that record is
// told. What was due by then happens first, whenever the log is read: so history comes out in the same order from
// an owner that keeps up, from one that was away, and from a replay. A record that was received earlier than time
// has passed already takes it back: what is due because of such records has to wait for those that come with it.
func (p *Partition) Pass(now time.Time) {
	p.applyFreshEventsToAll()
	p.ticked = now
	p.passed(now)
	p.schedule.refresh()
	for {
		n, ok := p.schedule.next(now)
		if !ok {
			break
		}
		p.catchUp(n, inHand{})
	}
	p.pages.expire(p, now)
	p.pendingBoundaries.expire(now)
	p.undated.expire(now)
	if p.outer == nil {
		p.contacts.Expire(now)
	}
}

// catchUp lets a number's chunks leave, and lets what was due for it happen: one thing after another in the
// order of the times at which they were due, however much time passed at once. Where a chunk has to be read
// again first, the rest waits for it; so the outcome is that of a partition that was never behind.
func (p *Partition) catchUp(n *number, h inHand) {
	for {
		p.advance(n, h)
		if n.wanting || n.behind {
			break
		}
		d := n.deadline()
		if d.IsZero() || d.After(p.ticked) {
			break
		}
		p.touch(n)
		if at := n.history.Deadline(); !at.IsZero() && !at.After(d) {
			n.history.Tick(d)
		} else {
			p.emitWaiting(n, n.media.Tick(d))
		}
	}
	p.schedule.put(n)
}

// passed moves the partition's time forward, never back.
func (p *Partition) passed(now time.Time) {
	if now.After(p.now) {
		p.now = now
	}
}
