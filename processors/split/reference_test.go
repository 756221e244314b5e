package split

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coexstream/coexstream/schemas"
	"github.com/go-json-experiment/json/jsontext"
)

// The reference: the contract said a second time, over a tree that jsontext reads, with no thought for
// speed. The tests hold the scanner against it.

// node is a JSON value.
type node struct {
	kind    jsontext.Kind
	raw     []byte
	str     string // of a string, decoded
	members []member
	items   []*node
}

type member struct {
	name  string
	value *node
}

// lenient is jsontext's grammar alone: names twice and invalid UTF-8 are left to strictness.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// parseTree reads body with jsontext, by its grammar alone.
func parseTree(body []byte) (*node, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(bytes.Clone(body)), lenient...)
	n, err := parseNode(d, body)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the value")
	}
	return n, nil
}

func parseNode(d *jsontext.Decoder, body []byte) (*node, error) {
	n := &node{kind: d.PeekKind()}
	if n.kind != '{' && n.kind != '[' {
		v, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		end := int(d.InputOffset())
		n.raw = body[end-len(v) : end]
		if n.kind == '"' {
			t, err := jsontext.NewDecoder(bytes.NewBuffer(bytes.Clone(v)), lenient...).ReadToken()
			if err != nil {
				return nil, err
			}
			n.str = t.String()
		}
		return n, nil
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	start := int(d.InputOffset()) - 1
	for d.PeekKind() != '}' && d.PeekKind() != ']' {
		var name string
		if n.kind == '{' {
			t, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			name = t.String()
		}
		v, err := parseNode(d, body)
		if err != nil {
			return nil, err
		}
		if n.kind == '{' {
			n.members = append(n.members, member{name, v})
		} else {
			n.items = append(n.items, v)
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	n.raw = body[start:d.InputOffset()]
	return n, nil
}

// get is the member name; nil when absent or null, or when n is no object.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, m := range n.members {
		if m.name == name && m.value.kind != 'n' {
			return m.value
		}
	}
	return nil
}

func (n *node) text() []byte {
	if n == nil || n.kind != '"' {
		return nil
	}
	return []byte(n.str)
}

func (n *node) id() []byte {
	if n != nil && n.kind == '0' && strings.Trim(string(n.raw), "0123456789") == "" {
		return n.raw
	}
	return n.text()
}

var numberText = regexp.MustCompile(`^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$`)

// decimal splits a number, quoted or not, at its point.
func (n *node) decimal() (whole int64, fraction, ok bool) {
	if n == nil {
		return 0, false, false
	}
	t := strings.TrimPrefix(strings.Trim(n.str, " \t\r\n"), "+")
	if n.kind == '0' {
		t = string(n.raw)
	}
	m := numberText.FindStringSubmatch(t)
	if m == nil {
		return 0, false, false
	}
	digits, exponent := m[2]+m[3], new(big.Int)
	if m[4] != "" {
		exponent.SetString(strings.TrimPrefix(m[4], "+"), 10)
	}
	point := exponent.Add(exponent, big.NewInt(int64(len(m[2]))))
	switch {
	case strings.Trim(digits, "0") == "":
		return 0, false, true
	case m[1] == "-":
		return 0, false, false
	case point.Sign() <= 0:
		return 0, true, true
	case point.Cmp(big.NewInt(int64(len(digits)+20))) > 0:
		return 0, false, false // no room for so many digits
	}
	at := int(point.Int64())
	digits += strings.Repeat("0", max(0, at-len(digits)))
	v, _ := new(big.Int).SetString(digits[:at], 10)
	return v.Int64(), strings.Trim(digits[at:], "0") != "", v.IsInt64()
}

func (n *node) ordinal() (int32, bool) {
	v, fraction, ok := n.decimal()
	if !ok || fraction || v > 1<<31-1 {
		return 0, false
	}
	return int32(v), true
}

func (n *node) integer() int64 {
	if v, fraction, ok := n.decimal(); ok && !fraction {
		return v
	}
	return 0
}

func (n *node) millis() int64 {
	v, _, ok := n.decimal()
	if !ok {
		return 0
	}
	if v < 1e11 {
		return v * 1000
	}
	for v >= 1e14 {
		v /= 1000
	}
	return v
}

func (n *node) seconds() int64 { return n.millis() / 1000 }

func (n *node) date() int64 {
	if n == nil || n.kind != '"' || len(n.str) < len(time.DateTime)+1 { // RFC 3339 has two digits of the hour, and Go takes one
		return 0
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(n.str)); err != nil {
		return 0
	}
	return t.Unix()
}

// odd is panicked with where a part cannot be used.
type odd struct{ reason schemas.Reason }

// looseness returns why valid JSON is not strict JSON; empty: it is strict. Halves of surrogates are allowed.
func looseness(raw []byte) schemas.Reason {
	if !utf8.Valid(raw) {
		return schemas.ReasonJSONUTF8
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(bytes.Clone(raw)), jsontext.AllowInvalidUTF8(true))
	for {
		if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
			return ""
		} else if err != nil {
			return schemas.ReasonJSONDuplicate
		}
	}
}

