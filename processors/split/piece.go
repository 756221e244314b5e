package split

import (
	"bytes"
	"math"
)

// Piece is one element of history[] with what its messages need of its change, in memory of its own. A body with many
// chunks is cut into pieces when some of them have to wait: a chunk that leaves later costs what it has itself, and not
// what its body has.
type Piece struct {
	Change, Element   int // where it stands in the body
	Phase, ChunkOrder int32

	of    *PieceChange
	body  []byte // entries of contacts[] as an array, and behind them the element
	at    int    // where the element begins in body
	depth int    // of nesting around it
	few   bool   // contacts[] is there as a whole
}

// PieceChange is what the pieces of a change have in common.
type PieceChange struct {
	change                int
	entry, index          int
	waba, number, display []byte
	profiles              int     // what an event can have of contacts[]: see bound
	source                *Change // until Done
}

// pieceBytes is what a piece takes beside its bytes, with its place in the lists that hold it.
const pieceBytes = 384

// Bytes is about what a piece takes in memory.
func (p *Piece) Bytes() int {
	return pieceBytes + len(p.body) + len(p.of.waba) + len(p.of.number) + len(p.of.display)
}

// Apart reports whether an element can be a piece. A native event cannot: it is one chunk, and its parts stand beside others.
func (e *HistoryElement) Apart() bool { return !e.Out && e.depth > 0 }

// PieceChange begins the pieces of a change.
func (b *Body) PieceChange(change int) *PieceChange {
	c := &b.Changes[change]
	of := &PieceChange{
		change: change, entry: c.Entry, index: c.Index, number: bytes.Clone(c.PhoneNumberID), display: bytes.Clone(c.DisplayPhoneNumber),
		profiles: profilesCost(c.Profiles), source: c,
	}
	if !c.attributed { // when the body is read again it is not, either
		of.waba = bytes.Clone(c.WABA)
	}
	return of
}

// Piece copies an element. profiles are the entries of contacts[] that its messages can be about, by their positions, which
// ascend.
func (of *PieceChange) Piece(element int, profiles []int32) *Piece {
	el := &of.source.History[element]
	size := len(el.Raw) + len("[]")
	for _, at := range profiles {
		size += len(of.source.Profiles[at].Raw) + len(",")
	}
	p := &Piece{
		Change: of.change, Element: element, Phase: el.Phase, ChunkOrder: el.ChunkOrder, of: of,
		body: make([]byte, 0, size), depth: int(el.depth), few: len(profiles) == len(of.source.Profiles),
	}
	if len(profiles) > 0 {
		p.body = append(p.body, '[')
		for i, at := range profiles {
			if i > 0 {
				p.body = append(p.body, ',')
			}
			p.body = append(p.body, of.source.Profiles[at].Raw...)
		}
		p.body = append(p.body, ']')
	}
	p.at = len(p.body)
	p.body = append(p.body, el.Raw...)
	return p
}

// Done ends the pieces of a change: nothing of the body is held.
func (of *PieceChange) Done() { of.source = nil }

// ScanPiece cuts a piece. Nothing of the Body but its Chunk may be used, for as long as that of Scanner.Scan.
func (s *Scanner) ScanPiece(p *Piece) *Body {
	s.reset(p.body)
	s.items = math.MinInt32 // they were counted when the body was cut
	c, _ := room(s, &s.changes, 0)
	e, _ := room(s, &s.elements, 0)
	s.begin(regionEntries, 0)
	c.Entry, c.Index = p.of.entry, p.of.index
	c.WABA, c.PhoneNumberID, c.DisplayPhoneNumber = p.of.waba, p.of.number, p.of.display
	c.ProfilesChosen, c.profilesCost = !p.few, p.of.profiles
	if p.at > 0 {
		s.profileArray(0, &c.Profiles)
	}
	s.depth = p.depth
	s.historyElement(p.at, e, int32(p.Element))
	c.History = since(s.elements, 0)
	s.body = Body{Envelope: EnvelopeMeta, Changes: s.changes, piece: true, change: p.Change, element: p.Element}
	s.noteSpace()
	return &s.body
}

// ManyChunks tells whether a body has more than n elements of history[].
func (b *Body) ManyChunks(n int) bool {
	elements := 0
	for i := range b.Changes {
		if elements += len(b.Changes[i].History); elements > n {
			return !b.piece
		}
	}
	return false
}

// Whole tells whether all of a body is there, and not a piece of it.
func (b *Body) Whole() bool { return !b.piece }

// Chunk is an element of history[] of a body, and its change; nil where the body has no such element, or is a piece of
// another one.
func (b *Body) Chunk(change, element int) (*Change, *HistoryElement) {
	if b.piece {
		if change != b.change || element != b.element {
			return nil, nil
		}
		change, element = 0, 0
	}
	if change >= len(b.Changes) || element >= len(b.Changes[change].History) {
		return nil, nil
	}
	c := &b.Changes[change]
	return c, &c.History[element]
}
