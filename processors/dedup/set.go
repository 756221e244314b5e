package dedup

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
)

// Set is a set of messages with the highest rank that each was raised to. Its zero value is an empty
// set. It is not safe for concurrent use.
//
// It is a table, or a tree of tables that each hold the hashes which begin with the same bits. One walk through all of
// a large set would take tens of milliseconds, and the message that made it grow would wait for it.
//
// The one message whose entry could look like an empty slot, with 78 zero bits, is kept beside the tables.
type Set struct {
	table
	entries  int
	expected int   // messages that follow, see Expect
	zero     uint8 // 1 + rank of the message of zero bits; 0: not seen
}

// table is a linear-probing table whose entries are in the order of their hashes. The home slot of a hash is its
// fraction of the table, so the order of the homes is the order of the hashes. The table can therefore grow by any
// factor in place, by one walk from its end to its start. A table that doubles would need twice the bytes for a while;
// this one stays between 0.65 and 0.8 full, unless expected messages are seen ones (Expect). The slots are in pages of a fixed size, of which growing copies at most the
// last.
//
// A slot of ten zero bytes is empty.
type table struct {
	pages [][]byte // slots, EntryBytes each; all pages but the last hold pageSlots
	homes int      // slots that a hash can call home; the rest take what runs over the end
	slots int      // slots in all pages
	n     int      // entries in the table
	shift uint8    // leading bits that all its hashes share
	parts *[partsCount]table
}

const (
	pageShift = 7
	pageSlots = 1 << pageShift
	pageBytes = pageSlots * EntryBytes // 1280: Go allocates this size, and most smaller ones, with little waste

	// A table that is full with so many homes is parted, by the next bits of the hashes. To walk through it takes
	// a fraction of a millisecond.
	partAt     = 1 << 15
	partsBits  = 6
	partsCount = 1 << partsBits
)

// full is how many entries a table of so many homes takes: 4/5, since beyond that the runs that an
// insertion moves get long; 7/8 of a table of one page, where runs are short and the set's own words are
// part of the price.
func full(homes int) int {
	if homes < pageSlots {
		return homes * 7 / 8
	}
	return homes * 4 / 5
}

// NewSet makes an empty set.
func NewSet() *Set { return new(Set) }

// key is what an entry keeps of a hash: 64 bits and 14, these at the top of 16.
func key(h schemas.Hash) (hi uint64, lo uint16) { return h.Hi, uint16(h.Lo) &^ 3 }

// Expect announces that so many messages follow, for instance those of a chunk. A table that has to grow for one of them
// makes room for all, but at most doubles. So it grows once or twice for many messages, and not by a little for every few.
func (s *Set) Expect(messages int) { s.expected = messages }

// Raise adds a message, or raises its rank; a rank never falls. It returns the former rank.
func (s *Set) Raise(h schemas.Hash, r schemas.Rank) (was schemas.Rank, seen bool) {
	hi, lo := key(h)
	return s.raise(hi, lo, r&3)
}

func (s *Set) raise(hi uint64, lo uint16, r schemas.Rank) (was schemas.Rank, seen bool) {
	if hi == 0 && lo == 0 {
		if s.zero == 0 {
			s.zero = 1 + uint8(r)
			return 0, false
		}
		was = schemas.Rank(s.zero - 1)
		s.zero = 1 + uint8(max(was, r))
		return was, true
	}
	t := s.part(hi)
	if t.homes == 0 {
		t.grow(s.expected)
	}
	s.expected = max(s.expected-1, 0)
	slot, found := t.find(hi, lo)
	if found {
		e := t.at(slot)
		was = schemas.Rank(e[9] & 3)
		if r > was {
			e[9] = e[9]&^3 | byte(r)
		}
		return was, true
	}
	if t.n >= full(t.homes) {
		if t.homes >= partAt && t.shift+partsBits < 64 {
			t.split()
			t = t.part(hi)
		} else {
			t.grow(s.expected)
		}
		slot, _ = t.find(hi, lo)
	}
	t.insert(slot, hi, lo|uint16(r))
	t.n++
	s.entries++
	return 0, false
}

