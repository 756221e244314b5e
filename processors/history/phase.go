package history

// phase is the state of one phase of a window.
type phase struct {
	number  int32
	ordered bool  // a chunk with an order was seen; the fields from here on, except progress and left, concern such chunks
	started bool  // begin and next are decided
	begin   int64 // the order from which the phase was counted
	next    int64 // the order that leaves next

	lowest, highest int64  // orders seen
	firstAt, lastAt millis // when the first and the last chunk was received

	full    bool // a chunk reported progress 100
	over    bool // the phase hold has passed: no further chunk is expected
	cleared bool // the phase hold has passed for the phases below without any chunk

	progress int32
	left     int64
	gaps     gaps
	forgot   int64 // gaps beyond gapsMax
	held     queue
}

// note records an ordered chunk.
func (p *phase) note(h *held) {
	order := int64(h.order)
	if !p.ordered {
		p.ordered = true
		p.lowest, p.highest = order, order
		p.firstAt, p.lastAt = h.at, h.at
	}
	p.lowest, p.highest = min(p.lowest, order), max(p.highest, order)
	p.lastAt = max(p.lastAt, h.at)
	p.over = false // the phase was not over: the hold starts again
	if h.flags&hasProgress != 0 && h.progress >= 100 {
		p.full = true
	}
}

// occupied reports whether a chunk of this order is held or has left.
func (p *phase) occupied(order int64) bool {
	if p.started && order >= p.begin && order < p.next {
		_, missing := p.gaps.search(order)
		return !missing
	}
	return p.held.occupied(int32(order))
}

// gapsMax bounds the gaps that a phase remembers, and so the size of its record on `state`. Further gaps are only
// counted. A later chunk of such a gap leaves as a late one.
const gapsMax = 1024

// miss records that the sync passed a missing range of orders.
func (p *phase) miss(g gap) {
	if len(p.gaps) >= gapsMax {
		p.forgot++
		return
	}
	p.gaps.add(g)
}

// gapCount returns the number of missing ranges.
func (p *phase) gapCount() int64 { return int64(len(p.gaps)) + p.forgot }
