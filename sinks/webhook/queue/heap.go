package queue

// dueHeap has the businesses that wait, the first to be due at the top. It is a heap.Interface.
type dueHeap []*business

// Len is as sort.Interface has it.
func (h dueHeap) Len() int { return len(h) }

// Less is as sort.Interface has it.
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

// Swap is as sort.Interface has it.
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is as heap.Interface has it.
func (h *dueHeap) Push(x any) {
	b, _ := x.(*business)
	b.index = len(*h)
	*h = append(*h, b)
}

// Pop is as heap.Interface has it.
func (h *dueHeap) Pop() any {
	old := *h
	b := old[len(old)-1]
	old[len(old)-1] = nil
	*h, b.index = old[:len(old)-1], -1
	return b
}
