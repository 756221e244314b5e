package split

import (
	"strconv"

	"github.com/coexstream/coexstream/schemas"
)

// A part that is odd does not take its body along. What is odd is invalid UTF-8, an object with a name twice, nesting
// deeper than the limit, and a value of another kind where there has to be an array or an object to cut. The
// smallest part that can be cut is left out: a message, echo, status or contact, the profiles of the users (contacts[]),
// else an element of history[], else a change. What is odd outside of every change refuses the body.

// Place is a part of a body that was left out because it is odd.
type Place struct {
	Change int32 // in Body.Changes
	kind   placeKind
	region region
	// Position in its array; of a message of the past, in its thread.
	element, thread, index int32
	rest                   bool // and all that follow it in its array
}

type placeKind uint8

const (
	placeChange placeKind = iota // the change as a whole
	placeMessage
	placeEcho
	placeStatus
	placeContact
	placeProfile // an entry of value.contacts[]
	placeElement // of history[]
	placePast    // a message of a thread of an element
	placeKinds
)

// placeNames are the names of the arrays, whatever the webhook called them.
var placeNames = [placeKinds]string{
	placeMessage: ".messages.", placeEcho: ".message_echoes.", placeStatus: ".statuses.", placeContact: ".state_sync.", placeProfile: ".contacts.",
	placeElement: ".history.", placePast: ".history.",
}

// AppendPath appends where the part stands: entry.change, the name of its array and its position there, from 0; a
// message of the past is entry.change.history.0.threads.2.messages.7. Where a value has several arrays of one kind,
// the positions go on from one to the next. A hyphen behind it says that all that follow in the array are meant, too.
func (p *Place) AppendPath(dst []byte, b *Body) []byte {
	c := &b.Changes[p.Change]
	dst = p.append(c.AppendPath(dst))
	if p.rest {
		dst = append(dst, '-')
	}
	return dst
}

func (p *Place) append(dst []byte) []byte {
	dst = append(dst, placeNames[p.kind]...)
	switch p.kind {
	case placeChange:
		return dst
	case placeElement:
		return strconv.AppendInt(dst, int64(p.element), 10)
	case placePast:
		dst = strconv.AppendInt(dst, int64(p.element), 10)
		dst = append(dst, ".threads."...)
		dst = strconv.AppendInt(dst, int64(p.thread), 10)
		dst = append(dst, ".messages."...)
	}
	return strconv.AppendInt(dst, int64(p.index), 10)
}

// AppendPath appends where the change stands: entry.change.
func (c *Change) AppendPath(dst []byte) []byte {
	dst = strconv.AppendInt(dst, int64(c.Entry), 10)
	dst = append(dst, '.')
	return strconv.AppendInt(dst, int64(c.Index), 10)
}

// placesMax is how many places of a body are remembered: more than a header of a dead letter has room for.
const placesMax = 1024

// region is what of the root a part belongs to, as long as its envelope is not known.
type region uint8

const (
	regionEntries region = iota // Meta's changes
	regionRoot                  // the root as a bare value
	regionData                  // 360dialog's data
	regionCloud                 // what a YCloud event is about
)

// regionOf is where the parts of an envelope stand.
var regionOf = [...]region{
	EnvelopeMeta: regionEntries, Envelope360Dialog: regionData, EnvelopeBare: regionRoot, EnvelopeYCloud: regionCloud,
}

// cutting is what was found odd in the change that is being read.
type cutting struct {
	region region
	change int32 // in Body.Changes
	cut    int32 // parts that were left out
	places int   // how many places there were before
	first  fault // of the first part that was left out
	loose  fault // the first that makes the change's bytes unfit to leave as they are
	items  [placeKinds]int32
}

// soft notes what is odd about the part that is being read.
func (s *Scanner) soft(reason schemas.Reason, offset int, detail string) {
	s.odd.note(reason, offset, detail)
	if reason != schemas.ReasonShape && reason != schemas.ReasonIDTooLong {
		s.cutting.loose.note(reason, offset, detail)
	}
}

// isOdd tells whether something odd waits for the part that it makes odd.
func (s *Scanner) isOdd() bool { return s.odd.reason != "" }

// leaveOut leaves out the part that was just read: what is odd about it concerns it alone.
func (s *Scanner) leaveOut(p Place) {
	k := &s.cutting
	k.first.note(s.odd.reason, s.odd.offset, s.odd.detail)
	k.cut++
	p.Change, p.region = k.change, k.region
	if len(s.places) < placesMax {
		s.places = append(s.places, p)
	}
	s.odd = fault{}
}

// begin begins a change, or what can become one. It returns what end needs.
func (s *Scanner) begin(r region, change int) (outer cutting, odd fault) {
	outer, odd = s.cutting, s.odd
	s.cutting, s.odd = cutting{region: r, change: int32(change), places: len(s.places)}, fault{}
	if s.handover.seen {
		s.handover = handover{}
	}
	return outer, odd
}

// settle decides what becomes of a change in which something is odd, once all of it is read and its field is known.
//
// An array of another shape is forgiven in a field that does not carry such arrays by its definition: it may mean
// anything by that name, and goes on as it is. So such a change is odd as a whole where its bytes are unfit to leave.
func (s *Scanner) settle(c *Change) {
	k := &s.cutting
	if k.cut == 0 && !s.isOdd() {
		return
	}
	if !carriesParts(c.Field) && c.Value != nil {
		if k.loose.reason == "" {
			c.empty()
			s.places, s.odd = s.places[:k.places], fault{}
			return
		}
		s.odd = k.loose
	}
	if s.isOdd() {
		s.refuse(c)
		return
	}
	c.Odd, c.Cut, c.Loose = k.first.error(), int(k.cut), k.loose.reason != ""
}

// refuse leaves out a change as a whole.
func (s *Scanner) refuse(c *Change) {
	c.empty()
	c.Profiles, c.Errors, c.AccountEvent, c.PhoneNumber = nil, nil, nil, nil
	c.Odd, c.Cut, c.Loose, c.Refused = s.odd.error(), 1, true, true
	s.places = s.places[:s.cutting.places]
	s.leaveOut(Place{kind: placeChange})
}

// empty takes the parts out of a change.
func (c *Change) empty() {
	c.History, c.Messages, c.Echoes, c.Statuses, c.StateSync = nil, nil, nil, nil, nil
}

// placed drops the places of other regions than the envelope's.
func (s *Scanner) placed(e Envelope) []Place {
	kept := s.places[:0]
	for _, p := range s.places {
		if p.region == regionOf[e] {
			kept = append(kept, p)
		}
	}
	s.places = kept
	return since(kept, 0)
}
