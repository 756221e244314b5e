package split

import (
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/provider"
)

// objectBusiness is the only `object` that a Meta envelope may have.
const objectBusiness = "whatsapp_business_account"

// root is the content of the outermost object. Its members come in any order, so the envelope is known only at the
// end. Until then the root is read as every envelope at once.
type root struct {
	metaRoot

	// Of the other envelopes. other reports a member that Meta's envelope lacks; otherwise the fields below are
	// empty.
	other bool

	// Wrapped.
	event     []byte
	hasData   bool
	data      Change // data as a value
	dataFault fault  // set if data is not a value
	dataEnd   regionEnd

	// Bare: the root is the value.
	bare      Change
	bareField bareField
	isValue   bool // has messaging_product or metadata

	native nativeEvent
}

// metaRoot is the root of Meta's envelope.
type metaRoot struct {
	raw []byte
	id  []byte // of the event: wrapped, native

	object    []byte
	hasObject bool
	hasEntry  bool
	entries   fault // the first outside of every change
	odd       int   // entries that are odd
	empty     int   // those of them whose only fault is that they have no changes

	// The first entry that has an id, and no fault outside of its changes.
	entryID   []byte
	entryTime int64
}

// reset empties the root. Most bodies have Meta's envelope, and the rest is large.
func (r *root) reset() {
	if r.other {
		*r = root{}
		return
	}
	r.metaRoot = metaRoot{}
}

// regionEnd has the faults of a region of the root that can become a change.
type regionEnd struct {
	cutting  cutting
	odd      fault
	handover handover
}

// leave ends a region that began with begin.
func (s *Scanner) leave(outer cutting, odd fault) regionEnd {
	e := regionEnd{s.cutting, s.odd, s.handover}
	s.cutting, s.odd, s.handover = outer, odd, handover{}
	return e
}

// enterAgain returns to a region, to settle its change.
func (s *Scanner) enterAgain(e regionEnd) {
	s.cutting, s.odd, s.handover = e.cutting, e.odd, e.handover
}

func (s *Scanner) scanRoot(i int) int {
	r := &s.root
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		present := s.in[i] != 'n'
		switch string(o.key) {
		case "object":
			r.hasObject = present
			i = s.text(i, &r.object)
		case "entry":
			r.hasEntry = present
			outer := s.odd
			s.odd = fault{}
			i = s.entryArray(i)
			s.odd = outer
		case "id":
			i = s.id(i, &r.id)
		case "errors", "error": // of a bare value, or of a native chunk
			r.other = true
			i = s.errors(i, &r.bare.Errors)
			r.native.element.Errors = r.bare.Errors
			if present {
				r.bareField = max(r.bareField, bareFieldOf(o.key))
			}
		default:
			r.other = true
			switch w := words.root.of(o.key); {
			case w == nil && isNativeObject(o.key):
				i = s.nativeMember(i, &rootWord{})
				continue
			case w == nil:
			case w.kind == wrappedField || w.kind == wrappedValue:
				i = s.wrapped(i, w)
				continue
			default:
				i = s.nativeMember(i, w)
				continue
			}
			if present {
				r.bareField = max(r.bareField, bareFieldOf(o.key))
				r.isValue = r.isValue || string(o.key) == "metadata" || string(o.key) == "messaging_product"
			}
			i = s.valueMember(i, &r.bare, o.key)
		}
	}
}

// wrapped reads a member of a wrapped envelope.
func (s *Scanner) wrapped(i int, w *rootWord) int {
	r := &s.root
	if w.kind == wrappedField {
		return s.text(i, &r.event)
	}
	r.hasData = s.in[i] != 'n'
	if r.hasData && s.in[i] != '{' {
		r.dataFault.note(schemas.ReasonShape, i, "data is not an object")
	}
	outer, odd := s.begin(regionWrapped, 0)
	if s.in[i] == '{' {
		i = s.value(i, &r.data, w.waba)
	} else {
		i = s.skip(i)
	}
	r.dataEnd = s.leave(outer, odd)
	return i
}

