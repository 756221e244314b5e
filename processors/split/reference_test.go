package split

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/schemas"
	"github.com/go-json-experiment/json/jsontext"
)

// The reference: the contract said a second time, over a tree that jsontext reads, with no thought for
// speed. The tests hold the scanner against it.

// reference splits a body that jsontext has read. places are those of the parts that are left out.
func reference(root *node) (b *Body, places []string, reason schemas.Reason) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case odd:
			b, places, reason = nil, nil, p.reason
		case refused:
			b, places, reason = nil, nil, p.reason
		default:
			panic(p)
		}
	}()
	event, kind := root.get("event"), root.get("type")
	isValue := root.get("messaging_product") != nil || root.get("metadata") != nil
	strict := func(parts ...*node) { // outside of the parts
		if r := looseness(root.without(parts)); r != "" {
			panic(refused{r})
		}
	}
	single := func(e Envelope, id []byte, c Change, l left) (*Body, []string, schemas.Reason) {
		return &Body{Envelope: e, EventID: id, Changes: []Change{c}}, l.of("0.0"), ""
	}
	switch {
	case root.kind != '{':
		panic(refused{schemas.ReasonEnvelopeUnknown})
	case root.get("object") != nil || root.get("entry") != nil:
		if string(root.get("object").text()) != "whatsapp_business_account" {
			panic(refused{schemas.ReasonObjectUnknown})
		}
		b, places, changes := refMeta(root)
		strict(changes...)
		return b, places, ""
	case root.get("data") != nil && event != nil && event.kind == '"':
		data := root.get("data")
		if data.kind != '{' {
			panic(odd{schemas.ReasonShape})
		}
		strict(data)
		wrapped := Change{EntryID: data.get("id").id(), Field: event.text()}
		if beside := refErrors(root); anyError(beside) {
			wrapped.Beside = beside
			wrapped.Raw = []byte(`{"field":` + string(quoted(nil, event.text())) + `,"value":` + string(data.raw) + `,"errors":` + string(wrapped.Beside) + `}`)
		}
		c, l, why := refChange(data, data, wrapped)
		if why != "" {
			panic(refused{why})
		}
		return single(EnvelopeWrapped, root.get("id").id(), c, l)
	case kind != nil && kind.kind == '"' && (strings.HasPrefix(kind.str, "whatsapp.") || kind.str != "" && root.get("apiVersion") != nil && root.get("apiVersion").kind != '{'):
		c, l := refCloud(root)
		return single(EnvelopeNative, root.get("id").id(), c, l)
	case isValue:
		var field string
		for _, f := range [][2]string{
			{"control_passed", "messaging_handovers"}, {"control_taken", "messaging_handovers"},
			{"statuses", "messages"}, {"errors", "messages"}, {"error", "messages"}, {"messages", "messages"}, {"message_echoes", "smb_message_echoes"},
			{"smb_message_echoes", "smb_message_echoes"}, {"state_sync", "smb_app_state_sync"}, {"history", "history"},
			{"standby", "standby"},
		} {
			if root.get(f[0]) != nil {
				field = f[1]
			}
		}
		if field != "" {
			c, l, why := refChange(root, root, Change{Field: []byte(field)})
			if why != "" {
				panic(refused{why})
			}
			c.AccountEvent = nil // at the root, event is the envelope's
			return single(EnvelopeBare, nil, c, l)
		}
	}
	strict()
	panic(refused{schemas.ReasonEnvelopeUnknown})
}

