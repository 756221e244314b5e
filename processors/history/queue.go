package history

import (
	"cmp"
	"slices"
	"unsafe"
)

const heldBytes = int(unsafe.Sizeof(held{}))

// queue holds the chunks of a phase that wait, by order and then by arrival. It grows by an eighth, so
// that a held chunk costs at most 64 bytes.
type queue struct {
	items []held
	first int // items before it have left

	oldest   millis // when the first of them was received
	oldestOK bool
}

func (q *queue) live() []held { return q.items[q.first:] }
func (q *queue) len() int     { return len(q.items) - q.first }
func (q *queue) head() *held  { return &q.items[q.first] }

func byOrder(a, b held) int {
	if c := cmp.Compare(a.order, b.order); c != 0 {
		return c
	}
	return cmp.Compare(a.seq, b.seq)
}

func (q *queue) insert(h held) {
	if len(q.items) == cap(q.items) {
		live := q.live()
		grown := make([]held, len(live), len(live)+len(live)/8+1)
		copy(grown, live)
		q.items, q.first = grown, 0
	}
	i, _ := slices.BinarySearchFunc(q.live(), h, byOrder)
	q.items = slices.Insert(q.items, q.first+i, h)
	if q.len() == 1 {
		q.oldest, q.oldestOK = h.at, true
	} else if q.oldestOK {
		q.oldest = min(q.oldest, h.at)
	}
}

// find is the place among live of the chunk with an order and a sequence number.
func (q *queue) find(order int32, seq uint32) (int, bool) {
	return slices.BinarySearchFunc(q.live(), held{order: order, seq: seq}, byOrder)
}

// bySeq is the chunk with a sequence number; nil where there is none.
func (q *queue) bySeq(seq uint32) *held {
	live := q.live()
	if i := slices.IndexFunc(live, func(h held) bool { return h.seq == seq }); i >= 0 {
		return &live[i]
	}
	return nil
}

func (q *queue) remove(i int) {
	q.oldestOK = false
	if i > 0 {
		q.items = slices.Delete(q.items, q.first+i, q.first+i+1)
		return
	}
	q.first++
	switch live := q.live(); {
	case len(live) == 0:
		q.items, q.first = nil, 0
	case q.first > 8 && q.first >= len(live)/8:
		// Moving an eighth forward each time keeps the waste below an eighth at a bounded cost.
		q.items = slices.Clip(append(make([]held, 0, len(live)), live...))
		q.first = 0
	}
}

// since is when the first of the waiting chunks was received.
func (q *queue) since() millis {
	if !q.oldestOK {
		q.oldest, q.oldestOK = never, true
		for i := range q.live() {
			q.oldest = min(q.oldest, q.live()[i].at)
		}
	}
	return q.oldest
}

func (q *queue) bytes() int { return cap(q.items) * heldBytes }
