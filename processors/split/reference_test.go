package split

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

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

// parseTree reads body with jsontext in its default, strict mode.
func parseTree(body []byte) (*node, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(bytes.Clone(body)))
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
			s, err := jsontext.AppendUnquote(nil, v)
			if err != nil {
				return nil, err
			}
			n.str = string(s)
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

func (n *node) verbatim() []byte {
	if n == nil {
		return nil
	}
	return n.raw
}

// decimal splits a number, quoted or not, at its point.
func (n *node) decimal() (whole int64, fraction, ok bool) {
	if n == nil {
		return 0, false, false
	}
	t := n.str
	if n.kind == '0' {
		t = string(n.raw)
	}
	w, f, point := strings.Cut(t, ".")
	if w == "" || len(w) > 18 || strings.Trim(w, "0123456789") != "" || point && (f == "" || strings.Trim(f, "0123456789") != "") {
		return 0, false, false
	}
	for _, c := range w {
		whole = whole*10 + int64(c-'0')
	}
	return whole, strings.Trim(f, "0") != "", true
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
	v, _, _ := n.decimal()
	if v < 1e11 {
		v *= 1000
	}
	return v
}

func (n *node) seconds() int64 { return n.millis() / 1000 }

func (n *node) date() int64 {
	if n == nil || n.kind != '"' {
		return 0
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(n.str)); err != nil {
		return 0
	}
	return t.Unix()
}

// odd is panicked with when a value is of a kind that cannot be cut.
type odd struct{}

// objects are the elements of an array of objects; none when absent.
func (n *node) objects() []*node {
	if n == nil {
		return nil
	}
	if n.kind != '[' {
		panic(odd{})
	}
	for _, item := range n.items {
		if item.kind != '{' {
			panic(odd{})
		}
	}
	return n.items
}

// reference splits what jsontext read.
func reference(root *node) (b *Body, reason schemas.Reason) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(odd); !ok {
				panic(p)
			}
			b, reason = nil, schemas.ReasonShape
		}
	}()
	event, kind := root.get("event"), root.get("type")
	isValue := root.get("messaging_product") != nil || root.get("metadata") != nil
	switch {
	case root.kind != '{':
		return nil, schemas.ReasonEnvelopeUnknown
	case root.get("object") != nil || root.get("entry") != nil:
		if string(root.get("object").text()) != "whatsapp_business_account" {
			return nil, schemas.ReasonObjectUnknown
		}
		return refMeta(root), ""
	case root.get("data") != nil && event != nil && event.kind == '"':
		data := root.get("data")
		if data.kind != '{' {
			panic(odd{})
		}
		c := refValue(data, Change{EntryID: data.get("id").id(), Field: event.text()})
		return &Body{Envelope: Envelope360Dialog, EventID: root.get("id").id(), Changes: []Change{c}}, ""
	case kind != nil && strings.HasPrefix(kind.str, "whatsapp."):
		return &Body{Envelope: EnvelopeYCloud, EventID: root.get("id").id(), Changes: []Change{refCloud(root)}}, ""
	case isValue:
		var field string
		for _, f := range [][2]string{
			{"statuses", "messages"}, {"errors", "messages"}, {"messages", "messages"}, {"message_echoes", "smb_message_echoes"},
			{"state_sync", "smb_app_state_sync"}, {"history", "history"},
		} {
			if root.get(f[0]) != nil {
				field = f[1]
			}
		}
		if field != "" {
			c := refValue(root, Change{Field: []byte(field)})
			c.AccountEvent = nil // at the root, event is the envelope's
			return &Body{Envelope: EnvelopeBare, Changes: []Change{c}}, ""
		}
	}
	return nil, schemas.ReasonEnvelopeUnknown
}

