package partition

import "github.com/coexstream/coexstream/processors/split"

// Turn limits one call of Webhook, Part, GoOn or Release. The partition returns when the limit is reached, and the rest is due
// later: with GoOn, or as a held chunk with Release. So the owner decides between two calls whether time is left, and the
// partition needs no clock. The zero value has no limit.
type Turn struct {
	// Items is the number of messages and other items after which the partition returns; 0: no limit. The partition looks at it
	// every PartItems of a body or a chunk, and between chunks.
	Items int
	// OneChunk lets at most one chunk leave in a call, and none with a body that has several.
	OneChunk bool
}

// PartItems is the least number of items of a body, or of a chunk, that leave together.
const PartItems = 128

// turnUse is a Turn, and what of it the present call has used.
type turnUse struct {
	Turn
	items, chunks int
}

// begin begins a call.
func (u *turnUse) begin() { u.items, u.chunks = 0, 0 }

// over tells whether the call has reached its limit after so many more items.
func (u *turnUse) over(more int) bool { return u.Items > 0 && u.items+more >= u.Items }

// chunkWaits tells whether a chunk of the body at hand has to wait for the next call.
func (u *turnUse) chunkWaits(h inHand) bool {
	if u.chunks == 0 {
		return u.OneChunk && !h.again && hasSeveralChunks(h.body)
	}
	return u.OneChunk || u.over(0)
}

func hasSeveralChunks(b *split.Body) bool { return b.ManyChunks(1) }

// Bound sets the limit of each call from now on.
func (p *Partition) Bound(u Turn) {
	p.turn = turnUse{Turn: u}
	p.eachReplayState(func(s *replayState) { s.turn = turnUse{Turn: u} })
}
