package history

// phase is what a window knows of one phase.
type phase struct {
	number  int32
	ordered bool  // a chunk with an order was seen; what follows but progress and left is about those
	started bool  // begin and next are decided
	begin   int64 // the order from which the phase was counted
	next    int64 // the order that leaves next

	lowest, highest int64  // orders seen
	firstAt, lastAt millis // when chunks were received

	full    bool // a chunk told progress 100
	over    bool // the phase hold has passed: nothing more is expected
	cleared bool // the phase hold has passed for the phases below that never came

	progress int32
	left     int64
	gaps     gaps
	forgot   int64 // gaps beyond gapsMax
	held     queue
}

// note takes notice of an ordered chunk.
func (p *phase) note(h *held) {
	order := int64(h.order)
	if !p.ordered {
		p.ordered = true
		p.lowest, p.highest = order, order
		p.firstAt, p.lastAt = h.at, h.at
	}
	p.lowest, p.highest = min(p.lowest, order), max(p.highest, order)
	p.lastAt = max(p.lastAt, h.at)
	p.over = false // whoever thought so was wrong: the hold starts again
	if h.flags&hasProgress != 0 && h.progress >= 100 {
		p.full = true
	}
}

// occupied reports whether a chunk of this order is held or left.
func (p *phase) occupied(order int64) bool {
	if p.started && order >= p.begin && order < p.next {
		_, missing := p.gaps.search(order)
		return !missing
	}
	return p.held.occupied(int32(order))
}

// gapsMax bounds the gaps that a phase remembers, and so what its record on `state` costs. What is missing beyond it is
// counted; a chunk of it that comes later leaves as any late one does.
const gapsMax = 1024

// miss notes that the sync went on without a range of orders.
func (p *phase) miss(g gap) {
	if len(p.gaps) >= gapsMax {
		p.forgot++
		return
	}
	p.gaps.add(g)
}

// gapCount is how many ranges of orders are missing.
func (p *phase) gapCount() int64 { return int64(len(p.gaps)) + p.forgot }
