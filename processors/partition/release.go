package partition

import (
	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/split"
)

// ChunkRef is the place of a history chunk: its raw record, the change of that body, and the element of that change.
type ChunkRef = history.Ref

// HeldChunk is a held chunk that leaves when its record has been read again. NextHeld returns it, and one call of
// Release or Lost consumes it. Before that call the owner passes no record and no time to the
// partition. It may write a dead letter.
type HeldChunk struct {
	ref    ChunkRef
	from   int
	number *number
	of     *Partition // the state that the chunk belongs to: the live one, or that of a replay
}

// Ref returns the place of the chunk.
func (h HeldChunk) Ref() ChunkRef { return h.ref }

// From returns the number of messages of the chunk that have left in earlier parts.
func (h HeldChunk) From() int { return h.from }

// NextHeld returns the held chunk whose record has to be read again next. The live state goes before those of replays.
// It returns the same chunk until that one is consumed.
func (p *Partition) NextHeld() (HeldChunk, bool) {
	for len(p.heldQueue) > 0 {
		n := p.heldQueue[0]
		if d, ok := n.history.Next(p.now); ok {
			return HeldChunk{ref: d.Ref, from: d.From, number: n, of: p}, true
		}
		n.inHeldQueue = false
		p.heldQueue = p.heldQueue[1:]
	}
	p.heldQueue = nil
	for _, r := range p.replays.open {
		if r.own == nil {
			continue
		}
		if h, ok := r.own.NextHeld(); ok {
			return h, true
		}
	}
	return HeldChunk{}, false
}

// Release lets the chunk leave, whole or in part: see Turn. o and b are its record, read again. If these are other bytes
// than before, the chunk counts as lost. Release reports whether the chunk is no longer held; if it left in part,
// NextHeld returns the rest of it.
func (h HeldChunk) Release(o *Origin, b *split.Body) (left bool) {
	p, n, d := h.of, h.number, h.consume()
	p.people.Begin()
	o.LeaveOut()
	o.Requeue.choose(b)
	hand := inHand{origin: o, body: b, again: true}
	if !hand.holds(h.ref) {
		n.history.Missing(p.now, d) // the log holds other bytes at that place
	}
	p.touch(n)
	p.catchUp(n, hand)
	if !n.inHeldQueue {
		return true
	}
	next, _ := n.history.Next(p.now)
	return next.Ref != h.ref
}

// Lost gives the chunk up, because its record is no longer in the log or cannot be processed.
func (h HeldChunk) Lost() {
	p, n, d := h.of, h.number, h.consume()
	n.history.Missing(p.now, d)
	p.touch(n)
	p.catchUp(n, inHand{})
}

// consume begins a call that consumes the chunk. It takes the number from the head of the queue. enqueueHeld adds it at the end
// if it needs another chunk, so no number waits for all chunks of another one.
func (h HeldChunk) consume() history.Departure {
	p, n := h.of, h.number
	d, ok := n.history.Next(p.now)
	if !ok || d.Ref != h.ref || d.From != h.from || len(p.heldQueue) == 0 || p.heldQueue[0] != n {
		panic("partition: a held chunk was consumed twice, or the partition has changed since NextHeld")
	}
	n.inHeldQueue = false
	p.heldQueue = p.heldQueue[1:]
	p.turn.begin()
	return d
}

// enqueueHeld adds a number to the queue of NextHeld if its next chunk has to be read again.
func (p *Partition) enqueueHeld(n *number) {
	if n.inHeldQueue {
		return
	}
	if _, ok := n.history.Next(p.now); ok {
		n.inHeldQueue = true
		p.heldQueue = append(p.heldQueue, n)
	}
}
