package plan

import (
	"cmp"
	"container/heap"
)

// pile is a heap of assets.
type pile struct {
	items  []*Item
	before func(a, b *Item) int
}

// expiresFirst orders by expiry, then by place, so that the order is one.
func expiresFirst(a, b *Item) int {
	return cmp.Or(a.Asset.Expires.Compare(b.Asset.Expires), byPlace(a, b))
}

func dueFirst(a, b *Item) int { return cmp.Or(a.due.Compare(b.due), expiresFirst(a, b)) }

func byPlace(a, b *Item) int {
	return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Offset, b.Offset))
}

func (p *pile) push(it *Item) { heap.Push((*order)(p), it) }

func (p *pile) pop() *Item { return heap.Pop((*order)(p)).(*Item) }

// remove removes an asset, and reports whether it was there.
func (p *pile) remove(it *Item) bool {
	if it.index < 0 || it.index >= len(p.items) || p.items[it.index] != it {
		return false
	}
	heap.Remove((*order)(p), it.index)
	return true
}

// order is a pile as container/heap has it.
type order pile

// Len implements heap.Interface.
func (o *order) Len() int { return len(o.items) }

// Less implements heap.Interface.
func (o *order) Less(i, j int) bool { return o.before(o.items[i], o.items[j]) < 0 }

// Swap implements heap.Interface.
func (o *order) Swap(i, j int) {
	o.items[i], o.items[j] = o.items[j], o.items[i]
	o.items[i].index, o.items[j].index = i, j
}

// Push implements heap.Interface.
func (o *order) Push(x any) {
	it := x.(*Item)
	it.index = len(o.items)
	o.items = append(o.items, it)
}

// Pop implements heap.Interface.
func (o *order) Pop() any {
	last := len(o.items) - 1
	it := o.items[last]
	o.items[last] = nil
	o.items = o.items[:last]
	it.index = -1
	return it
}