// without returns n's bytes with the parts replaced by a number each, so that oddness inside them does not count.
func (n *node) without(parts []*node) []byte {
	raw := bytes.Clone(n.raw)
	for _, p := range parts {
		at := cap(n.raw) - cap(p.raw) // both are slices of the body
		for k := range p.raw {
			raw[at+k] = ' '
		}
		raw[at] = '0'
	}
	return raw
}

// list is an array that is cut into objects; of another kind it makes what holds it odd.
func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	if n.kind != '[' {
		panic(odd{schemas.ReasonShape})
	}
	return n.items
}

// oddness is why an element is left out: "" when it is not.
func (n *node) oddness() schemas.Reason {
	if n.kind != '{' {
		return schemas.ReasonShape
	}
	return looseness(n.raw)
}

// try returns the oddness of a part.
func try(do func()) (reason schemas.Reason) {
	defer func() {
		if p := recover(); p != nil {
			o, ok := p.(odd)
			if !ok {
				panic(p)
			}
			reason = o.reason
		}
	}()
	do()
	return ""
}

// left is a part that was left out of a change.
type left struct {
	parts  []*node
	places []string
}

func (l *left) out(n *node, path string) {
	l.parts, l.places = append(l.parts, n), append(l.places, path)
}

// refused is what a body is refused with.
type refused struct{ reason schemas.Reason }

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