func refMeta(root *node) *Body {
	b := &Body{Envelope: EnvelopeMeta}
	entry := root.get("entry")
	if entry == nil {
		panic(odd{})
	}
	for i, e := range entry.objects() {
		if e.get("changes") == nil {
			panic(odd{})
		}
		for j, change := range e.get("changes").objects() {
			c := refValue(change.get("value"), Change{
				Entry: i, Index: j, Raw: change.raw,
				EntryID: e.get("id").id(), EntryTime: e.get("time").seconds(),
				Field: change.get("field").text(),
			})
			b.Changes = append(b.Changes, c)
		}
	}
	return b
}

func refValue(v *node, c Change) Change {
	c.WABA = c.EntryID
	if v == nil || v.kind != '{' {
		return c
	}
	c.Value = v.raw
	if waba := v.get("waba_info").get("waba_id").id(); len(waba) > 0 {
		c.WABA = waba
	}
	c.PhoneNumberID = v.get("metadata").get("phone_number_id").id()
	c.DisplayPhoneNumber = v.get("metadata").get("display_phone_number").id()
	c.Profiles, c.Errors = v.get("contacts").verbatim(), v.get("errors").verbatim()
	c.AccountEvent, c.PhoneNumber = v.get("event").text(), v.get("phone_number").id()

	func() {
		defer func() {
			if p := recover(); p != nil {
				switch string(c.Field) {
				case "history", "messages", "smb_message_echoes", "smb_app_state_sync":
					panic(p)
				}
				c.History, c.Messages, c.Echoes, c.Statuses, c.StateSync = nil, nil, nil, nil, nil
			}
		}()
		for _, h := range v.get("history").objects() {
			c.History = append(c.History, refElement(h))
		}
		c.Messages = refMessages(v.get("messages"), false)
		c.Echoes = refMessages(v.get("message_echoes"), false)
		c.Statuses = refMessages(v.get("statuses"), true)
		for _, n := range v.get("state_sync").objects() {
			contact, meta := n.get("contact"), n.get("metadata")
			c.StateSync = append(c.StateSync, ContactItem{
				Raw: n.raw, Type: n.get("type").text(), Action: n.get("action").text(),
				PhoneNumber: contact.get("phone_number").id(), UserID: contact.get("user_id").id(),
				ParentUserID: contact.get("parent_user_id").id(), Username: contact.get("username").text(),
				FullName: contact.get("full_name").text(), FirstName: contact.get("first_name").text(),
				TimestampMS: meta.get("timestamp").millis(), Version: meta.get("version").integer(),
			})
		}
	}()
	return c
}

func refElement(h *node) HistoryElement {
	e := HistoryElement{Raw: h.raw, Errors: h.get("errors").verbatim()}
	meta := h.get("metadata")
	e.Phase, e.HasPhase = meta.get("phase").ordinal()
	e.ChunkOrder, e.HasChunkOrder = meta.get("chunk_order").ordinal()
	e.Progress, e.HasProgress = meta.get("progress").ordinal()
	for _, t := range h.get("threads").objects() {
		c := t.get("context")
		e.Threads = append(e.Threads, Thread{
			ID: t.get("id").id(), WaID: c.get("wa_id").id(), UserID: c.get("user_id").id(),
			ParentUserID: c.get("parent_user_id").id(), Username: c.get("username").text(),
			CountryCode: c.get("country_code").text(), Messages: refMessages(t.get("messages"), false),
		})
	}
	return e
}

func refMessages(list *node, status bool) []Message {
	var ms []Message
	for _, n := range list.objects() {
		m := Message{
			Raw: n.raw, ID: n.get("id").id(), From: n.get("from").id(), To: n.get("to").id(),
			Type: n.get("type").text(), FromUserID: n.get("from_user_id").id(), ToUserID: n.get("to_user_id").id(),
			RecipientID: n.get("recipient_id").id(), RecipientUserID: n.get("recipient_user_id").id(),
			Timestamp: n.get("timestamp").seconds(), Status: n.get("history_context").get("status").text(),
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
		for _, holder := range []string{"edit", "revoke"} {
			if id := n.get(holder).get("original_message_id").id(); len(id) > 0 {
				m.OriginalID = id
			}
		}
		ms = append(ms, m)
	}
	return ms
}
