package envelope

import (
	"bytes"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

// ErrForeign means that the original has the words of another vendor, so that no webhook of Meta can be rebuilt around it.
var ErrForeign = errors.New("the original is not in Meta's words")

// HasMeta reports whether an event has a counterpart among Meta's webhooks. The state of a sync and the outcome of an asset have none, and neither has the removal of a
// contact that was merged with another one.
func HasMeta(e *event.Event) bool {
	switch e.Type {
	case schemas.TypeSync, schemas.TypeSyncRemoved, schemas.TypeAsset:
		return false
	case schemas.TypeContactRemoved:
		return e.Headers.Contact.Action == schemas.ActionRemove
	}
	return true
}

// CheckMeta returns ErrForeign for an event of a vendor with words of its own. Names of Meta have no upper-case letters.
func CheckMeta(e *event.Event) error {
	original := originalOf(e)
	if foreign(original) || e.Contact != nil && foreign(member(original, "contact")) {
		return ErrForeign
	}
	return nil
}

// foreign reports whether an object has a property that is none of Meta's.
func foreign(object []byte) bool {
	found := false
	members(object, func(name string, _ []byte) {
		found = found || strings.ContainsFunc(name, func(r rune) bool { return r >= 'A' && r <= 'Z' })
	})
	return found
}

// members yields the properties of an object, and nothing where it is none.
func members(object []byte, yield func(name string, value []byte)) {
	d := jsontext.NewDecoder(bytes.NewReader(object), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return
	}
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return
		}
		name := t.String()
		value, err := d.ReadValue()
		if err != nil {
			return
		}
		yield(name, value)
	}
}

// member is the value of a property.
func member(object []byte, want string) (found []byte) {
	members(object, func(name string, value []byte) {
		if name == want {
			found = bytes.Clone(value)
		}
	})
	return found
}

func originalOf(e *event.Event) []byte {
	switch {
	case e.Message != nil:
		return e.Message.Original
	case e.Contact != nil:
		return e.Contact.Original
	case e.Account != nil:
		return e.Account.Original
	case e.Other != nil:
		return e.Other.Original
	}
	return nil
}

// AppendMeta appends one webhook of Meta with the events, all of which HasMeta.
func AppendMeta(dst []byte, events []*event.Event) []byte {
	dst = append(dst, `{"object":"`+schemas.Object+`","entry":[`...)
	last, began := entry{}, false
	for _, e := range events {
		if at := entryOf(e); !began || at != last {
			if began {
				dst = append(dst, `]},`...)
			}
			dst = append(dst, `{"id":`...)
			dst = appendString(dst, at.id)
			if at.time > 0 {
				dst = strconv.AppendInt(append(dst, `,"time":`...), at.time, 10)
			}
			dst = append(dst, `,"changes":[`...)
			last, began = at, true
		} else {
			dst = append(dst, ',')
		}
		dst = appendChange(dst, e)
	}
	if began {
		dst = append(dst, `]}`...)
	}
	return append(dst, `]}`...)
}

// entry identifies an entry of a webhook.
type entry struct {
	id   string
	time int64
}

func entryOf(e *event.Event) entry {
	if e.Account != nil {
		id := e.Account.EntryID
		if id == "" {
			id = e.Account.WABAID
		}
		return entry{id, e.Account.Time}
	}
	return entry{id: Business(e)}
}

// Business is the WABA of an event; the number where none is known.
func Business(e *event.Event) string {
	var waba, number string
	switch {
	case e.Message != nil:
		waba, number = e.Message.WABAID, e.Message.PhoneNumberID
	case e.Contact != nil:
		waba, number = e.Contact.WABAID, e.Contact.PhoneNumberID
	case e.Account != nil:
		waba, number = e.Account.WABAID, e.Account.PhoneNumberID
	case e.Sync != nil:
		waba, number = e.Sync.WABAID, e.Sync.PhoneNumberID
	case e.Other != nil:
		waba, number = e.Other.WABAID, e.Other.PhoneNumberID
	case e.Asset != nil:
		waba, number = e.Asset.WABAID, e.Asset.PhoneNumberID
	default: // a tombstone: /whatsapp/WABA/NUMBER
		waba, number, _ = strings.Cut(strings.TrimPrefix(e.Source, "/whatsapp/"), "/")
		waba, number = unescaped(waba), unescaped(number)
	}
	if waba == "" {
		return number
	}
	return waba
}

