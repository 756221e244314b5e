package partition

import (
	"container/heap"
	"time"
)

// schedule orders numbers by the next time at which something is due for them. So time can pass with every record,
// at no cost if nothing is due.
type schedule struct {
	heap  []*number
	stale []*number // their due time may have changed
}

// touched notes that the due time of a number may have changed.
func (s *schedule) touched(n *number) {
	if !n.stale {
		n.stale = true
		s.stale = append(s.stale, n)
	}
}

// refresh updates the places of the touched numbers.
func (s *schedule) refresh() {
	for _, n := range s.stale {
		n.stale = false
		s.put(n)
	}
	s.stale = s.stale[:0]
}

// put updates the place of a number. A number has no place while it waits for a held chunk, because its due work comes
// after that chunk. The same holds while records of its business are deferred.
func (s *schedule) put(n *number) {
	due := n.deadline()
	if n.inHeldQueue || n.behind {
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

// next returns a number with something due until the given time.
func (s *schedule) next(until time.Time) (*number, bool) {
	if len(s.heap) == 0 || s.heap[0].due.After(until) {
		return nil, false
	}
	return s.heap[0], true
}

// deadline returns the next time at which something is due for a number; zero: never.
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

// Tick lets time pass. The package comment says which times are allowed.
func (p *Partition) Tick(now time.Time) {
	if now.After(p.ticked) {
		p.Pass(now)
	}
}

// Pass lets time pass until the receipt of a record of raw.bulk, before that record is processed. All work that was due
// by then is done first. So the order of history is the same for an owner that keeps up, for one that was stopped, and
// for a replay. For a record that was received earlier than the previous one, time goes back: work that becomes due
// because of such a record waits for the records received with it.
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
	p.pendingBoundaries.expire(p, now)
	p.undated.expire(now)
	if p.outer == nil {
		p.contacts.Expire(now)
	}
}

// catchUp releases a number's chunks and does its due work, one after another in the order of the due times, for any
// time that has passed at once. If a chunk has to be read again first, the rest waits for it. So the outcome is that of
// a partition that was never behind.
func (p *Partition) catchUp(n *number, h inHand) {
	for {
		p.advance(n, h)
		if n.inHeldQueue || n.behind {
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

// passed advances the partition's time. It never goes back.
func (p *Partition) passed(now time.Time) {
	if now.After(p.now) {
		p.now = now
	}
}
