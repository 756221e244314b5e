package history

import "slices"

// An owner may keep a boundary that concerns many numbers itself, once (Boundary.Seq). The record of a number is not written because
// of it. The record holds Seq, up to which the number has the owner's boundaries, and names those that are pending. After a restore
// the owner passes again what the number Lacks. A boundary must then meet the state that it met before. So the record is written with
// every other change of the number, and it is at most as old as the last of these. The owner keeps each boundary that a number Needs.

// note notes that the record of the number is old because of a boundary.
func (n *Number) note(b Boundary) {
	if b.Seq == 0 {
		n.changed = true
	} else {
		n.stale = true
	}
}

// passed notes whether a boundary changed the fence, which the record of the number then lacks.
func (n *Number) passed(b Boundary, fence bool) {
	n.note(b)
	n.unwritten = slices.DeleteFunc(n.unwritten, func(seq int64) bool { return seq == b.Seq })
	if b.Seq > 0 && fence {
		n.unwritten = append(n.unwritten, b.Seq)
	}
}

// Again passes a boundary of the owner to a restored number that lacks it.
func (n *Number) Again(b Boundary) {
	n.Boundary(b.ReceivedAt, b)
	if n.pends(b.Seq) {
		n.unwritten = append(n.unwritten, b.Seq)
	}
}

// Lacks reports whether the record of a restored number lacks a boundary of the owner.
func (n *Number) Lacks(seq int64) bool { return seq > n.restored || slices.Contains(n.waiting, seq) }

// Seq returns the last of the owner's boundaries that the number has.
func (n *Number) Seq() int64 { return n.seq }

// Skip says that the number has the owner's boundaries up to one.
func (n *Number) Skip(seq int64) { n.seq = max(n.seq, seq) }

// Unwritten returns the owner's boundaries that took effect and that the record lacks. They are few: of those without a chunk between
// them, only the first one and the first of a stronger kind take effect. The caller must not change the result.
func (n *Number) Unwritten() []int64 { return n.unwritten }

// Needs reports whether the owner has to keep a boundary for the number.
func (n *Number) Needs(seq int64) bool { return slices.Contains(n.unwritten, seq) || n.pends(seq) }

func (n *Number) pends(seq int64) bool {
	return slices.ContainsFunc(n.pending, func(b Boundary) bool { return b.Seq == seq })
}

// Write lets the next TakeState write the record of the number, if it is old. The number then needs only pending
// boundaries.
func (n *Number) Write() { n.changed = n.changed || n.stale }

// Drop removes the pending boundaries up to one that the owner does not keep.
func (n *Number) Drop(upTo int64) {
	n.pending = slices.DeleteFunc(n.pending, func(b Boundary) bool {
		return b.Seq > 0 && b.Seq <= upTo && !slices.Contains(n.unwritten, b.Seq)
	})
}