func refMeta(root *node) (b *Body, places []string, changes []*node) {
	b = &Body{Envelope: EnvelopeMeta}
	entry := root.get("entry")
	if entry == nil {
		panic(odd{schemas.ReasonShape})
	}
	var first schemas.Reason
	good, empty := false, true
	var root0 Change // whose errors beside the entries are where no change says so
	for i, e := range entry.list() {
		base := len(b.Changes)
		isEmpty := refIsEmptyEntry(e)
		if id := e.get("id").id(); len(root0.WABA) == 0 && (isEmpty || refEntryOddness(e) == "") {
			root0 = Change{EntryID: id, WABA: id, EntryTime: e.get("time").seconds()}
		}
		empty = empty && (isEmpty || refEntryOddness(e) == "")
		if why := refEntryOddness(e); why != "" {
			if first == "" {
				first = why
			}
			changes = append(changes, e)
			b.Changes = append(b.Changes, Change{Entry: i, Index: -1, Cut: 1, Refused: true, Loose: true})
			places = append(places, strconv.Itoa(i))
			continue
		}
		good = good || len(e.get("changes").list()) > 0 || anyError(refErrors(e))
		j := 0
		for _, change := range e.get("changes").list() {
			changes = append(changes, change)
			for n, v := range refValuesOf(change) {
				raw, beside := change.raw, refErrors(change)
				whole := change
				if v != change.get("value") {
					whole = v
					if n > 0 {
						beside = nil
					}
					raw = changeOf(change.get("field").text(), v.raw, beside)
				}
				c, l, why := refChange(whole, v, Change{
					Entry: i, Index: j, Raw: raw,
					EntryID: e.get("id").id(), EntryTime: e.get("time").seconds(),
					Field: change.get("field").text(), Beside: beside,
				})
				if field := FieldName(string(change.get("field").text())); why == "" && v != nil && v.kind != '{' && v.kind != 'n' && carriesParts([]byte(field)) {
					why = schemas.ReasonShape
				}
				if why != "" {
					c, l.places = Change{Entry: i, Index: j, Raw: raw, EntryID: c.EntryID, EntryTime: c.EntryTime, Cut: 1, Refused: true, Loose: true}, []string{""}
				}
				b.Changes = append(b.Changes, c)
				places = append(places, l.of(fmt.Sprintf("%d.%d", i, j))...)
				j++
			}
		}
		refOuter(b, i, base, Change{EntryID: e.get("id").id(), EntryTime: e.get("time").seconds(), WABA: e.get("id").id()}, refErrors(e))
	}
	if first != "" && !good {
		switch {
		case !anyError(refErrors(root)):
			panic(odd{first})
		case empty:
			b.Changes, places, changes = nil, nil, nil
		}
	}
	refOuter(b, 0, 0, root0, refErrors(root))
	return b, places, changes
}

// refValuesOf are the values of a change: several where an array stands in place of one.
func refValuesOf(change *node) []*node {
	if change.kind != '{' {
		return []*node{nil}
	}
	v := change.get("value")
	field := FieldName(string(change.get("field").text()))
	if v == nil || v.kind != '[' || len(v.items) == 0 || !carriesParts([]byte(field)) || looseness(change.raw) != "" {
		return []*node{v}
	}
	return v.items
}

// refOuter is the change of errors beside others, those from base on.
func refOuter(b *Body, entry, base int, c Change, errors []byte) {
	if !anyError(errors) {
		return
	}
	c.Entry = entry
	var of *Change
	for k := range b.Changes[base:] {
		o := &b.Changes[base+k]
		if o.Entry == entry {
			c.Index = max(c.Index, o.Index+1)
		}
		if !o.Refused && (of == nil || len(of.PhoneNumberID) == 0 && len(o.PhoneNumberID) > 0) {
			of = o
		}
	}
	if of != nil {
		c.EntryID, c.EntryTime, c.WABA, c.PhoneNumberID, c.DisplayPhoneNumber = of.EntryID, of.EntryTime, of.WABA, of.PhoneNumberID, of.DisplayPhoneNumber
	}
	outerChange(&c, errors)
	b.Changes = append(b.Changes, c)
}

// refChange reads a change; why says why it is odd as a whole.
func refChange(whole, v *node, c Change) (_ Change, l left, why schemas.Reason) {
	if whole.kind != '{' {
		return c, l, schemas.ReasonShape
	}
	switch string(c.Field) {
	case "message_echoes":
		c.Field = []byte("smb_message_echoes")
	case "statuses":
		c.Field = []byte("messages")
	}
	c.WABA = c.EntryID
	var arrays left
	if v != nil && v.kind == '{' {
		why = try(func() { arrays = refParts(v, &c, &l) })
	}
	if why == "" {
		why = looseness(whole.without(l.parts))
	}
	carries := slices.Contains([]string{"history", "messages", "smb_message_echoes", "smb_app_state_sync", "standby"}, string(c.Field))
	loose := looseness(whole.raw)
	if why == "" && len(arrays.places) > 0 && carries {
		if len(c.History)+len(c.Messages)+len(c.Echoes)+len(c.Statuses)+len(c.StateSync) == 0 && refErrors(v) == nil && refErrors(v.get("standby")) == nil && len(c.Beside) == 0 {
			why = schemas.ReasonShape
		}
		l.places = append(l.places, arrays.places...)
	}
	if !carries && v != nil && v.kind == '{' && (len(arrays.places) > 0 || why != "" || len(l.places) > 0) {
		if why = loose; why == "" {
			c.History, c.Messages, c.Echoes, c.Statuses, c.StateSync, l = nil, nil, nil, nil, nil, left{}
		}
	}
	if v != nil && v.kind == '{' {
		refValue(v, &c)
	}
	if c.Errors == nil {
		c.Errors = c.Beside
	} else if c.Beside != nil {
		c.Errors = refJoined([]*node{{kind: jsontext.Kind(c.Errors[0]), raw: c.Errors}, {kind: jsontext.Kind(c.Beside[0]), raw: c.Beside}})
	}
	c.Cut, c.Loose = len(l.places), len(l.places) > 0 && loose != ""
	return c, l, why
}

