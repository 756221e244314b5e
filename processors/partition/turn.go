package partition

import "github.com/coexstream/coexstream/processors/split"

// Turn limits one call of Webhook, Part, GoOn or Release. The partition returns when the limit is reached. GoOn
// processes the rest of a body, and Release that of a held chunk. So the owner decides between two calls whether
// time is left, and the partition needs no clock. The zero value has no limit.
type Turn struct {
	// Items is the number of messages and other items after which the partition returns; 0: no limit. The partition
	// checks it after every PartItems of a body or a chunk, and between chunks.
	Items int
	// OneChunk lets at most one chunk leave in a call. None leaves with its body if that has several chunks.
	OneChunk bool
}

// PartItems is the minimum number of items of a body, or of a chunk, that leave together.
const PartItems = 128

// turnUse is a Turn, and the part of it that the present call has used.
type turnUse struct {
	Turn
	items, chunks int
}

// begin begins a call.
func (u *turnUse) begin() { u.items, u.chunks = 0, 0 }

// over reports whether the call reaches its limit after so many more items.
func (u *turnUse) over(more int) bool { return u.Items > 0 && u.items+more >= u.Items }

// atMost returns how many of so many items can leave in the call.
func (u *turnUse) atMost(items int) int {
	if u.Items == 0 {
		return items
	}
	return min(items, u.Items+PartItems)
}

// chunkWaits reports whether a chunk of the present body has to wait for the next call.
func (u *turnUse) chunkWaits(h inHand) bool {
	if u.chunks == 0 {
		return u.OneChunk && !h.again && hasSeveralChunks(h.body)
	}
	return u.OneChunk || u.over(0)
}

func hasSeveralChunks(b *split.Body) bool { return b.ManyChunks(1) }

// Bound sets the limit of each later call.
func (p *Partition) Bound(u Turn) {
	p.turn = turnUse{Turn: u}
	p.eachReplayState(func(s *replayState) { s.turn = turnUse{Turn: u} })
}