// Lookup tells the highest rank that a message was raised to.
func (s *Set) Lookup(h schemas.Hash) (schemas.Rank, bool) {
	hi, lo := key(h)
	if hi == 0 && lo == 0 {
		if s.zero == 0 {
			return 0, false
		}
		return schemas.Rank(s.zero - 1), true
	}
	t := s.part(hi)
	if t.homes == 0 {
		return 0, false
	}
	slot, found := t.find(hi, lo)
	if !found {
		return 0, false
	}
	return schemas.Rank(t.at(slot)[9] & 3), true
}

// Len is the number of messages.
func (s *Set) Len() int {
	if s.zero != 0 {
		return s.entries + 1
	}
	return s.entries
}

// Bytes is what the set costs in memory. From 64 messages on that is at most 16 for each of them.
func (s *Set) Bytes() int {
	return int(unsafe.Sizeof(*s)) + s.held()
}

// held is what the table's pages and parts cost.
func (t *table) held() int {
	b := cap(t.pages) * int(unsafe.Sizeof(t.pages[0]))
	for _, p := range t.pages {
		b += cap(p)
	}
	if t.parts != nil {
		b += int(unsafe.Sizeof(*t.parts))
		for i := range t.parts {
			b += t.parts[i].held()
		}
	}
	return b
}

// Load raises every entry of a page. Pages may overlap and come in any order: the highest rank stays.
// A page that is not a whole number of entries is refused, and nothing of it is loaded.
func (s *Set) Load(page []byte) error {
	if len(page)%EntryBytes != 0 {
		return fmt.Errorf("load page of known messages: %d bytes are not a multiple of %d", len(page), EntryBytes)
	}
	for ; len(page) > 0; page = page[EntryBytes:] {
		lo := binary.BigEndian.Uint16(page[8:])
		s.raise(binary.BigEndian.Uint64(page), lo&^3, schemas.Rank(lo&3))
	}
	return nil
}

// each goes through the entries in the order of their hashes.
func (t *table) each(do func(entry []byte)) {
	for _, p := range t.pages {
		for ; len(p) > 0; p = p[EntryBytes:] {
			if !empty(p) {
				do(p[:EntryBytes])
			}
		}
	}
	if t.parts != nil {
		for i := range t.parts {
			t.parts[i].each(do)
		}
	}
}

// part is the table for a hash.
func (t *table) part(hi uint64) *table {
	for t.parts != nil {
		t = &t.parts[t.partOf(hi)]
	}
	return t
}

func (t *table) partOf(hi uint64) uint64 { return hi << t.shift >> (64 - partsBits) }

// split gives the table's entries to tables for the next bits of their hashes, each three quarters full.
func (t *table) split() {
	parts := new([partsCount]table)
	t.each(func(e []byte) { parts[t.partOf(binary.BigEndian.Uint64(e))].n++ })
	for i := range parts {
		p := &parts[i]
		p.shift, p.homes = t.shift+partsBits, p.n*4/3+4
		p.extend(p.homes)
	}
	var next [partsCount]int // the first free slot of each part
	t.each(func(e []byte) {
		hi := binary.BigEndian.Uint64(e)
		i := t.partOf(hi)
		p := &parts[i]
		slot := max(next[i], p.home(hi))
		p.extend(slot + 1)
		copy(p.at(slot), e)
		next[i] = slot + 1
	})
	*t = table{shift: t.shift, parts: parts}
}

func empty(e []byte) bool {
	return binary.BigEndian.Uint64(e) == 0 && binary.BigEndian.Uint16(e[8:]) == 0
}

func (t *table) at(slot int) []byte {
	off := (slot & (pageSlots - 1)) * EntryBytes
	return t.pages[slot>>pageShift][off : off+EntryBytes]
}

// home is the slot that a hash calls home.
func (t *table) home(hi uint64) int { return t.homeOf(hi, t.homes) }

