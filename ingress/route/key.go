package route

import (
	"bytes"

	"github.com/coexstream/coexstream/schemas/provider"
)

// accountBytesMax bounds the search for waba_info. It occurs in account events, which are small and come alone;
// a search through megabytes of history would find nothing.
const accountBytesMax = 64 << 10

// portfolioWABA returns the waba_id of the first waba_info object.
func portfolioWABA(body []byte) []byte {
	body = body[:min(len(body), accountBytesMax)]
	cur := cursor{b: body}
	for cur.find(`waba_info"`) {
		if cur.enter('{') {
			return cur.member("waba_id") // only the first object: nested ones would take quadratic time
		}
	}
	return nil
}

// member returns the id under a name of the object that the cursor has entered.
func (cur *cursor) member(name string) []byte {
	for {
		key, ok := cur.key()
		switch {
		case !ok:
			return nil
		case string(key) == name:
			return cur.id()
		case !cur.value():
			return nil
		}
	}
}

// envelopeWABA returns entry[0].id, or the id in a wrapped value.
func envelopeWABA(body []byte) []byte {
	cur := cursor{b: body}
	if !cur.enter('{') {
		return nil
	}
	for {
		key, ok := cur.key()
		switch {
		case !ok:
			return nil
		case string(key) == "entry":
			if !cur.enter('[') || !cur.enter('{') {
				return nil
			}
			return cur.entryID()
		}
		if w := wrappedBy(key); w != nil && cur.space() == '{' {
			cur.i++
			return cur.member(w.WABA)
		}
		if !cur.value() {
			return nil
		}
	}
}

// wrappedBy returns the wrapped envelope whose value is the member key, or nil.
func wrappedBy(key []byte) *provider.Wrapped {
	for _, w := range wrapped {
		if string(key) == w.Value {
			return w
		}
	}
	return nil
}

// tailBytes bounds the search at the end of a body for the members that follow the changes of the last entry.
const tailBytes = 512

// entryID returns the id of the entry that the cursor has entered. The id usually comes first. Behind long changes
// it stands at the very end of the body. A search there avoids a scan of megabytes.
func (cur *cursor) entryID() []byte {
	for {
		key, ok := cur.key()
		switch {
		case !ok:
			return nil
		case string(key) == "id":
			return cur.id()
		case cur.space() == '[' && len(cur.b)-cur.i > 16*tailBytes:
			if id := tailID(cur.b); id != nil {
				return id
			}
		}
		if !cur.value() {
			return nil
		}
	}
}

// tailID returns the id that follows the changes of the last entry. From there the body ends in scalars, the entry's
// brace, the array's bracket, scalars, and the last brace. An id that is nested deeper has more brackets behind it.
func tailID(body []byte) []byte {
	tail := body[len(body)-tailBytes:]
	name := []byte(`"id"`)
	for at := 0; ; {
		n := bytes.Index(tail[at:], name)
		if n < 0 {
			return nil
		}
		at += n + len(name)
		cur := cursor{b: tail, i: at}
		if cur.space() != ':' {
			continue
		}
		cur.i++
		id := cur.id()
		if digits(id) && cur.scalars() && cur.enter('}') && cur.enter(']') && cur.scalars() && cur.enter('}') && cur.space() == 0 {
			return id
		}
	}
}

// scalars skips members whose values are scalars. It returns false at an object or array.
func (cur *cursor) scalars() bool {
	for cur.space() == ',' {
		if _, ok := cur.key(); !ok {
			return false
		}
		if c := cur.space(); c == '{' || c == '[' || !cur.value() {
			return false
		}
	}
	return true
}

// PhoneNumberID returns the first phone_number_id of a body. It replaces the key of a body that names no WABA, so that
// all such bodies of a number share a partition.
func PhoneNumberID(body []byte) []byte { return idUnder(body, `phone_number_id"`) }

// idUnder returns the first id under a name. The name includes its closing quote.
func idUnder(body []byte, name string) []byte {
	cur := cursor{b: body}
	for cur.find(name) {
		value := cur
		if id := value.id(); id != nil {
			return id
		}
	}
	return nil
}
