package dedup

import (
	"math/bits"
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
)

// Table maps hashes to values of a fixed size. Its zero value is an empty table. It is not safe for
// concurrent use.
//
// Values are in blocks that never move, so pointers to them stay valid. Growing copies only the index: four bytes a
// slot, at least two fifths full. No memory waits for a map to double. Values are numbered in the order of insertion,
// and never removed.
type Table[T any] struct {
	blocks [][]cell[T]
	n      int
	index  []uint32 // 1 + number of the value, 0 for an empty slot; as long as a power of two
}

type cell[T any] struct {
	hash  schemas.Hash
	value T
}

const (
	blockCellsMax = 1024
	indexMin      = 16
)

// Find is the value of a hash, nil when there is none.
func (t *Table[T]) Find(h schemas.Hash) *T {
	if t.n == 0 {
		return nil
	}
	mask := len(t.index) - 1
	for slot := int(h.Lo) & mask; t.index[slot] != 0; slot = (slot + 1) & mask {
		if c := t.cell(int(t.index[slot] - 1)); c.hash == h {
			return &c.value
		}
	}
	return nil
}

// Obtain is the value of a hash: a zero one, and fresh, when there was none.
func (t *Table[T]) Obtain(h schemas.Hash) (value *T, fresh bool) {
	if v := t.Find(h); v != nil {
		return v, false
	}
	if t.n >= len(t.index)/5*4 {
		t.index = make([]uint32, max(2*len(t.index), indexMin))
		for i := range t.n {
			t.place(t.cell(i).hash, i)
		}
	}
	block, at := blockOf(t.n)
	if block == len(t.blocks) {
		t.blocks = append(t.blocks, make([]cell[T], blockCells(block)))
	}
	c := &t.blocks[block][at]
	c.hash = h
	t.place(h, t.n)
	t.n++
	return &c.value, true
}

// At is the hash and the value of a number below Len.
func (t *Table[T]) At(i int) (schemas.Hash, *T) {
	c := t.cell(i)
	return c.hash, &c.value
}

// Len is the number of values.
func (t *Table[T]) Len() int { return t.n }

// Bytes is what the table costs in memory, without what the values point to.
func (t *Table[T]) Bytes() int {
	b := cap(t.index)*4 + cap(t.blocks)*int(unsafe.Sizeof(t.blocks))
	for _, block := range t.blocks {
		b += cap(block) * int(unsafe.Sizeof(cell[T]{}))
	}
	return b
}

func (t *Table[T]) cell(i int) *cell[T] {
	block, at := blockOf(i)
	return &t.blocks[block][at]
}

func (t *Table[T]) place(h schemas.Hash, number int) {
	mask := len(t.index) - 1
	slot := int(h.Lo) & mask
	for t.index[slot] != 0 {
		slot = (slot + 1) & mask
	}
	t.index[slot] = uint32(number) + 1
}

// The first blocks have 16, 16, 32, 64, … 512 cells, 1024 together, so that a small table is small; all
// that follow have 1024.
func blockCells(block int) int {
	switch {
	case block == 0:
		return 16
	case block < firstWhole:
		return 16 << (block - 1)
	}
	return blockCellsMax
}

const firstWhole = 7

// blockOf is the block and the place in it of a number.
func blockOf(i int) (block, at int) {
	if i >= blockCellsMax {
		return firstWhole - 1 + i/blockCellsMax, i % blockCellsMax
	}
	block = bits.Len(uint(i / 16))
	if block == 0 {
		return 0, i
	}
	return block, i - 8<<block
}
