package judge

import (
	"github.com/coexstream/coexstream/schemas"
)

// table maps identities of tens of millions of things to small numbers, with 16 bytes for each and little free space.
// It stores 96 bits of an identity, and has no pointers.
type table struct{ shards [256]shard }

// shard is a table of its own with linear probing, so that growing one does not touch the others.
type shard struct {
	slots []slot
	used  int
}

type slot struct {
	hi    uint64
	lo    uint32 // with hi, the identity; both 0: free
	value int32
}

// get returns the value of a key, and whether it exists.
func (t *table) get(key schemas.Hash) (value int32, known bool) {
	s := &t.shards[key.Lo>>56]
	if s.used == 0 {
		return 0, false
	}
	if at := s.find(slotOf(key)); !at.free() {
		return at.value, true
	}
	return 0, false
}

// put adds a new key.
func (t *table) put(key schemas.Hash, value int32) {
	s := &t.shards[key.Lo>>56]
	if s.used*8 >= len(s.slots)*7 {
		s.grow()
	}
	k := slotOf(key)
	k.value = value
	*s.find(k) = k
	s.used++
}

func slotOf(key schemas.Hash) slot {
	k := slot{hi: key.Hi, lo: uint32(key.Lo)}
	if k.free() {
		k.lo = 1
	}
	return k
}

func (k *slot) free() bool { return k.hi == 0 && k.lo == 0 }

// find returns the slot of a key, or the free slot for it.
func (s *shard) find(k slot) *slot {
	n := uint64(len(s.slots))
	for i := (k.hi >> 32) * n >> 32; ; {
		at := &s.slots[i]
		if at.free() || at.hi == k.hi && at.lo == k.lo {
			return at
		}
		if i++; i == n {
			i = 0
		}
	}
}

// grow makes the shard larger by a half.
func (s *shard) grow() {
	old := s.slots
	s.slots = make([]slot, max(16, len(old)+len(old)/2))
	for _, k := range old {
		if !k.free() {
			*s.find(k) = k
		}
	}
}
