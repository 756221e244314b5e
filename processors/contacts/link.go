package contacts

import (
	"bytes"
	"encoding/binary"

	"github.com/coexstream/coexstream/processors/identity"
)

// links records which ids were named together. A link is in two lists: that of the phone number and that of the BSUID.
// The entries have the heads of the lists. Links are never removed, and have no pointers for the garbage collector.
type links struct {
	cells []cell // cells[0] ends the lists
	ids   []byte // each id once, as its length (uvarint) and its bytes
}

// cell is one end of a link: an element of one id's list with the other id.
type cell struct {
	other uint32 // the place of the other id in ids
	next  uint32
}

// id returns the id at a place in ids. It stays valid, because bytes are only appended.
func (l *links) id(at uint32) []byte {
	n, w := binary.Uvarint(l.ids[at:])
	from := int(at) + w
	return l.ids[from : from+int(n) : from+int(n)]
}

func (l *links) keep(id []byte) uint32 {
	at := uint32(len(l.ids))
	l.ids = binary.AppendUvarint(l.ids, uint64(len(id)))
	l.ids = append(l.ids, id...)
	return at
}

// has reports whether a list contains an id, in either spelling.
func (l *links) has(head uint32, id []byte) bool {
	for ; head != 0; head = l.cells[head].next {
		if other := l.id(l.cells[head].other); bytes.Equal(other, id) || identity.SamePhone(other, id) {
			return true
		}
	}
	return false
}

// full reports whether a list has the maximum number of links.
func (l *links) full(head uint32) bool {
	n := 0
	for ; head != 0 && n < linksMax; head = l.cells[head].next {
		n++
	}
	return n == linksMax
}

// push adds an id at the front of a list, and returns the new head.
func (l *links) push(head uint32, id []byte) uint32 {
	if len(l.cells) == 0 {
		l.cells = append(l.cells, cell{})
	}
	l.cells = append(l.cells, cell{other: l.keep(id), next: head})
	return uint32(len(l.cells) - 1)
}

// first returns the newest link of a list; nil: none.
func (l *links) first(head uint32) []byte {
	if head == 0 {
		return nil
	}
	return l.id(l.cells[head].other)
}
