package media

// table maps wamids, by half of their hash, to cells of sixteen bytes, so that all placeholders of a sync can be
// remembered. Of a million placeholders of a number two are one with a probability of 1 to 30 million.
//
// Cells lie in blocks that never move; growing copies only the index (four bytes a slot, at least two fifths full). They
// are numbered in the order in which they came; none is ever taken out.
type table struct {
	blocks [][]cell
	n      int
	index  []uint32 // 1 + number of the cell, 0 for an empty slot; as long as a power of two
}

// cell is a placeholder, packed.
type cell struct {
	key       uint64
	timestamp uint32 // Unix seconds
	rest      uint32 // number of the thread, and the direction in the two lowest bits; rare: see bucket.rare
}

const (
	blockCellsMax = 1024
	indexMin      = 16
	doubling      = 7 // blocks before the first full one
)

// find is the number of a key's cell, -1 when there is none.
func (t *table) find(key uint64) int {
	if t.n == 0 {
		return -1
	}
	mask := len(t.index) - 1
	for slot := int(key) & mask; t.index[slot] != 0; slot = (slot + 1) & mask {
		if i := int(t.index[slot] - 1); t.at(i).key == key {
			return i
		}
	}
	return -1
}

// add adds the cell of a key that has none.
func (t *table) add(c cell) {
	if t.n >= len(t.index)/5*4 {
		t.index = make([]uint32, max(2*len(t.index), indexMin))
		for i := range t.n {
			t.place(t.at(i).key, i)
		}
	}
	if last := len(t.blocks) - 1; last < 0 || len(t.blocks[last]) == cap(t.blocks[last]) {
		t.blocks = append(t.blocks, make([]cell, 0, blockCells(len(t.blocks))))
	}
	last := len(t.blocks) - 1
	t.blocks[last] = append(t.blocks[last], c)
	t.place(c.key, t.n)
	t.n++
}

// blockCells is the capacity of a block: 16, 16, 32, 64, … and blockCellsMax from there on, so that those before the first
// full one have blockCellsMax together.
func blockCells(block int) int {
	if block >= doubling {
		return blockCellsMax
	}
	return indexMin << max(block-1, 0)
}

// at is the cell of a number below n.
func (t *table) at(i int) *cell {
	if i >= blockCellsMax {
		i -= blockCellsMax
		return &t.blocks[doubling+i/blockCellsMax][i%blockCellsMax]
	}
	block, before := 0, 0
	for i >= before+blockCells(block) {
		before += blockCells(block)
		block++
	}
	return &t.blocks[block][i-before]
}

func (t *table) place(key uint64, number int) {
	mask := len(t.index) - 1
	slot := int(key) & mask
	for t.index[slot] != 0 {
		slot = (slot + 1) & mask
	}
	t.index[slot] = uint32(number + 1)
}

func (t *table) bytes() int {
	const sliceBytes, cellBytes = 24, 16
	b := cap(t.index)*4 + cap(t.blocks)*sliceBytes
	for _, block := range t.blocks {
		b += cap(block) * cellBytes
	}
	return b
}
