package contacts

import (
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
)

// entry is what is known of an id, a phone number or a BSUID, of one business's number.
type entry struct {
	hash   schemas.Hash
	newest Version // the newest change that names the id
	links  uint32  // head of the list of the ids that were named together with it
	shown  bool    // there is a row under the id
	told   bool    // a change that names it was seen; before that newest says nothing
	// alone: the newest change names no other id. Where it does, the newest that names this id alone is in
	// Book.alone, if there was one.
	alone bool
}

// entries finds an entry by its hash. Entries lie in blocks that never move, so that growing copies only
// the index, of four bytes a slot, and a pointer to an entry stays good.
type entries struct {
	blocks [][]entry
	n      int
	index  []uint32 // 1 + number of the entry, 0 for an empty slot; as long as a power of two
}

const (
	blockShift = 10
	blockSize  = 1 << blockShift
	indexMin   = 16
)

func (t *entries) at(i uint32) *entry { return &t.blocks[i>>blockShift][i&(blockSize-1)] }

// find is the entry of a hash, nil when there is none.
func (t *entries) find(h schemas.Hash) *entry {
	if t.n == 0 {
		return nil
	}
	mask := len(t.index) - 1
	for slot := int(h.Lo) & mask; t.index[slot] != 0; slot = (slot + 1) & mask {
		if e := t.at(t.index[slot] - 1); e.hash == h {
			return e
		}
	}
	return nil
}

// obtain is the entry of a hash, a new one when there is none.
func (t *entries) obtain(h schemas.Hash) *entry {
	if e := t.find(h); e != nil {
		return e
	}
	if t.n >= len(t.index)/5*4 {
		t.grow()
	}
	if t.n&(blockSize-1) == 0 {
		t.blocks = append(t.blocks, make([]entry, blockSize))
	}
	e := t.at(uint32(t.n))
	e.hash = h
	t.n++
	t.place(h, uint32(t.n))
	return e
}

func (t *entries) grow() {
	t.index = make([]uint32, max(2*len(t.index), indexMin))
	for i := range t.n {
		t.place(t.at(uint32(i)).hash, uint32(i+1))
	}
}

func (t *entries) place(h schemas.Hash, number uint32) {
	mask := len(t.index) - 1
	slot := int(h.Lo) & mask
	for t.index[slot] != 0 {
		slot = (slot + 1) & mask
	}
	t.index[slot] = number
}

func (t *entries) bytes() int {
	n := cap(t.index) * 4
	for _, b := range t.blocks {
		n += cap(b) * int(unsafe.Sizeof(entry{}))
	}
	return n
}
