package media

// table maps wamids, by half of their hash, to cells of sixteen bytes, so that all placeholders of a sync can be
// remembered. Two of a million placeholders of a number collide with a probability of 1 to 30 million.
//
// Cells are in blocks that never move. They are numbered in the order of arrival, and never removed.
type table struct {
	blocks [][]cell
	index  index
}

// cell is a placeholder, packed.
type cell struct {
	key       uint64
	timestamp uint32 // Unix seconds
	rest      uint32 // the number of the thread, and in the lowest bits the direction and whether it is a group; see bucket.rare
}

const (
	blockCellsMax = 256
	blockCellsMin = 16
	doubling      = 5 // blocks before the first full one
)

func (t *table) len() int { return t.index.n }

// find returns the number of a key's cell; -1: none.
func (t *table) find(key uint64) int {
	return t.index.find(key, func(i int) bool { return t.at(i).key == key })
}

// add adds the cell of a key that has none.
func (t *table) add(c cell) {
	last := len(t.blocks) - 1
	if last < 0 || len(t.blocks[last]) == cap(t.blocks[last]) {
		last++
		t.blocks = append(t.blocks, make([]cell, 0, blockCells(last)))
	}
	t.blocks[last] = append(t.blocks[last], c)
	t.index.add(c.key, func(i int) uint64 { return t.at(i).key })
}

// blockCells returns the capacity of a block: 16, 16, 32, 64, …, and then blockCellsMax. The blocks before the first
// full one have blockCellsMax together.
func blockCells(block int) int {
	if block >= doubling {
		return blockCellsMax
	}
	return blockCellsMin << max(block-1, 0)
}

// at returns the cell of a number below len.
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

func (t *table) bytes() int {
	const sliceBytes, cellBytes = 24, 16
	b := t.index.bytes() + cap(t.blocks)*sliceBytes
	for _, block := range t.blocks {
		b += cap(block) * cellBytes
	}
	return b
}