func (t *table) homeOf(hi uint64, homes int) int {
	h, _ := bits.Mul64(hi<<t.shift, uint64(homes))
	return int(h)
}

// find is the slot of a key, or the slot where it belongs: the first from its home on that is empty or
// holds a larger one, or the one past the last.
func (t *table) find(hi uint64, lo uint16) (slot int, found bool) {
	for slot = t.home(hi); slot < t.slots; slot++ {
		e := t.at(slot)
		ehi, elo := binary.BigEndian.Uint64(e), binary.BigEndian.Uint16(e[8:])
		switch {
		case ehi == 0 && elo == 0:
			return slot, false
		case ehi < hi:
		case ehi > hi:
			return slot, false
		case elo&^3 == lo:
			return slot, true
		case elo&^3 > lo:
			return slot, false
		}
	}
	return slot, false
}

// insert puts an entry into a slot and moves the run that begins there up by one.
func (t *table) insert(slot int, hi uint64, lo uint16) {
	for ; ; slot++ {
		if slot == t.slots {
			t.extend(slot + 1)
		}
		e := t.at(slot)
		ehi, elo := binary.BigEndian.Uint64(e), binary.BigEndian.Uint16(e[8:])
		binary.BigEndian.PutUint64(e, hi)
		binary.BigEndian.PutUint16(e[8:], lo)
		if ehi == 0 && elo == 0 {
			return
		}
		hi, lo = ehi, elo
	}
}

// step is by how much a table of so many homes grows: small ones by less, for they pay for the set's own
// words as well, and moving them costs nothing.
func step(homes int) int {
	if homes < 512 {
		return max(4, homes/16)
	}
	return homes * 2 / 9
}

// roomFor returns the number of homes after the table grows, where so many messages of the whole set are expected.
func (t *table) roomFor(expected int) int {
	homes := t.homes + step(t.homes)
	if expected >>= t.shift; expected > 0 { // the leading bits of hashes are evenly distributed
		homes = max(homes, min((t.n+expected)*5/4, 2*t.homes, partAt))
	}
	return homes
}

// grow gives the table more homes and moves every entry to its new place. No entry moves down. So the pages are done
// from the last to the first, each from a copy, once the place of each page's first entry is known.
func (t *table) grow(expected int) {
	homes := t.roomFor(expected)
	starts := make([]int, len(t.pages)) // the first free slot when all earlier pages are placed
	next := 0
	for i, p := range t.pages {
		starts[i] = next
		for ; len(p) > 0; p = p[EntryBytes:] {
			if !empty(p) {
				next = max(next, t.homeOf(binary.BigEndian.Uint64(p), homes)) + 1
			}
		}
	}
	pages := len(t.pages)
	t.extend(max(homes, next))
	t.homes = homes
	var copied [pageBytes]byte
	for i := pages - 1; i >= 0; i-- {
		held := copied[:copy(copied[:], t.pages[i])]
		clear(t.pages[i])
		slot := starts[i]
		for p := held; len(p) > 0; p = p[EntryBytes:] {
			if !empty(p) {
				slot = max(slot, t.homeOf(binary.BigEndian.Uint64(p), homes))
				copy(t.at(slot), p[:EntryBytes])
				slot++
			}
		}
	}
}

// extend makes the table at least so many slots long.
func (t *table) extend(slots int) {
	for t.slots < slots {
		last := len(t.pages) - 1
		if last < 0 || len(t.pages[last]) == pageBytes {
			t.pages = append(t.pages, nil)
			last++
		}
		held := len(t.pages[last]) / EntryBytes
		p := newPage(min(pageSlots, held+slots-t.slots))
		copy(p, t.pages[last])
		t.pages[last] = p
		t.slots += len(p)/EntryBytes - held
	}
}

// newPage makes a page of at least so many slots: as many as Go's allocator gives for the same memory.
func newPage(slots int) []byte {
	p := append([]byte(nil), make([]byte, slots*EntryBytes)...)
	p = p[:min(cap(p)/EntryBytes, pageSlots)*EntryBytes]
	clear(p)
	return p
}
