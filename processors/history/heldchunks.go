package history

import (
	"cmp"
	"slices"
	"unsafe"
)

const heldBytes = int(unsafe.Sizeof(held{}))

// blockItemsMax bounds a block, and so the chunks that an insertion moves.
const blockItemsMax = 64

// queue contains the held chunks of a phase, by order and then by arrival. It is a list of short sorted blocks, so no
// order of arrival makes it slow. No block is empty. A block grows by an eighth, so a held chunk costs at most 64
// bytes.
type queue struct {
	blocks []block
	n      int
}

type block struct {
	items  []held
	first  int    // items before it have left
	oldest millis // when the first of its held chunks was received
}

const blockBytes = int(unsafe.Sizeof(block{}))

func (b *block) live() []held { return b.items[b.first:] }
func (b *block) len() int     { return len(b.items) - b.first }

func (q *queue) len() int    { return q.n }
func (q *queue) head() *held { return &q.blocks[0].live()[0] }

func byOrder(a, b held) int {
	if c := cmp.Compare(a.order, b.order); c != 0 {
		return c
	}
	return cmp.Compare(a.seq, b.seq)
}

// block returns the index of the block that contains h, or of the one to insert it into.
func (q *queue) block(h held) int {
	if len(q.blocks) < 2 {
		return 0
	}
	i, found := slices.BinarySearchFunc(q.blocks, h, func(b block, h held) int { return byOrder(b.live()[0], h) })
	if found || i == 0 {
		return i
	}
	return i - 1
}

func (q *queue) insert(h held) {
	q.n++
	i := q.block(h)
	switch {
	case len(q.blocks) == 0:
		q.blocks = append(q.blocks, block{oldest: h.at})
	case q.blocks[i].len() < blockItemsMax:
	case i == len(q.blocks)-1 && byOrder(h, q.blocks[i].items[len(q.blocks[i].items)-1]) > 0:
		q.blocks = append(q.blocks, block{oldest: h.at}) // chunks that come in order fill their blocks
		i++
	case byOrder(h, q.blocks[i].live()[0]) < 0:
		q.blocks = slices.Insert(q.blocks, i, block{oldest: h.at}) // and so do chunks that come in reverse
	default:
		if q.split(i); byOrder(h, q.blocks[i+1].items[0]) > 0 {
			i++
		}
	}
	q.blocks[i].insert(h)
}

// split divides a block into two halves.
func (q *queue) split(i int) {
	live := q.blocks[i].live()
	upper := block{items: slices.Clone(live[len(live)/2:])}
	lower := block{items: slices.Clone(live[:len(live)/2])}
	upper.count(q.blocks[i].oldest)
	lower.count(q.blocks[i].oldest)
	q.blocks[i] = lower
	q.blocks = slices.Insert(q.blocks, i+1, upper)
}

func (b *block) insert(h held) {
	if len(b.items) == cap(b.items) {
		live := b.live()
		grown := make([]held, len(live), len(live)+len(live)/8+1)
		copy(grown, live)
		b.items, b.first = grown, 0
	}
	i, _ := slices.BinarySearchFunc(b.live(), h, byOrder)
	b.items = slices.Insert(b.items, b.first+i, h)
	b.oldest = min(b.oldest, h.at)
}

// count finds the oldest chunk of a block. No chunk of it was received before known.
func (b *block) count(known millis) {
	live := b.live()
	b.oldest = never
	for i := range live {
		if b.oldest = min(b.oldest, live[i].at); b.oldest == known {
			return
		}
	}
}

// occupied reports whether a chunk of this order is held.
func (q *queue) occupied(order int32) bool {
	if q.n == 0 {
		return false
	}
	first := held{order: order} // before all chunks of the order
	for i := q.block(first); i < len(q.blocks); i++ {
		live := q.blocks[i].live()
		if k, _ := slices.BinarySearchFunc(live, first, byOrder); k < len(live) {
			return live[k].order == order
		}
	}
	return false
}

// bySeq returns the chunk with a sequence number; nil: none.
func (q *queue) bySeq(seq uint32) *held {
	for i := range q.blocks {
		live := q.blocks[i].live()
		if k := slices.IndexFunc(live, func(h held) bool { return h.seq == seq }); k >= 0 {
			return &live[k]
		}
	}
	return nil
}

// remove removes a held chunk.
func (q *queue) remove(h held) {
	i := q.block(h)
	b := &q.blocks[i]
	k, found := slices.BinarySearchFunc(b.live(), h, byOrder)
	if !found {
		panic("history: a chunk leaves that is not held")
	}
	q.n--
	if b.len() > 1 {
		b.remove(k)
		return
	}
	if i == 0 && len(q.blocks) > 1 {
		q.blocks[0] = block{}
		q.blocks = q.blocks[1:]
	} else {
		q.blocks = slices.Delete(q.blocks, i, i+1)
	}
	if spare := cap(q.blocks); spare > 16 && len(q.blocks) < spare/4 {
		q.blocks = slices.Clone(q.blocks)
	}
}

func (b *block) remove(k int) {
	at := b.live()[k].at
	if k > 0 {
		b.items = slices.Delete(b.items, b.first+k, b.first+k+1)
	} else {
		b.first++
	}
	if b.first > 8 && b.first >= b.len()/8 {
		// Moving an eighth forward each time bounds both the waste (an eighth) and the cost.
		b.items, b.first = slices.Clip(append(make([]held, 0, b.len()), b.live()...)), 0
	}
	if at == b.oldest {
		b.count(at)
	}
}

// since returns when the first held chunk was received.
func (q *queue) since() millis {
	since := never
	for i := range q.blocks {
		since = min(since, q.blocks[i].oldest)
	}
	return since
}

// each calls yield with all held chunks, in order.
func (q *queue) each(yield func(*held)) {
	for i := range q.blocks {
		live := q.blocks[i].live()
		for k := range live {
			yield(&live[k])
		}
	}
}

func (q *queue) bytes() int {
	n := cap(q.blocks) * blockBytes
	for i := range q.blocks {
		n += cap(q.blocks[i].items) * heldBytes
	}
	return n
}

// has reports whether the chunk of an order with a reference is held. It finds the chunk if those of one order came in
// the order of their references. That fails only for a chunk that was delivered again.
func (q *queue) has(order int32, ref Ref) bool {
	compare := func(h *held) int {
		return cmp.Or(cmp.Compare(h.order, order), cmp.Compare(h.topic, ref.Topic), cmp.Compare(h.offset, ref.Offset),
			cmp.Compare(h.change, ref.Change), cmp.Compare(h.element, ref.Element))
	}
	i, found := slices.BinarySearchFunc(q.blocks, 0, func(b block, _ int) int { return compare(&b.live()[0]) })
	if found || i == 0 {
		return found
	}
	_, found = slices.BinarySearchFunc(q.blocks[i-1].live(), 0, func(h held, _ int) int { return compare(&h) })
	return found
}