// of is the places with their change in front.
func (l *left) of(change string) []string {
	var all []string
	for _, p := range l.places {
		all = append(all, change+p)
	}
	return all
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

// refIsEmptyEntry reports whether an entry is odd only because it has no changes.
func refIsEmptyEntry(e *node) bool {
	changes := e.get("changes")
	return e.kind == '{' && changes == nil && !anyError(refErrors(e)) && looseness(e.raw) == ""
}

// refEntryOddness returns why an entry is left out as a whole. Oddness of its changes does not count.
func refEntryOddness(e *node) schemas.Reason {
	if changes := e.get("changes"); e.kind == '{' && changes != nil && changes.kind == '[' {
		return looseness(e.without(changes.items))
	}
	if changes := e.get("changes"); e.kind == '{' && (changes == nil || changes.kind == 'n') && anyError(refErrors(e)) {
		return looseness(e.raw)
	}
	return schemas.ReasonShape
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

func refHandover(v *node, c *Change) {
	own, user := v.get("recipient"), v.get("sender")
	if len(own.get("phone_number_id").id()) == 0 && len(user.get("phone_number_id").id()) > 0 {
		own, user = user, own
	}
	if len(c.PhoneNumberID) == 0 {
		c.PhoneNumberID = own.get("phone_number_id").id()
	}
	if len(c.DisplayPhoneNumber) == 0 {
		c.DisplayPhoneNumber = own.get("display_phone_number").id()
	}
	from := user.get("phone_number").id()
	if len(from) == 0 {
		from = user.get("wa_id").id()
	}
	c.History, c.Messages, c.Echoes, c.Statuses, c.StateSync = nil, nil, nil, nil, nil
	c.Handovers = []Message{{Raw: v.raw, Type: v.get("type").text(), Timestamp: v.get("timestamp").seconds(), From: from, FromUserID: user.get("user_id").id()}}
}

// arrays are a value's arrays of some names, in the order of the document; those of standby among them.
func (n *node) arrays(names ...string) (all []*node) {
	for _, m := range n.members {
		switch {
		case m.value.kind == 'n':
		case slices.Contains(names, m.name):
			all = append(all, m.value)
		case m.name == "standby" && m.value.kind == '{':
			for _, inner := range m.value.members {
				if inner.value.kind != 'n' && slices.Contains(names, inner.name) {
					all = append(all, inner.value)
				}
			}
		}
	}
	return all
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

func refContacts(list *node, l *left) (items []ContactItem) {
	for i, n := range list.list() {
		if n.oddness() != "" {
			l.out(n, fmt.Sprintf(".state_sync.%d", i))
			continue
		}
		contact, meta := n.get("contact"), n.get("metadata")
		if contact != nil && contact.kind != '{' {
			contact = nil
		}
		either := func(names ...string) *node {
			var last *node
			for _, m := range contact.all() {
				if slices.Contains(names, m.name) && (len(m.value.id()) > 0 || m.value.kind == '"') {
					last = m.value
				}
			}
			return last
		}
		at := meta.get("timestamp").millis()
		if at == 0 {
			if at = n.get("timestamp").date() * 1000; at == 0 {
				at = n.get("timestamp").millis()
			}
		}
		items = append(items, ContactItem{
			Raw: n.raw, Type: n.get("type").text(), Action: n.get("action").text(),
			PhoneNumber: either("phone_number", "phoneNumber").id(), UserID: either("user_id", "userId").id(),
			ParentUserID: either("parent_user_id", "parentUserId").id(), Username: contact.get("username").text(),
			FullName: either("full_name", "fullName").text(), FirstName: either("first_name", "firstName").text(),
			TimestampMS: at, Version: meta.get("version").integer(), Index: int32(i),
		})
	}
	return items
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

// all are the members of an object, none of nil.
func (n *node) all() []member {
	if n == nil {
		return nil
	}
	return n.members
}

func refElement(h *node, position int, l *left) HistoryElement {
	meta := h.get("metadata")
	var found []*node
	for _, m := range h.all() {
		switch {
		case (m.name == "errors" || m.name == "error") && m.value.kind != 'n':
			found = append(found, m.value)
		case m.name == "metadata" && m.value.kind == '{':
			for _, inner := range m.value.members {
				if (inner.name == "errors" || inner.name == "error") && inner.value.kind != 'n' {
					found = append(found, inner.value)
				}
			}
		}
	}
	e := HistoryElement{Raw: h.raw, Errors: refJoined(found)}
	e.Phase, e.HasPhase = meta.get("phase").ordinal()
	e.ChunkOrder, e.HasChunkOrder = meta.get("chunk_order").ordinal()
	e.Progress, e.HasProgress = meta.get("progress").ordinal()
	for i, n := range h.get("threads").list() {
		var in left
		var t Thread
		path := fmt.Sprintf(".history.%d.threads.%d", position, i)
		why := schemas.ReasonShape
		if n.kind == '{' {
			if why = try(func() { t = refThread(n, path, &in) }); why == "" {
				why = looseness(n.without(in.parts))
			}
		}
		if why != "" {
			t, in = Thread{}, left{}
			in.out(n, path)
		}
		e.Threads = append(e.Threads, t)
		l.parts, l.places = append(l.parts, in.parts...), append(l.places, in.places...)
	}
	refDeclined(&e)
	return e
}

// refDeclined adds the first decline of a message.
func refDeclined(e *HistoryElement) {
	for _, t := range e.Threads {
		for _, m := range t.Messages {
			n, err := parseTree(m.Raw)
			if err != nil {
				continue
			}
			for _, name := range []string{"errors", "error"} {
				errs := n.get(name)
				if errs == nil {
					continue
				}
				for _, one := range append([]*node{errs}, errs.list()...) {
					if code := one.get("code"); code != nil && (string(code.raw) == "2593109" || string(code.raw) == `"2593109"`) {
						if e.Errors == nil {
							e.Errors = one.raw
						} else {
							e.Errors = refJoined([]*node{{kind: jsontext.Kind(e.Errors[0]), raw: e.Errors}, one})
						}
						return
					}
				}
			}
		}
	}
}

func refThread(t *node, path string, l *left) Thread {
	c := t.get("context")
	var lists []*node
	if m := t.get("messages"); m != nil {
		lists = append(lists, m)
	}
	return Thread{
		ID: t.get("id").id(), GroupID: t.get("group_id").id(), WaID: c.get("wa_id").id(), UserID: c.get("user_id").id(),
		ParentUserID: c.get("parent_user_id").id(), Username: c.get("username").text(),
		CountryCode: c.get("country_code").text(),
		Messages:    refMessages(lists, false, path+".messages", l),
	}
}

func refMessages(lists []*node, status bool, path string, l *left) (ms []Message) {
	var all []*node
	for _, list := range lists {
		all = append(all, list.list()...)
	}
	for i, n := range all {
		if n.oddness() != "" {
			l.out(n, fmt.Sprintf("%s.%d", path, i))
			continue
		}
		m := Message{
			Raw: n.raw, Index: int32(i), ID: n.get("id").id(), From: n.get("from").id(), To: n.get("to").id(),
			Type: n.get("type").text(), FromUserID: n.get("from_user_id").id(), ToUserID: n.get("to_user_id").id(),
			RecipientID: n.get("recipient_id").id(), RecipientUserID: n.get("recipient_user_id").id(),
			Timestamp: n.get("timestamp").seconds(), Status: n.get("history_context").get("status").text(),
		}
		if sent := n.get("message"); sent != nil && sent.kind == '{' {
			or := func(dst *[]byte, b []byte) {
				if len(*dst) == 0 {
					*dst = b
				}
			}
			or(&m.To, sent.get("to").id())
			or(&m.ToUserID, sent.get("recipient").id())
			or(&m.Type, sent.get("type").text())
		}
		if status {
			m.Status = n.get("status").text()
		}
		if f := n.get("history_context").get("from_me"); f != nil && !status {
			switch {
			case f.kind == 't', f.kind == '"' && f.str == "true":
				m.FromMe = FromMeTrue
			case f.kind == 'f', f.kind == '"' && f.str == "false":
				m.FromMe = FromMeFalse
			}
		}
		m.Names = refNames(n)
		if sent := n.get("message"); sent != nil && sent.kind == '{' && strings.EqualFold(string(sent.get("recipient_type").text()), "group") {
			m.Names.RecipientType = orElse(m.Names.RecipientType, sent.get("recipient_type").text())
		}
		if edit := n.get("edit"); edit != nil && edit.kind == '{' {
			m.Edit = edit.raw
		}
		for _, name := range []string{"errors", "error"} {
			errs := n.get(name)
			m.HasErrors = m.HasErrors || errs != nil && (errs.kind == '[' || errs.kind == '{') && len(strings.TrimSpace(string(errs.raw[1:len(errs.raw)-1]))) > 0
		}
		m.HasContent = m.HasErrors && !status && refHasContent(n, string(m.Type))
		for _, holder := range []string{"edit", "revoke"} {
			if id := refOriginal(n.get(holder)); len(id) > 0 {
				m.OriginalID = id
			}
		}
		ms = append(ms, m)
	}
	return ms
}

func refHasContent(n *node, messageType string) bool {
	names := []string{messageType}
	if messageType == "voice" {
		names = append(names, "audio")
	}
	for _, name := range names {
		for _, in := range []*node{n, n.get("message")} {
			if in == nil || in.kind != '{' || name == "" {
				continue
			}
			if content := in.get(name); content != nil && content.kind != 'n' {
				return true
			}
		}
	}
	return false
}

func refOriginal(holder *node) []byte {
	return orElse(holder.get("original_message_id").id(), holder.get("originalMessageId").id())
}

func refNames(n *node) *Names {
	return &Names{
		GroupID: n.get("group_id").id(), FromParentUserID: n.get("from_parent_user_id").id(), ToParentUserID: n.get("to_parent_user_id").id(),
		RecipientType: n.get("recipient_type").text(), RecipientLogicalID: n.get("recipient_logical_id").id(),
		RecipientParentUserID:   orElse(n.get("recipient_parent_user_id").id(), n.get("parent_recipient_user_id").id()),
		ParticipantID:           orElse(n.get("recipient_participant_id").id(), n.get("participant_recipient_id").id()),
		ParticipantUserID:       n.get("recipient_participant_user_id").id(),
		ParticipantParentUserID: n.get("recipient_participant_parent_user_id").id(),
		System:                  refSystem(n.get("system")), UserIDUpdate: refSystem(n.get("user_id_update")),
	}
}

func refSystem(n *node) System {
	current := func(name string) []byte { return orElse(n.get(name).get("current").id(), n.get(name).id()) }
	previous := func(name string) []byte {
		return orElse(n.get("previous_"+name).id(), n.get(name).get("previous").id())
	}
	return System{
		WaID: orElse(n.get("wa_id").id(), n.get("new_wa_id").id()), PreviousWaID: orElse(n.get("previous_wa_id").id(), n.get("customer").id()),
		UserID: current("user_id"), PreviousUserID: previous("user_id"),
		ParentUserID: current("parent_user_id"), PreviousParentUserID: previous("parent_user_id"),
	}
}

func refProfiles(lists []*node, l *left) (ps []Profile) {
	var entries []*node
	for _, list := range lists {
		if list.kind == '{' {
			entries = append(entries, list)
		} else {
			entries = append(entries, list.items...)
		}
	}
	for i, n := range entries {
		switch {
		case n.kind == 'n':
			continue
		case n.kind != '{' || n.oddness() != "":
			l.out(n, fmt.Sprintf(".contacts.%d", i))
			continue
		}
		p := n.get("profile")
		ps = append(ps, Profile{
			Raw: n.raw, WaID: n.get("wa_id").id(), UserID: n.get("user_id").id(), ParentUserID: n.get("parent_user_id").id(),
			CountryCode: n.get("country_code").text(), Name: p.get("name").text(),
			Username: orElse(p.get("username").text(), n.get("username").text()),
		})
	}
	return ps
}

// readStrictly reads raw as jsontext does at its strictest.
func readStrictly(raw []byte) (jsontext.Value, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(bytes.Clone(raw)))
	v, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	return v, nil
}

// wholeSurrogates puts an escape of U+FFFD for every escaped surrogate without its other half.
func wholeSurrogates(raw []byte) []byte {
	out := bytes.Clone(raw)
	half := func(i int) (low, ok bool) {
		if i+6 > len(out) || out[i] != '\\' || out[i+1] != 'u' {
			return false, false
		}
		n, err := strconv.ParseUint(string(out[i+2:i+6]), 16, 16)
		return n >= 0xDC00, err == nil && n >= 0xD800 && n < 0xE000
	}
	for i := 0; i < len(out); i++ {
		if out[i] != '\\' {
			continue
		}
		low, ok := half(i)
		if !ok {
			i++ // the escaped character
			continue
		}
		if otherLow, other := half(i + 6); !low && other && otherLow {
			i += 11
			continue
		}
		copy(out[i:], `\ufffd`)
		i += 5
	}
	return out
}