func refValue(v *node, c *Change) {
	c.Value = v.raw
	if len(c.WABA) == 0 {
		c.WABA = v.get("waba_id").id()
	}
	if waba := v.get("waba_info").get("waba_id").id(); len(waba) > 0 {
		c.WABA = waba
	}
	c.PhoneNumberID = v.get("metadata").get("phone_number_id").id()
	c.DisplayPhoneNumber = v.get("metadata").get("display_phone_number").id()
	c.Errors = refErrors(v)
	c.AccountEvent, c.PhoneNumber = v.get("event").text(), v.get("phone_number").id()
	if s := v.get("standby"); s != nil && s.kind == '{' {
		or := func(dst *[]byte, b []byte) {
			if len(*dst) == 0 {
				*dst = b
			}
		}
		or(&c.Errors, refErrors(s))
		or(&c.PhoneNumberID, s.get("metadata").get("phone_number_id").id())
		or(&c.DisplayPhoneNumber, s.get("metadata").get("display_phone_number").id())
	}
	if string(c.Field) == "messaging_handovers" {
		refHandover(v, c)
	}
}

// refParts reads a value's arrays, and tells those that are none.
func refParts(v *node, c *Change, l *left) (arrays left) {
	array := func(path string, lists ...*node) (good []*node) {
		told := false
		for _, n := range lists {
			switch {
			case n == nil:
			case n.kind == '[':
				good = append(good, n)
			case !told:
				arrays.out(n, path)
				told = true
			}
		}
		return good
	}
	one := func(good []*node) *node {
		if len(good) == 0 {
			return nil
		}
		return good[0]
	}
	messages := array(".messages", v.arrays("messages")...)
	echoes := array(".message_echoes", v.arrays("message_echoes", "smb_message_echoes")...)
	statuses := array(".statuses", v.arrays("statuses")...)
	book := one(array(".state_sync", v.get("state_sync")))
	elements := v.get("history")
	var lone []*node
	if elements != nil && elements.kind == '{' {
		if e := refElement(elements, 0, &left{}); anyError(e.Errors) || len(e.Threads) > 0 {
			lone, elements = []*node{elements}, nil
		}
	}
	for n, h := range append(lone, one(array(".history", elements)).list()...) {
		var in left
		var e HistoryElement
		var why schemas.Reason
		if h.kind != '{' {
			why = schemas.ReasonShape
		} else if why = try(func() { e = refElement(h, n, &in) }); why == "" {
			why = looseness(h.without(in.parts))
		}
		if why != "" {
			e = HistoryElement{Out: true}
			in = left{}
			in.out(h, fmt.Sprintf(".history.%d", n))
		}
		c.History = append(c.History, e)
		l.parts, l.places = append(l.parts, in.parts...), append(l.places, in.places...)
	}
	c.Messages = refMessages(messages, false, ".messages", l)
	c.Echoes = refMessages(echoes, false, ".message_echoes", l)
	c.Statuses = refMessages(statuses, true, ".statuses", l)
	c.StateSync = refContacts(book, l)
	var contacts, none []*node
	for _, n := range v.arrays("contacts") {
		if n.kind == '{' || n.kind == '[' {
			contacts = append(contacts, n)
		} else {
			none = append(none, n)
		}
	}
	array(".contacts", none...)
	c.Profiles = refProfiles(contacts, l)
	return arrays
}

// refErrors are errors and error of an object, in its order: as they are where there is one, else the elements of all.
func refErrors(n *node) []byte {
	var found []*node
	for _, m := range n.all() {
		if (m.name == "errors" || m.name == "error") && m.value.kind != 'n' {
			found = append(found, m.value)
		}
	}
	return refJoined(found)
}

func refJoined(found []*node) []byte {
	if len(found) == 0 {
		return nil
	}
	if len(found) == 1 {
		return found[0].raw
	}
	var elements []string
	for _, f := range found {
		text := string(f.raw)
		if f.kind == '[' {
			text = strings.Trim(text[1:len(text)-1], " \t\r\n")
		}
		if text != "" {
			elements = append(elements, text)
		}
	}
	return []byte("[" + strings.Join(elements, ",") + "]")
}
