package split

import (
	"bytes"
	"math"
)

// Piece is one element of history[], with the parts of its change that its messages need, in memory of its own. A
// body with many chunks is divided into pieces if some of them have to wait. So a chunk that leaves later costs its
// own length, not that of its body.
type Piece struct {
	Change, Element   int // place in the body
	Phase, ChunkOrder int32

	of    *PieceChange
	body  []byte // entries of contacts[] as an array, followed by the element
	at    int    // beginning of the element in body
	depth int    // of nesting around it
	few   bool   // contacts[] is complete
}

// PieceChange is the common part of the pieces of a change.
type PieceChange struct {
	change                int
	entry, index          int
	waba, number, display []byte
	profiles              int     // the maximum that an event can have of contacts[]: see bound
	source                *Change // until Done
}

// pieceBytes is the memory for a piece beside its bytes, including its place in lists.
const pieceBytes = 384

// Bytes returns the approximate memory for a piece.
func (p *Piece) Bytes() int {
	return pieceBytes + len(p.body) + len(p.of.waba) + len(p.of.number) + len(p.of.display)
}

// Apart reports whether an element can be a piece. A native event cannot: it is one chunk, and its parts are beside
// others.
func (e *HistoryElement) Apart() bool { return !e.Out && e.depth > 0 }

// PieceChange begins the pieces of a change.
func (b *Body) PieceChange(change int) *PieceChange {
	c := &b.Changes[change]
	of := &PieceChange{
		change: change, entry: c.Entry, index: c.Index, number: bytes.Clone(c.PhoneNumberID), display: bytes.Clone(c.DisplayPhoneNumber),
		profiles: profilesCost(c.Profiles), source: c,
	}
	if !c.attributed { // not known either when the body is read again
		of.waba = bytes.Clone(c.WABA)
	}
	return of
}

// Piece copies an element. profiles are the positions, in ascending order, of the entries of contacts[] that its
// messages can be about.
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

// Done ends the pieces of a change. Afterwards they refer to nothing of the body.
func (of *PieceChange) Done() { of.source = nil }

// ScanPiece parses a piece. Only the Chunk of the Body may be used. It is valid as long as a Body of Scan.
func (s *Scanner) ScanPiece(p *Piece) *Body {
	s.reset(p.body)
	s.items = math.MinInt32 // they were counted when the body was parsed
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

// ManyChunks reports whether a body has more than n elements of history[].
func (b *Body) ManyChunks(n int) bool {
	elements := 0
	for i := range b.Changes {
		if elements += len(b.Changes[i].History); elements > n {
			return !b.piece
		}
	}
	return false
}

// Whole reports whether a body is complete, and not a piece.
func (b *Body) Whole() bool { return !b.piece }

// Chunk returns an element of history[] of a body, and its change. Both are nil if the body has no such element, or
// is a piece with another one.
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