func unescaped(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// Number is the phone number id of an event; empty where it is about a whole business.
func Number(e *event.Event) string {
	switch {
	case e.Message != nil:
		return e.Message.PhoneNumberID
	case e.Contact != nil:
		return e.Contact.PhoneNumberID
	case e.Account != nil:
		return e.Account.PhoneNumberID
	case e.Sync != nil:
		return e.Sync.PhoneNumberID
	case e.Other != nil:
		return e.Other.PhoneNumberID
	case e.Asset != nil:
		return e.Asset.PhoneNumberID
	}
	number, _, _ := strings.Cut(string(e.Key), "/")
	return number
}

func appendChange(dst []byte, e *event.Event) []byte {
	switch {
	case e.Message != nil:
		return appendMessage(dst, e.Type, e.Message)
	case e.Contact != nil:
		dst = appendValue(dst, e.Contact.DisplayPhoneNumber, e.Contact.PhoneNumberID)
		dst = append(append(append(dst, `,"state_sync":[`...), e.Contact.Original...), `]}`...)
		return appendField(dst, schemas.FieldStateSync)
	case e.Account != nil:
		dst = append(append(dst, `{"value":`...), e.Account.Original...)
		if !has(e.Account.Original, "event") && e.Account.Event != "" { // the event is the field
			return appendField(dst, strings.ToLower(e.Account.Event))
		}
		return appendField(dst, schemas.FieldAccountUpdate)
	case e.Other != nil:
		switch o := e.Other; {
		case has(o.Original, "value", "field"): // a whole change
			return append(dst, o.Original...)
		case o.Field == schemas.FieldHistory && o.PhoneNumberID != "": // a chunk of errors, or one error
			array := `,"errors":[`
			if has(o.Original, "errors") {
				array = `,"history":[`
			}
			dst = append(append(append(appendValue(dst, "", o.PhoneNumberID), array...), o.Original...), `]}`...)
			return appendField(dst, o.Field)
		}
		dst = append(append(dst, `{"value":`...), e.Other.Original...)
		return appendField(dst, e.Other.Field)
	}
	return appendRemoval(dst, e)
}

// has reports whether an object has all of some properties.
func has(object []byte, names ...string) bool {
	found := map[string]bool{}
	members(object, func(name string, _ []byte) { found[name] = true })
	return !slices.ContainsFunc(names, func(n string) bool { return !found[n] })
}

func appendMessage(dst []byte, ceType string, m *schemas.Message) []byte {
	if ceType == schemas.TypeHandover { // its original is the value
		dst = append(append(dst, `{"value":`...), m.Original...)
		return appendField(dst, schemas.FieldHandovers)
	}
	dst = appendValue(dst, m.DisplayPhoneNumber, m.PhoneNumberID)
	field, array := schemas.FieldMessages, "messages"
	switch ceType {
	case schemas.TypeHistory:
		return appendField(append(appendHistory(dst, m), '}'), schemas.FieldHistory)
	case schemas.TypeStatus:
		array = "statuses"
	case schemas.TypeError:
		array = "errors"
	case schemas.TypeEcho:
		field, array = schemas.FieldEchoes, "message_echoes"
	case schemas.TypeMedia:
		field = schemas.FieldHistory
	}
	end := `]}`
	if m.Standby {
		dst = append(dst, `,"standby":{`...)
		field, end = schemas.FieldStandby, `]}}`
	} else {
		dst = append(dst, ',')
	}
	if len(m.Profiles) > 0 {
		dst = append(append(append(dst, `"contacts":`...), m.Profiles...), ',')
	}
	dst = append(append(append(dst, '"'), array...), `":[`...)
	dst = append(append(dst, m.Original...), end...)
	return appendField(dst, field)
}

// appendHistory appends a chunk with one message.
func appendHistory(dst []byte, m *schemas.Message) []byte {
	if len(m.Profiles) > 0 {
		dst = append(append(dst, `,"contacts":`...), m.Profiles...)
	}
	dst = append(dst, `,"history":[{`...)
	if s := m.Sync; s != nil && (s.Phase != nil || s.ChunkOrder != nil || s.Progress != nil) {
		dst = append(dst, `"metadata":{`...)
		for _, n := range []struct {
			name  string
			value *int32
		}{{"phase", s.Phase}, {"chunk_order", s.ChunkOrder}, {"progress", s.Progress}} {
			if n.value != nil {
				dst = append(append(append(dst, '"'), n.name...), `":`...)
				dst = append(strconv.AppendInt(dst, int64(*n.value), 10), ',')
			}
		}
		dst[len(dst)-1] = '}'
		dst = append(dst, ',')
	}
	dst = append(dst, `"threads":[{`...)
	id := m.Thread
	if m.GroupID != "" {
		dst = append(appendString(append(dst, `"group_id":`...), m.GroupID), ',')
		id = ""
	}
	if c := m.Contact; c != nil && m.GroupID == "" {
		id = c.WaID
		if c.UserID != "" {
			dst = append(dst, `"context":{`...)
			for _, t := range []struct{ name, value string }{
				{"wa_id", c.WaID}, {"user_id", c.UserID}, {"parent_user_id", c.ParentUserID}, {"username", c.Username}, {"country_code", c.CountryCode},
			} {
				if t.value != "" {
					dst = append(append(append(dst, '"'), t.name...), `":`...)
					dst = append(appendString(dst, t.value), ',')
				}
			}
			dst[len(dst)-1] = '}'
			dst = append(dst, ',')
		}
	}
	dst = appendString(append(dst, `"id":`...), id)
	dst = append(append(dst, `,"messages":[`...), m.Original...)
	return append(dst, `]}]}]`...)
}

// appendRemoval appends the change that removed a contact, by the headers of its tombstone.
func appendRemoval(dst []byte, e *event.Event) []byte {
	c := &e.Headers.Contact
	dst = appendValue(dst, "", Number(e))
	dst = append(dst, `,"state_sync":[{"type":"contact","contact":{`...)
	for _, t := range []struct{ name, value string }{{"phone_number", c.Phone}, {"user_id", c.User}} {
		if t.value != "" {
			dst = append(append(append(dst, '"'), t.name...), `":`...)
			dst = append(appendString(dst, t.value), ',')
		}
	}
	dst = append(bytes.TrimSuffix(dst, []byte{','}), `},"action":"remove","metadata":{"timestamp":"`...)
	dst = append(strconv.AppendInt(dst, c.TimestampMS, 10), `"}}]}`...)
	return appendField(dst, schemas.FieldStateSync)
}

// appendValue begins a change with its value, which is left open.
func appendValue(dst []byte, display, number string) []byte {
	dst = append(dst, `{"value":{"messaging_product":"whatsapp","metadata":{`...)
	if display != "" {
		dst = append(appendString(append(dst, `"display_phone_number":`...), display), ',')
	}
	return append(appendString(append(dst, `"phone_number_id":`...), number), '}')
}

// appendField ends a change.
func appendField(dst []byte, field string) []byte {
	return append(appendString(append(dst, `,"field":`...), field), '}')
}
