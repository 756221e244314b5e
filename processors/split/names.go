package split

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/coexstream/coexstream/schemas"
)

// pairwiseMax is how many names of an object are compared with each other as they come. A larger object
// sorts its names at its end, so that many names cost n log n and never n².
const pairwiseMax = 16

// name is a member's name: its first eight bytes, and where all of it is. The names of all open objects
// are one stack.
type name struct {
	head uint64
	at   uint32 // position in the body, or in the arena when inArena is set
	size uint32 // bytes
}

// inArena marks the position of a name that had to be decoded. Both lengths fit in 31 bits.
const inArena = 1 << 31

// nameSet is one object's part of the stack.
type nameSet struct {
	base int
	seen uint64 // one bit a name, by its hash: a clear bit spares the comparisons
}

// addName puts the name b[start:end] into o's set and into o.key, and refuses one that is there.
func (s *Scanner) addName(o *object, start, end int, escaped bool) bool {
	n := name{at: uint32(start), size: uint32(end - start)}
	key := s.in[start:end:end]
	if escaped {
		at := len(s.arena)
		key = s.unescape(key)
		n = name{at: uint32(at) | inArena, size: uint32(len(key))}
		n.head = head(key)
	} else if start+8 <= len(s.in) {
		n.head = binary.LittleEndian.Uint64(s.in[start:])
		if n.size < 8 {
			n.head &= 1<<(8*n.size) - 1
		}
	} else {
		n.head = head(key)
	}
	o.key = key

	set := &o.names
	bit := uint64(1) << ((n.head ^ uint64(n.size)) * 0x9E3779B97F4A7C15 >> 58)
	if set.seen&bit != 0 {
		if open := s.names[set.base:]; len(open) < pairwiseMax {
			for j := range open {
				if open[j].head == n.head && open[j].size == n.size && (n.size <= 8 || bytes.Equal(s.nameText(&open[j]), key)) {
					s.fail(schemas.ReasonJSONDuplicate, start, "an object has the same name twice")
					return false
				}
			}
		}
	}
	set.seen |= bit
	s.names = append(s.names, n)
	return true
}

// head is the first eight bytes of key, the missing ones 0.
func head(key []byte) uint64 {
	var b [8]byte
	copy(b[:], key)
	return binary.LittleEndian.Uint64(b[:])
}

func (s *Scanner) nameText(n *name) []byte {
	if n.at&inArena != 0 {
		at := n.at &^ inArena
		return s.arena[at : at+n.size]
	}
	return s.in[n.at : n.at+n.size]
}

// closeNames takes the set off the stack. i is the end of its object.
func (s *Scanner) closeNames(set *nameSet, i int) bool {
	open := s.names[set.base:]
	s.names = s.names[:set.base]
	if len(open) <= pairwiseMax {
		return true
	}
	slices.SortFunc(open, func(x, y name) int { return s.compareNames(&x, &y) })
	for j := 1; j < len(open); j++ {
		if s.compareNames(&open[j-1], &open[j]) == 0 {
			s.fail(schemas.ReasonJSONDuplicate, i, "an object has the same name twice")
			return false
		}
	}
	return true
}

func (s *Scanner) compareNames(x, y *name) int {
	if x.head != y.head {
		return cmp.Compare(x.head, y.head)
	}
	if x.size != y.size || x.size <= 8 {
		return cmp.Compare(x.size, y.size)
	}
	return bytes.Compare(s.nameText(x), s.nameText(y))
}
