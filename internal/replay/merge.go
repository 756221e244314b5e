package replay

import (
	"container/heap"
	"time"
)

// Merge orders the records of several lanes by the time of receipt, and keeps the order of each lane: a record
// whose clock was behind counts as received with the one before it. Of records of one time those of the lane
// that was added first go first. The owner offers the next record of a lane whenever the lane's last one left.
type Merge struct {
	heads heads
	clock map[int]time.Time
}

type head struct {
	lane   int
	at     time.Time
	record *Record
}

// NewMerge merges nothing yet.
func NewMerge() *Merge { return &Merge{clock: map[int]time.Time{}} }

// Offer puts the next record of a lane in.
func (m *Merge) Offer(lane int, r *Record) {
	at := r.ReceivedAt()
	if last := m.clock[lane]; at.Before(last) {
		at = last
	}
	m.clock[lane] = at
	heap.Push(&m.heads, head{lane, at, r})
}

// Next takes the record that comes next, and says of which lane one has to be offered before Next is called
// again, unless that lane is at its end.
func (m *Merge) Next() (lane int, r *Record, ok bool) {
	if len(m.heads) == 0 {
		return 0, nil, false
	}
	h := heap.Pop(&m.heads).(head) //nolint:forcetypeassert // Offer pushes heads
	return h.lane, h.record, true
}

type heads []head

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].lane < h[j].lane
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(head)) } //nolint:forcetypeassert // see Next
func (h *heads) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = head{}
	*h = (*h)[:last]
	return x
}
