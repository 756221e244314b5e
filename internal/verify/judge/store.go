package judge

import "encoding/base64"

// The truth of tens of millions of messages is stored in pages, which never move.

// ledger stores the items.
type ledger struct {
	pages []*[itemsOfPage]item
	count int32
}

const itemsOfPage = 1 << 12

func (l *ledger) add(it item) {
	if int(l.count)%itemsOfPage == 0 {
		l.pages = append(l.pages, new([itemsOfPage]item))
	}
	l.pages[l.count/itemsOfPage][l.count%itemsOfPage] = it
	l.count++
}

// item is the i-th one.
func (j *Judge) item(i int32) *item { return &j.items.pages[i/itemsOfPage][i%itemsOfPage] }

// words interns strings that repeat.
type words struct {
	index map[string]uint32
	list  []string
}

func (w *words) init() { w.index, w.list = map[string]uint32{"": 0}, []string{""} }

func (w *words) of(s string) uint32 {
	if i, ok := w.index[s]; ok {
		return i
	}
	i := uint32(len(w.list))
	w.list = append(w.list, s)
	w.index[s] = i
	return i
}

// arena stores wamids, or the keys that replace them, without an allocation for each.
type arena struct {
	pages   [][]byte
	scratch []byte
}

// span is a string in the arena: page, offset, length.
type span struct {
	page   uint32
	offset uint16
	length uint16 // with packedBit
}

const (
	pageBytes = 1 << 16 // so that an offset fits
	packedBit = 1 << 15
	wamidHead = "wamid."
)

// put stores a string of up to 32,767 bytes. The base64 part of a wamid is stored decoded.
func (a *arena) put(s string) span {
	a.scratch = a.scratch[:0]
	packed := uint16(0)
	if len(s) > len(wamidHead) && s[:len(wamidHead)] == wamidHead {
		said := s[len(wamidHead):]
		b, err := base64.StdEncoding.Strict().AppendDecode(a.scratch, []byte(said))
		// The decoder ignores line breaks.
		if err == nil && len(b) < packedBit && base64.StdEncoding.EncodedLen(len(b)) == len(said) {
			a.scratch, packed = b, packedBit
		}
	}
	if packed == 0 {
		a.scratch = append(a.scratch[:0], s[:min(len(s), packedBit-1)]...)
	}
	if n := len(a.pages); n == 0 || len(a.pages[n-1])+len(a.scratch) > pageBytes {
		a.pages = append(a.pages, make([]byte, 0, pageBytes))
	}
	n := len(a.pages) - 1
	sp := span{uint32(n), uint16(len(a.pages[n])), uint16(len(a.scratch)) | packed}
	a.pages[n] = append(a.pages[n], a.scratch...)
	return sp
}

func (a *arena) get(s span) string { return string(a.appendTo(nil, s)) }

func (a *arena) appendTo(dst []byte, s span) []byte {
	length := uint32(s.length &^ packedBit)
	if length == 0 {
		return dst
	}
	kept := a.pages[s.page][s.offset : uint32(s.offset)+length]
	if s.length&packedBit == 0 {
		return append(dst, kept...)
	}
	return base64.StdEncoding.AppendEncode(append(dst, wamidHead...), kept)
}
