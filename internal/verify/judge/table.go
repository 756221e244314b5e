package judge

import (
	"github.com/coexstream/coexstream/schemas"
)

// table maps identities to small numbers, of tens of millions of things: 16 bytes for each, and little that is free.
// It keeps 96 bits of an identity, and holds no pointers.
type table struct{ shards [256]shard }

// shard is a table of its own with linear probing, so that growing one leaves the others as they are.
type shard struct {
	slots []slot
	used  int
}

type slot struct {
	hi    uint64
	lo    uint32 // with hi the identity; both 0: free
	value int32
}

// get is the value of a key, and whether there is one.
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

// put adds a key that is not there yet.
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

// find is where a key is, or the free slot where it belongs.
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

// grow makes room for half as many again.
func (s *shard) grow() {
	old := s.slots
	s.slots = make([]slot, max(16, len(old)+len(old)/2))
	for _, k := range old {
		if !k.free() {
			*s.find(k) = k
		}
	}
}
