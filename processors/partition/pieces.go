package partition

import (
	"cmp"
	"math"
	"slices"

	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/split"
)

// PiecesMin is the number of waiting chunks of a body from which they become pieces. For fewer of them it is cheaper
// to parse the body again.
const PiecesMin = 8

// Pieces copies the waiting chunks of a body, in the order in which they will leave. Each can then be released
// without the rest of its body. o and b are the record that Webhook or Release has just processed, before its bytes
// are reused. It returns nil if few chunks wait, or if the whole body is needed.
func (p *Partition) Pieces(o *Origin, b *split.Body) []*split.Piece {
	if o.Requeue != nil || !b.ManyChunks(PiecesMin) {
		return nil
	}
	if s := p.replayStateOf(o); s != nil {
		return s.Pieces(o, b)
	}
	p.people.Begin()
	var all []*split.Piece
	for i := range b.Changes[:min(len(b.Changes), math.MaxUint16+1)] {
		c := &b.Changes[i]
		if len(c.History) == 0 {
			continue
		}
		waba := c.WABA
		if len(waba) == 0 {
			waba = p.wabaOf(o, c)
		}
		p.scratch = append(append(append(p.scratch[:0], waba...), '/'), c.PhoneNumberID...)
		if n, ok := p.numbers[str(p.scratch)]; ok {
			all = p.piecesOf(all, n, o, b, i)
		}
	}
	if len(all) < PiecesMin {
		return nil
	}
	slices.SortStableFunc(all, func(x, y *split.Piece) int {
		return cmp.Or(cmp.Compare(x.Phase, y.Phase), cmp.Compare(x.ChunkOrder, y.ChunkOrder))
	})
	return all
}

func (p *Partition) piecesOf(all []*split.Piece, n *number, o *Origin, b *split.Body, change int) []*split.Piece {
	c := &b.Changes[change]
	var of *split.PieceChange
	for k := range c.History[:min(len(c.History), math.MaxUint16+1)] {
		el := &c.History[k]
		ref := history.Ref{Topic: o.Topic, Offset: o.Offset, Change: uint16(change), Element: uint16(k)}
		if !el.Apart() || !n.history.Waits(ref, el.Phase, el.ChunkOrder) {
			continue
		}
		if of == nil {
			of = b.PieceChange(change)
			defer of.Done()
		}
		all = append(all, of.Piece(k, p.people.About(c, el)))
	}
	return all
}
