package ingress

import (
	"bytes"

	"github.com/coexstream/coexstream/schemas"
)

// Route finds a body's lane and the WABA id that it is probably about, in one scan without parsing.
//
// Both are hints. The lane is raw.bulk when the body seems to carry a history change: a `history`
// array anywhere, or `history` as the value of `field` or `event` (360dialog), or YCloud's
// `whatsapp.smb.history`. The WABA is value.waba_info.waba_id where that occurs near the start (the
// PARTNER_* events, whose entry.id is a portfolio), else the id of the first entry (Meta), else data.id
// (360dialog: not the envelope's own id), else the first wabaId (YCloud). It is a slice of body, and empty when there is none. A body
// of several businesses has the id of one of them; escaped names are not seen. The processor parses
// properly and re-routes, so that a wrong hint costs time and never correctness.
func Route(body []byte) (topic schemas.Topic, waba []byte) {
	topic = schemas.TopicRawLive
	if carriesHistory(body) {
		topic = schemas.TopicRawBulk
	}
	if waba = portfolioWABA(body); len(waba) == 0 {
		waba = envelopeWABA(bytes.TrimPrefix(body, byteOrderMark))
	}
	if len(waba) == 0 {
		waba = idUnder(body[:min(len(body), accountBytesMax)], `wabaId"`)
	}
	return topic, waba
}

// byteOrderMark may stand in front of a body: it is skipped.
var byteOrderMark = []byte("\ufeff")

// carriesHistory looks for the word first, at the speed of bytes.Index, and only then at what is
// around it. In a text it is no hit: a quote inside a string has a backslash before it.
func carriesHistory(body []byte) bool {
	word := []byte(`history"`)
	for at := 0; ; {
		n := bytes.Index(body[at:], word)
		if n < 0 {
			return false
		}
		start, end := at+n, at+n+len(word)
		at = end
		// Step back to the quote that opens the string.
		if before := body[:start]; bytes.HasSuffix(before, []byte(`whatsapp.smb.`)) {
			start -= len(`whatsapp.smb.`)
			if opens(body, start) && bytes.Equal(nameBefore(body[:start-1]), []byte("type")) {
				return true
			}
			continue
		}
		if !opens(body, start) {
			continue
		}
		w := walk{b: body, i: end}
		if w.space() == ':' {
			w.i++
			if w.space() == '[' {
				return true
			}
			continue
		}
		switch string(nameBefore(body[:start-1])) {
		case "field", "event":
			return true
		}
	}
}

// opens tells whether a string starts at i: a quote is before it, which no backslash escapes.
func opens(body []byte, i int) bool {
	return i >= 1 && body[i-1] == '"' && (i < 2 || body[i-2] != '\\')
}

// nameBefore is the name of the member whose value starts after b: b ends in `"name" : `.
func nameBefore(b []byte) []byte {
	b = bytes.TrimRight(b, " \t\r\n")
	if len(b) == 0 || b[len(b)-1] != ':' {
		return nil
	}
	b = bytes.TrimRight(b[:len(b)-1], " \t\r\n")
	if len(b) == 0 || b[len(b)-1] != '"' {
		return nil
	}
	b = b[:len(b)-1]
	i := bytes.LastIndexByte(b, '"')
	if i < 0 {
		return nil
	}
	return b[i+1:]
}

// accountBytesMax bounds where waba_info is looked for: it is in account events, which are small and
// come alone. Searching megabytes of history for it would find nothing.
const accountBytesMax = 64 << 10

// portfolioWABA is the waba_id of the first waba_info object.
func portfolioWABA(body []byte) []byte {
	body = body[:min(len(body), accountBytesMax)]
	word := []byte(`waba_info"`)
	for at := 0; ; {
		n := bytes.Index(body[at:], word)
		if n < 0 {
			return nil
		}
		start := at + n
		at = start + len(word)
		if !opens(body, start) {
			continue
		}
		w := walk{b: body, i: at}
		if w.space() != ':' {
			continue
		}
		w.i++
		if !w.enter('{') {
			continue
		}
		return w.member("waba_id") // the first object decides, or nested ones would cost their square
	}
}

// member is the id under a name of the object that the walk has entered.
func (w *walk) member(name string) []byte {
	for {
		key, ok := w.key()
		switch {
		case !ok:
			return nil
		case string(key) == name:
			return w.id()
		case !w.value():
			return nil
		}
	}
}

// envelopeWABA is entry[0].id, or data.id.
func envelopeWABA(body []byte) []byte {
	w := walk{b: body}
	if !w.enter('{') {
		return nil
	}
	for {
		key, ok := w.key()
		switch {
		case !ok:
			return nil
		case string(key) == "entry":
			if !w.enter('[') || !w.enter('{') {
				return nil
			}
			return w.entryID()
		case string(key) == "data" && w.space() == '{':
			w.i++
			return w.member("id")
		case !w.value():
			return nil
		}
	}
}

// tailBytes is how much of a body's end can hold what follows the changes of the last entry.
const tailBytes = 512

// entryID is the id of the entry that the walk has entered. It usually comes first. When it comes
// after the changes, and they are long, it is at the very end of the body, and looking there spares
// stepping through megabytes.
func (w *walk) entryID() []byte {
	for {
		key, ok := w.key()
		switch {
		case !ok:
			return nil
		case string(key) == "id":
			return w.id()
		case w.space() == '[' && len(w.b)-w.i > 16*tailBytes:
			if id := tailID(w.b); id != nil {
				return id
			}
		}
		if !w.value() {
			return nil
		}
	}
}

// tailID is the id that is a member of the last entry, after its changes: from there the body ends in
// scalars, the entry's brace, the array's bracket, scalars, and the last brace. An id deeper inside has
// more brackets after it.
func tailID(body []byte) []byte {
	tail := body[len(body)-tailBytes:]
	name := []byte(`"id"`)
	for at := 0; ; {
		n := bytes.Index(tail[at:], name)
		if n < 0 {
			return nil
		}
		at += n + len(name)
		w := walk{b: tail, i: at}
		if w.space() != ':' {
			continue
		}
		w.i++
		id := w.id()
		if digits(id) && w.scalars() && w.enter('}') && w.enter(']') && w.scalars() && w.enter('}') && w.space() == 0 {
			return id
		}
	}
}

// scalars steps over members as long as they are no objects or arrays.
func (w *walk) scalars() bool {
	for w.space() == ',' {
		if _, ok := w.key(); !ok {
			return false
		}
		if c := w.space(); c == '{' || c == '[' || !w.value() {
			return false
		}
	}
	return true
}

// phoneNumberID is the first phone_number_id of a body that names no WABA: a bare value. All bodies of
// the number then share a partition at least.
func phoneNumberID(body []byte) []byte { return idUnder(body, `phone_number_id"`) }

// idUnder is the first id under a name, which is given with the quote behind it.
func idUnder(body []byte, name string) []byte {
	word := []byte(name)
	for at := 0; ; {
		n := bytes.Index(body[at:], word)
		if n < 0 {
			return nil
		}
		start := at + n
		at = start + len(word)
		if !opens(body, start) {
			continue
		}
		w := walk{b: body, i: at}
		if w.space() != ':' {
			continue
		}
		w.i++
		if id := w.id(); id != nil {
			return id
		}
	}
}
