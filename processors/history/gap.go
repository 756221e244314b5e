package history

import "slices"

// gap is a missing range of orders, both ends included, which the sync has passed.
type gap struct {
	From  int64  `json:"f"`
	To    int64  `json:"t"`
	Since millis `json:"s"`
	Lost  bool   `json:"l,omitempty"` // it was received, but is no longer readable; otherwise given up
}

// gaps are separate and ascending.
type gaps []gap

func (gs gaps) search(order int64) (int, bool) {
	return slices.BinarySearchFunc(gs, order, func(g gap, o int64) int {
		switch {
		case g.To < o:
			return -1
		case g.From > o:
			return 1
		}
		return 0
	})
}

func (gs *gaps) add(g gap) {
	i, _ := gs.search(g.From)
	*gs = slices.Insert(*gs, i, g)
}

// fill removes one order, and reports whether it was in a gap.
func (gs *gaps) fill(order int64) bool {
	i, found := gs.search(order)
	if !found {
		return false
	}
	g := (*gs)[i]
	left, right := g, g
	left.To, right.From = order-1, order+1
	switch {
	case left.From <= left.To && right.From <= right.To:
		(*gs)[i] = left
		*gs = slices.Insert(*gs, i+1, right)
	case left.From <= left.To:
		(*gs)[i] = left
	case right.From <= right.To:
		(*gs)[i] = right
	default:
		*gs = slices.Delete(*gs, i, i+1)
	}
	return true
}
