package split

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/coexstream/coexstream/schemas"
)

// pairwiseMax is the number of names of an object up to which each new name is compared with all others. A larger
// object sorts its names at its end, so n names cost n log n and never n².
const pairwiseMax = 16

// name is a member's name: its first eight bytes, and its place. The names of all open objects are one stack.
type name struct {
	head uint64
	at   uint32 // position in the body, or in the arena when inArena is set
	size uint32 // bytes
}

// inArena marks the position of a name that had to be decoded. Both lengths fit in 31 bits.
const inArena = 1 << 31

// nameSet is one object's part of the stack.
type nameSet struct {
	base int    // where it begins; set with the first name
	seen uint64 // one bit a name, by its hash: a clear bit spares the comparisons
}

func (set *nameSet) empty() bool { return set.seen == 0 }

// name reads the name that begins at start, after its quote, into o.key and into o's set. A duplicate makes the part
// odd.
func (s *Scanner) name(o *object, start int) int {
	b := s.in
	if start+8 <= len(b) {
		// Most names are seen whole in one load.
		x := binary.LittleEndian.Uint64(b[start : start+8 : start+8])
		if m := (special(x) | x) & highs; m != 0 {
			size := bits.TrailingZeros64(m) >> 3
			if end := start + size; b[end] == '"' {
				o.key = b[start:end:end]
				return s.addName(o, name{head: x & (1<<(8*size) - 1), at: uint32(start), size: uint32(size)}, end+1)
			}
		}
	}
	end, escaped := s.str(start - 1)
	if end < 0 {
		return -1
	}
	n := name{at: uint32(start)}
	o.key = b[start : end-1 : end-1]
	if escaped {
		n.at = uint32(len(s.arena)) | inArena
		o.key = s.unescape(o.key)
	}
	n.head, n.size = head(o.key), uint32(len(o.key))
	return s.addName(o, n, end)
}

// addName puts n, which is o.key, into o's set. end is where its string ends.
func (s *Scanner) addName(o *object, n name, end int) int {
	set := &o.names
	bit := uint64(1) << ((n.head ^ uint64(n.size)) * 0x9E3779B97F4A7C15 >> 58)
	if set.seen&bit != 0 {
		if open := s.names[set.base:]; len(open) < pairwiseMax {
			for j := range open {
				if open[j].head == n.head && open[j].size == n.size && (n.size <= 8 || bytes.Equal(s.nameText(&open[j]), o.key)) {
					s.soft(schemas.ReasonJSONDuplicate, end-1, detailTwice)
					break
				}
			}
		}
	}
	set.seen |= bit
	s.names = append(s.names, n)
	return end
}

// head returns the first eight bytes of key; missing ones are 0.
func head(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.LittleEndian.Uint64(key)
	}
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

// closeNames removes the set from the stack. i is the end of its object.
func (s *Scanner) closeNames(set *nameSet, i int) {
	open := s.names[set.base:]
	s.names = s.names[:set.base]
	if len(open) <= pairwiseMax {
		return
	}
	slices.SortFunc(open, func(x, y name) int { return s.compareNames(&x, &y) })
	for j := 1; j < len(open); j++ {
		if s.compareNames(&open[j-1], &open[j]) == 0 {
			s.soft(schemas.ReasonJSONDuplicate, i, detailTwice)
			return
		}
	}
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
