package world

import (
	"bytes"
	"strconv"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// breakage makes a body that cannot be understood out of one that could.
type breakage struct {
	name   string
	reason schemas.Reason
	spoil  func(good []byte) []byte
}

func replace(old, with string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(with), 1) }
}

var breakages = [...]breakage{
	{"cut", schemas.ReasonJSONInvalid, func(b []byte) []byte { return b[:len(b)*2/3] }},
	{"trailing comma", schemas.ReasonJSONInvalid, replace(`"changes":[`, `"changes":[,`)},
	{"unclosed", schemas.ReasonJSONInvalid, func(b []byte) []byte { return b[:len(b)-2] }},
	{"control character", schemas.ReasonJSONInvalid, replace(`whatsapp"`, "what\x01sapp\"")},
	{"not JSON", schemas.ReasonJSONInvalid, func(b []byte) []byte { return append([]byte("hello "), b[:20]...) }},
	{"trailing garbage", schemas.ReasonJSONTrailing, func(b []byte) []byte { return append(b, "{}"...) }},
	// In the envelope these spoil the body; in a part, the part alone.
	{"name twice", schemas.ReasonJSONDuplicate, replace(`"object":`, `"extra":1,"e\u0078tra":2,"object":`)},
	{"invalid UTF-8", schemas.ReasonJSONUTF8, replace(`"object":`, "\"extra\":\"what\xffsapp\",\"object\":")},
	{"surrogate in UTF-8", schemas.ReasonJSONUTF8, replace(`"object":`, "\"extra\":\"what\xed\xa0\xbdsapp\",\"object\":")},
	{"too deep", schemas.ReasonJSONTooDeep, replace(`"object":`, `"deep":`+string(bytes.Repeat([]byte("["), 400))+string(bytes.Repeat([]byte("]"), 400))+`,"object":`)},
	{"foreign object", schemas.ReasonObjectUnknown, replace(`whatsapp_business_account`, `page`)},
	{"unknown envelope", schemas.ReasonEnvelopeUnknown, func(b []byte) []byte {
		return append(append([]byte(`{"hello":{"world":`), strconv.Itoa(len(b))...), `}}`...)
	}},
	{"entry is no array", schemas.ReasonShape, func(b []byte) []byte {
		i := bytes.Index(b, []byte(`"entry":[`))
		b = append(b[:i:i], `"entry":{"object":1}`...)
		if !bytes.Contains(b, []byte("whatsapp_business_account")) {
			b = append(b, `,"object":"whatsapp_business_account"`...)
		}
		return append(b, '}')
	}},
}

// appendBroken appends a broken body. Its serial number makes it one of a kind.
func (w *World) appendBroken(dst []byte, i int, b *body, at int64, tell bool) ([]byte, []truth.Part) {
	br := &breakages[b.broken-1]
	good := body{changes: b.changes}
	d := roll(w.cfg.Seed, atBody, uint64(i))
	text := w.appendMeta(nil, i, &good, at, &d, nil)
	// The serial goes first, so that every way of spoiling keeps it, where the body is an object at all.
	spoilt := br.spoil(text)
	if len(spoilt) > 0 && spoilt[0] == '{' {
		dst = append(dst, `{"serial":"`...)
		dst = strconv.AppendInt(dst, int64(i), 10)
		dst = append(dst, `",`...)
		dst = append(dst, spoilt[1:]...)
	} else {
		dst = append(dst, spoilt...)
		dst = strconv.AppendInt(append(dst, ' '), int64(i), 10)
	}
	if !tell {
		return dst, nil
	}
	return dst, []truth.Part{{Kind: truth.KindDead, Number: -1, Reasons: []string{string(br.reason)}}}
}