// assemble decides on the envelope of the root and builds the Body, or returns the fault.
func (s *Scanner) assemble() fault {
	r := &s.root
	// Faults beyond the shape, outside of the envelope's subject.
	outside, data, native := s.cutting.loose, r.dataEnd.cutting.loose, r.native.end.cutting.loose
	switch {
	case r.hasObject || r.hasEntry:
		errors := anyError(r.bare.Errors)
		nothing := r.entries.reason != "" && r.odd == len(s.changes) // beside odd changes
		switch {
		case string(r.object) != objectBusiness:
			return firstOf(outside, fault{schemas.ReasonObjectUnknown, 0, "object is not " + objectBusiness})
		case !r.hasEntry:
			return firstOf(outside, fault{schemas.ReasonShape, 0, "entry is missing"})
		case nothing && !(errors && r.odd > 0):
			return r.entries
		case outside.reason != "" || data.reason != "" || native.reason != "":
			return firstOf(outside, data, native)
		}
		if nothing && r.odd == r.empty { // the entries have errors instead of changes
			for len(s.changes) > 0 {
				dropLast(&s.changes)
			}
			s.places = s.places[:0]
		}
		if of := (Change{EntryID: r.entryID, EntryTime: r.entryTime, WABA: r.entryID}); errors && !s.outerErrors(0, 0, 0, of, r.bare.Errors) {
			return s.fatal
		}
		s.body.Envelope, s.body.Changes, s.body.Places = EnvelopeMeta, s.changes, s.placed(EnvelopeMeta)
		return fault{}

	case r.hasData && r.event != nil:
		if f := firstOf(r.dataFault, outside, native); f.reason != "" {
			return f
		}
		r.data.Field = r.event
		r.data.WABA = orElse(r.data.WABA, orElse(r.data.EntryID, r.data.ownWABA))
		if beside := r.bare.Errors; anyError(beside) { // as beside the value in a change of Meta's
			r.data.Beside, r.data.Raw = beside, changeOf(r.event, r.data.Value, beside)
		}
		s.enterAgain(r.dataEnd)
		return s.single(EnvelopeWrapped, r.id, &r.data)

	case r.native.isNative():
		if f := firstOf(outside, data); f.reason != "" {
			return f
		}
		if r.native.meaning().As != provider.Contacts {
			if native.reason != "" {
				return native
			}
			r.native.end = regionEnd{} // such an event may use any name for another meaning
		}
		s.enterAgain(r.native.end)
		if !s.assembleNative() {
			return s.fatal
		}
		return s.single(EnvelopeNative, r.id, &r.native.change)

	case r.isValue && r.bareField != bareNone:
		if f := firstOf(data, native); f.reason != "" {
			return f
		}
		r.bare.Field = r.bareField.name()
		r.bare.WABA = orElse(r.bare.WABA, r.bare.ownWABA)
		r.bare.Value = r.raw
		if s.handover.kind == nil {
			s.handover.kind, s.handover.seen = r.native.kind, true // so that the next body begins without it
		}
		return s.single(EnvelopeBare, nil, &r.bare)
	}
	return firstOf(outside, data, native, fault{schemas.ReasonEnvelopeUnknown, 0, "an object, but no envelope that is known"})
}

// firstOf returns the first fault that is set.
func firstOf(faults ...fault) fault {
	for _, f := range faults {
		if f.reason != "" {
			return f
		}
	}
	return fault{}
}

// single returns a body with one change. If the whole change is odd, so is the body.
func (s *Scanner) single(e Envelope, id []byte, c *Change) fault {
	if !s.finish(c) {
		return s.fatal
	}
	if c.Refused {
		return fault{c.Odd.Reason, c.Odd.Offset, c.Odd.Detail}
	}
	slot, ok := room(s, &s.changes, 0)
	if !ok {
		return s.fatal
	}
	*slot = *c
	s.body.Envelope, s.body.EventID, s.body.Changes, s.body.Places = e, id, s.changes, s.placed(e)
	return fault{}
}

func (s *Scanner) changeArray(i, entry int) int {
	if s.in[i] != '[' {
		return s.misfit(i, "changes is not an array")
	}
	i = s.enter(i)
	for n, first := 0, true; ; first = false {
		var more bool
		if i, more = s.item(first, i); !more {
			return i
		}
		base := len(s.changes)
		c, ok := room(s, &s.changes, i)
		if !ok {
			return -1
		}
		c.Entry, c.Index = entry, n
		i = s.change(i, c)
		n += len(s.changes) - base // an array of values is as many changes
	}
}

