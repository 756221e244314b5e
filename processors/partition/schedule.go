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
