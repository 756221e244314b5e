package split

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/coexstream/coexstream/schemas"
	"github.com/go-json-experiment/json/jsontext"
)

// odd is panicked with where a part cannot be used.
type odd struct{ reason schemas.Reason }

// refused is what a body is refused with.
type refused struct{ reason schemas.Reason }

// left is a part that was left out of a change.
type left struct {
	parts  []*node
	places []string
}

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

func (l *left) out(n *node, path string) {
	l.parts, l.places = append(l.parts, n), append(l.places, path)
}

// of is the places with their change in front.
func (l *left) of(change string) []string {
	var all []string
	for _, p := range l.places {
		all = append(all, change+p)
	}
	return all
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