func (s *Scanner) change(i int, c *Change) int {
	outer, odd := s.begin(regionEntries, len(s.changes)-1)
	start := i
	s.valueAt = 0
	if s.in[i] == '{' {
		i = s.changeMembers(i, c)
	} else {
		i = s.misfitElement(i, "a change is not an object")
	}
	if i < 0 {
		return i
	}
	c.Raw = s.in[start:i:i]
	if v := s.valueAt; v > 0 && !s.isOdd() && s.in[v] != 'n' && carriesParts(fieldNamed(c.Field)) {
		if first := at(s.in, space(s.in, v+1)); s.in[v] == '[' && first != ']' {
			s.cutting, s.odd = outer, odd
			return s.values(v, i, c)
		}
		s.soft(schemas.ReasonShape, v, "value is not an object")
	}
	if !s.finish(c) {
		return -1
	}
	s.cutting, s.odd = outer, odd
	return i
}

// values reads a change whose value is an array of values. Each value becomes a change. Members beside the value
// belong to the first. end is the end of the change.
func (s *Scanner) values(i, end int, whole *Change) int {
	of, depth := *whole, s.depth
	dropLast(&s.changes)
	s.depth = s.valueDepth
	i = s.enter(i)
	for n := 0; ; n++ {
		var more bool
		if i, more = s.item(n == 0, i); !more {
			break
		}
		c, ok := room(s, &s.changes, i)
		if !ok {
			return -1
		}
		outer, odd := s.begin(regionEntries, len(s.changes)-1)
		*c = Change{Entry: of.Entry, Index: of.Index + n, Field: of.Field}
		start := i
		if s.in[i] == '{' {
			i = s.value(i, c, "")
		} else {
			i = s.misfitElement(i, "an element of value is not an object")
		}
		if i < 0 {
			return i
		}
		if n == 0 {
			c.Beside = of.Beside
		}
		c.Raw = changeOf(of.Field, s.in[start:i], c.Beside)
		if !s.finish(c) {
			return -1
		}
		s.cutting, s.odd = outer, odd
	}
	s.depth = depth
	return end
}

// changeOf returns a change with one value, as in Meta's envelope.
func changeOf(field, value, beside []byte) []byte {
	raw := append(quoted([]byte(`{"field":`), field), `,"value":`...)
	raw = append(raw, value...)
	if beside != nil {
		raw = append(append(raw, `,"errors":`...), beside...)
	}
	return append(raw, '}')
}

func (s *Scanner) changeMembers(i int, c *Change) int {
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			return i
		}
		switch string(o.key) {
		case "field":
			i = s.text(i, &c.Field)
		case "value":
			if s.in[i] == '{' {
				i = s.value(i, c, "")
			} else {
				s.valueAt, s.valueDepth = i, s.depth
				i = s.skip(i)
			}
		case "errors", "error":
			i = s.errors(i, &c.Beside)
		default:
			i = s.skip(i)
		}
	}
}

// finish ends a change after all of its members were read. It fails if the limit on items is reached.
func (s *Scanner) finish(c *Change) bool {
	c.Field = fieldNamed(c.Field)
	if c.Beside != nil {
		c.Errors = bothErrors(c.Errors, c.Beside)
	}
	s.settle(c)
	return c.Refused || string(c.Field) != fieldHandovers || s.handOver(c)
}

// misfit skips a value of another kind than required; null counts as absent.
func (s *Scanner) misfit(i int, detail string) int {
	if s.in[i] != 'n' {
		s.soft(schemas.ReasonShape, i, detail)
	}
	return s.skip(i)
}

// misfitElement skips an element of another kind than its array requires.
func (s *Scanner) misfitElement(i int, detail string) int {
	s.soft(schemas.ReasonShape, i, detail)
	return s.skip(i)
}

// Attribute sets the WABA of a change that names only a number.
func (c *Change) Attribute(waba []byte) { c.EntryID, c.WABA, c.attributed = waba, waba, true }

// orElse returns b, or c if b is empty.
func orElse(b, c []byte) []byte {
	if len(b) > 0 {
		return b
	}
	return c
}
