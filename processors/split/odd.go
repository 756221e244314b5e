package split

import (
	"strconv"

	"github.com/coexstream/coexstream/schemas"
)

// An odd part does not affect the rest of its body. A part is odd if it has invalid UTF-8, an object with a duplicate
// name, or nesting deeper than the limit. So is a value of another kind instead of an array or an object. The smallest
// enclosing part is left out. It is a message, echo, status, contact or entry of contacts[]; else a thread; else an
// element of history[]; else an array beside others; else a change; else an entry beside others. A fault outside of
// every entry rejects the body.

// Place is the place of an odd part of a body that was left out.
type Place struct {
	Change int32 // in Body.Changes
	kind   placeKind
	region region
	// The position in its array; for a message of the past, in its thread. wholeArray: the array itself.
	element, thread, index int32
	rest                   bool // and all that follow it in its array
}

// wholeArray takes the place of a position.
const wholeArray = -1

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
	placeThread  // of an element
	placeKinds
)

// placeNames are the names of the arrays in paths. The webhook may use others.
var placeNames = [placeKinds]string{
	placeMessage: ".messages.", placeEcho: ".message_echoes.", placeStatus: ".statuses.", placeContact: ".state_sync.", placeProfile: ".contacts.",
	placeElement: ".history.", placePast: ".history.", placeThread: ".history.",
}

// AppendPath appends the path of the part: entry.change, the name of its array and its position there, from 0. A
// message of the past is entry.change.history.0.threads.2.messages.7, a whole array entry.change.statuses, and a
// whole entry its number alone. If a value has several arrays of one kind, the positions continue from one to the
// next. A hyphen at the end includes all that follow in the array.
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
	if p.index == wholeArray {
		return dst[:len(dst)-len(".")]
	}
	switch p.kind {
	case placeChange:
		return dst
	case placeThread:
		dst = strconv.AppendInt(dst, int64(p.element), 10)
		dst = append(dst, ".threads."...)
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

// AppendPath appends the path of the change: entry.change, or entry if it stands for the entry.
func (c *Change) AppendPath(dst []byte) []byte {
	dst = strconv.AppendInt(dst, int64(c.Entry), 10)
	if c.Index < 0 {
		return dst
	}
	dst = append(dst, '.')
	return strconv.AppendInt(dst, int64(c.Index), 10)
}

// placesMax bounds the places of a body. It is more than a header of a dead letter has room for.
const placesMax = 1024

// region is the part of the root that a part belongs to, while the envelope is not known.
type region uint8

const (
	regionEntries region = iota // Meta's changes
	regionRoot                  // the root as a bare value
	regionWrapped               // the value of a wrapped envelope
	regionNative                // the contacts of a native event
)

// regionOf returns the region of an envelope's parts.
var regionOf = [...]region{
	EnvelopeMeta: regionEntries, EnvelopeWrapped: regionWrapped, EnvelopeBare: regionRoot, EnvelopeNative: regionNative,
}

// cutting has the faults of the change that is being read.
type cutting struct {
	region region
	change int32 // in Body.Changes
	cut    int32 // parts that were left out
	places int   // how many places there were before
	first  fault // of the first part that was left out
	loose  fault // the first fault that prevents the change from leaving verbatim
	items  [placeKinds]int32

	// Values of another kind instead of an array of the change: a bit for the kind of each, and the first of them.
	whole      uint16
	firstKind  placeKind
	firstWhole int32 // its offset
}

// soft records the oddness of the part that is being read.
//
//go:noinline
func (s *Scanner) soft(reason schemas.Reason, offset int, detail string) {
	s.odd.note(reason, offset, detail)
	if reason != schemas.ReasonShape && reason != schemas.ReasonIDTooLong {
		s.cutting.loose.note(reason, offset, detail)
	}
}

// isOdd reports whether a fault was noted for the part that is being read.
func (s *Scanner) isOdd() bool { return s.odd.reason != "" }

// leaveOut leaves out the part that was just read, because its fault concerns only this part.
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

// settle decides on a change with a fault, after all of it was read and its field is known.
//
// An array of another shape is tolerated in a field that does not carry such arrays by definition. There the name
// may have any meaning, and the change leaves verbatim. So such a change is odd as a whole if its bytes must not
// leave.
func (s *Scanner) settle(c *Change) {
	k := &s.cutting
	if k.cut == 0 && k.whole == 0 && !s.isOdd() {
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
	if k.whole != 0 && !s.isOdd() && c.holdsNothing() {
		s.odd = k.noArray()
	}
	if s.isOdd() {
		s.refuse(c)
		return
	}
	if k.whole != 0 {
		s.leaveOutArrays()
	}
	c.Odd, c.Cut, c.Loose = k.first.error(), int(k.cut), k.loose.reason != ""
}

// misfitArray skips a value of another kind instead of an array of the change; null counts as absent.
func (s *Scanner) misfitArray(i int, kind placeKind) int {
	if k := &s.cutting; s.in[i] != 'n' {
		if k.whole == 0 {
			k.firstKind, k.firstWhole = kind, int32(i)
		}
		k.whole |= 1 << kind
	}
	return s.skip(i)
}

// noArray returns the fault of the first value of another kind in place of an array.
func (k *cutting) noArray() fault {
	detail := "messages, message_echoes or statuses is not an array"
	switch k.firstKind {
	case placeElement:
		detail = "history is not an array"
	case placeContact:
		detail = "state_sync is not an array"
	case placeProfile:
		detail = "contacts is not an array"
	}
	return fault{schemas.ReasonShape, int(k.firstWhole), detail}
}

// leaveOutArrays leaves out the values in place of arrays, beside valid arrays.
func (s *Scanner) leaveOutArrays() {
	k := &s.cutting
	noArray := k.noArray()
	if k.first.reason != "" && noArray.offset < k.first.offset {
		k.first = fault{} // the first in the document is reported
	}
	for kind := range placeKinds {
		if k.whole>>kind&1 != 0 {
			s.odd = noArray
			s.leaveOut(Place{kind: kind, index: wholeArray})
		}
	}
}

// holdsNothing reports whether a change would have no output.
func (c *Change) holdsNothing() bool {
	return len(c.History)+len(c.Messages)+len(c.Echoes)+len(c.Statuses)+len(c.StateSync)+len(c.Errors) == 0
}

// refuse leaves out a whole change.
func (s *Scanner) refuse(c *Change) {
	c.empty()
	c.Profiles, c.Errors, c.Beside, c.AccountEvent, c.PhoneNumber = nil, nil, nil, nil, nil
	c.Odd, c.Cut, c.Loose, c.Refused = s.odd.error(), 1, true, true
	s.places = s.places[:s.cutting.places]
	s.leaveOut(Place{kind: placeChange})
}

// empty removes the parts of a change.
func (c *Change) empty() {
	c.History, c.Messages, c.Echoes, c.Statuses, c.StateSync = nil, nil, nil, nil, nil
}

// placed removes the places of other regions than the envelope's.
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
