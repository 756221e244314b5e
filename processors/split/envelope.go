package split

import "github.com/coexstream/coexstream/schemas"

// objectBusiness is the only `object` that a Meta envelope may have.
const objectBusiness = "whatsapp_business_account"

// root is what the outermost object was found to hold. Its members come in any order, so that its
// envelope is known at its end only: until then it is read as all of them at once.
type root struct {
	raw    []byte
	id     []byte // of the event: 360dialog, YCloud
	faults *fault // where the part that is being read notes what is odd about it

	// Meta.
	object      []byte
	hasObject   bool
	hasEntry    bool
	entries     fault
	changeFault fault // of the change that is being read

	// 360dialog.
	event     []byte
	hasData   bool
	data      Change // data as a value
	dataFault fault

	// Bare: the root is the value.
	bare      Change
	bareField bareField
	bareFault fault
	isValue   bool // has messaging_product or metadata

	cloud cloudEvent
}

func (s *Scanner) scanRoot(i int) int {
	r := &s.root
	o, i := s.object(i)
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
			r.faults = &r.entries
			i = s.entryArray(i)
			r.faults = &r.bareFault
		case "id":
			i = s.id(i, &r.id)
		case "event":
			i = s.text(i, &r.event)
		case "data":
			r.hasData = present
			r.faults = &r.dataFault
			if s.in[i] == '{' {
				i = s.value(i, &r.data, true)
			} else {
				i = s.misfit(i, "data is not an object")
			}
			r.faults = &r.bareFault
		case "errors": // of a bare value, or of YCloud's chunk
			i = s.verbatim(i, &r.bare.Errors)
			r.cloud.element.Errors = r.bare.Errors
			if present {
				r.bareField = max(r.bareField, bareFieldOf(o.key))
			}
		default:
			if isCloudMember(o.key) {
				i = s.cloudMember(i, o.key)
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

// assemble decides which envelope the root is and puts the Body together, or tells what is wrong with
// it.
func (s *Scanner) assemble() fault {
	r := &s.root
	switch {
	case r.hasObject || r.hasEntry:
		switch {
		case string(r.object) != objectBusiness:
			return fault{schemas.ReasonObjectUnknown, 0, "object is not " + objectBusiness}
		case !r.hasEntry:
			return fault{schemas.ReasonShape, 0, "entry is missing"}
		}
		s.body = Body{Envelope: EnvelopeMeta, Changes: s.changes}
		return r.entries

	case r.hasData && r.event != nil:
		r.data.Field = r.event
		r.data.WABA = orElse(r.data.WABA, r.data.EntryID)
		return s.single(Envelope360Dialog, r.id, &r.data, r.dataFault)

	case r.cloud.isOurs():
		if !s.assembleCloud() {
			return s.fatal
		}
		return s.single(EnvelopeYCloud, r.id, &r.cloud.change, fault{})

	case r.isValue && r.bareField != bareNone:
		r.bare.Field = r.bareField.name()
		r.bare.Value = r.raw
		return s.single(EnvelopeBare, nil, &r.bare, r.bareFault)
	}
	return fault{schemas.ReasonEnvelopeUnknown, 0, "an object, but no envelope that is known"}
}

// single is a body of one change.
func (s *Scanner) single(e Envelope, id []byte, c *Change, f fault) fault {
	f = tolerate(c, f)
	slot, ok := room(s, &s.changes, 0)
	if !ok {
		return s.fatal
	}
	*slot = *c
	s.body = Body{Envelope: e, EventID: id, Changes: s.changes}
	return f
}

// tolerate forgives an odd array in a change of a field that does not carry such arrays by its
// definition: it may mean anything by that name, and goes on as it is.
func tolerate(c *Change, f fault) fault {
	if f.reason == "" || c.Value == nil {
		return f
	}
	switch string(c.Field) {
	case "history", "messages", "smb_message_echoes", "smb_app_state_sync":
		return f
	}
	c.History, c.Messages, c.Echoes, c.Statuses, c.StateSync = nil, nil, nil, nil, nil
	return fault{}
}

// entryArray cuts Meta's entry[].
func (s *Scanner) entryArray(i int) int {
	if s.in[i] != '[' {
		return s.misfit(i, "entry is not an array")
	}
	i = s.enter(i)
	for n := 0; ; n++ {
		var more bool
		if i, more = s.item(n == 0, i); !more {
			return i
		}
		if s.in[i] != '{' {
			i = s.oddElement(i, "an entry is not an object")
			continue
		}
		i = s.entry(i, n)
	}
}

func (s *Scanner) entry(i, index int) int {
	start, base := i, len(s.changes)
	var (
		id         []byte
		time       int64
		hasChanges bool
	)
	o, i := s.object(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			break
		}
		switch string(o.key) {
		case "id":
			i = s.id(i, &id)
		case "time":
			i = s.seconds(i, &time)
		case "changes":
			hasChanges = s.in[i] != 'n'
			i = s.changeArray(i, index)
		default:
			i = s.skip(i)
		}
	}
	if i > 0 && !hasChanges {
		// It would vanish without a trace: there is nothing in it that could be passed on.
		s.root.faults.note(schemas.ReasonShape, start, "an entry without changes")
	}
	for k := base; k < len(s.changes); k++ {
		c := &s.changes[k]
		c.EntryID, c.EntryTime = id, time
		c.WABA = orElse(c.WABA, id)
	}
	return i
}

func (s *Scanner) changeArray(i, entry int) int {
	if s.in[i] != '[' {
		return s.misfit(i, "changes is not an array")
	}
	i = s.enter(i)
	for n := 0; ; n++ {
		var more bool
		if i, more = s.item(n == 0, i); !more {
			return i
		}
		if s.in[i] != '{' {
			i = s.oddElement(i, "a change is not an object")
			continue
		}
		c, ok := room(s, &s.changes, i)
		if !ok {
			return -1
		}
		c.Entry, c.Index = entry, n
		i = s.change(i, c)
	}
}

func (s *Scanner) change(i int, c *Change) int {
	r := &s.root
	outer := r.faults
	r.changeFault = fault{}
	r.faults = &r.changeFault
	start := i
	o, i := s.object(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			break
		}
		switch string(o.key) {
		case "field":
			i = s.text(i, &c.Field)
		case "value":
			if s.in[i] == '{' {
				i = s.value(i, c, false)
			} else {
				i = s.skip(i)
			}
		default:
			i = s.skip(i)
		}
	}
	r.faults = outer
	if i < 0 {
		return i
	}
	c.Raw = s.in[start:i:i]
	if f := tolerate(c, r.changeFault); f.reason != "" {
		outer.note(f.reason, f.offset, f.detail)
	}
	return i
}

// misfit skips a value where another kind was needed; null stands for absent.
func (s *Scanner) misfit(i int, detail string) int {
	if s.in[i] != 'n' {
		s.root.faults.note(schemas.ReasonShape, i, detail)
	}
	return s.skip(i)
}

// oddElement skips an element of another kind than its array is cut into.
func (s *Scanner) oddElement(i int, detail string) int {
	s.root.faults.note(schemas.ReasonShape, i, detail)
	return s.skip(i)
}

// orElse is b, or c when b is empty.
func orElse(b, c []byte) []byte {
	if len(b) > 0 {
		return b
	}
	return c
}
