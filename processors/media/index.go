package media

// index finds numbers by hashes, in slots that are two to four fifths full. A slot has two bytes as long as the numbers
// fit, because most buckets are small.
type index struct {
	small []uint16 // 1 + number, 0 for an empty slot; the length is a power of two
	large []uint32 // instead of small, once a number needs it
	n     int
}

const (
	indexMin = 16
	smallMax = 1<<16 - 1
)

// find calls is with the numbers that may have a hash, until it returns true; -1: for none.
func (x *index) find(hash uint64, is func(number int) bool) int {
	if x.n == 0 {
		return -1
	}
	mask := x.slots() - 1
	for slot := int(hash) & mask; ; slot = (slot + 1) & mask {
		switch number := x.at(slot) - 1; {
		case number < 0:
			return -1
		case is(number):
			return number
		}
	}
}

// add adds the next number, which has a hash. hashOf returns the hashes of the numbers before it.
func (x *index) add(hash uint64, hashOf func(number int) uint64) {
	if slots := x.slots(); x.n >= slots/5*4 {
		size := max(2*slots, indexMin)
		x.small, x.large = nil, nil
		if size/5*4 <= smallMax {
			x.small = make([]uint16, size)
		} else {
			x.large = make([]uint32, size)
		}
		for i := range x.n {
			x.place(hashOf(i), i)
		}
	}
	x.place(hash, x.n)
	x.n++
}

func (x *index) place(hash uint64, number int) {
	mask := x.slots() - 1
	slot := int(hash) & mask
	for x.at(slot) != 0 {
		slot = (slot + 1) & mask
	}
	if x.large != nil {
		x.large[slot] = uint32(number + 1)
	} else {
		x.small[slot] = uint16(number + 1)
	}
}

func (x *index) slots() int { return len(x.small) + len(x.large) }

func (x *index) at(slot int) int {
	if x.large != nil {
		return int(x.large[slot])
	}
	return int(x.small[slot])
}

func (x *index) bytes() int { return 2*cap(x.small) + 4*cap(x.large) }
