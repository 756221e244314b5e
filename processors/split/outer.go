package split

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Errors of the history were seen outside of every change: beside the changes of an entry, and beside the entries. They
// become a change of their own behind those that are there, so that each partition reads them alike: one of the field history
// of the first number that these name, else one that nobody knows.

// fieldOuter is the field of such errors where no number is named.
const fieldOuter = "errors"

// outerErrors appends the change of errors that stand beside changes, those from base on. None means no error at all.
func (s *Scanner) outerErrors(i, entry, base int, in Change, errors []byte) bool {
	if !anyError(errors) {
		return true
	}
	in.Entry = entry
	of := &in
	for k := base; k < len(s.changes); k++ {
		c := &s.changes[k]
		if c.Entry == entry {
			in.Index = max(in.Index, c.Index+1)
		}
		if len(of.PhoneNumberID) == 0 && !c.Refused && (of == &in || len(c.PhoneNumberID) > 0) {
			of = c
		}
	}
	if of != &in {
		in.EntryID, in.EntryTime, in.WABA = of.EntryID, of.EntryTime, of.WABA
		in.PhoneNumberID, in.DisplayPhoneNumber = of.PhoneNumberID, of.DisplayPhoneNumber
	}
	outerChange(&in, errors)
	c, ok := room(s, &s.changes, i)
	if !ok {
		return false
	}
	*c = in
	return true
}

func outerChange(c *Change, errors []byte) {
	raw := append([]byte{}, `{"field":`...)
	if len(c.PhoneNumberID) == 0 {
		c.Field = []byte(fieldOuter)
		raw = append(raw, `"`+fieldOuter+`","value":{`...)
	} else {
		c.Field, c.Errors = []byte(fieldHistory), errors
		raw = append(raw, `"`+fieldHistory+`","value":{"metadata":{`...)
		if len(c.DisplayPhoneNumber) > 0 {
			raw = append(quoted(append(raw, `"display_phone_number":`...), c.DisplayPhoneNumber), ',')
		}
		raw = append(quoted(append(raw, `"phone_number_id":`...), c.PhoneNumberID), `},`...)
	}
	raw = append(append(append(raw, `"errors":`...), errors...), `}}`...)
	c.Raw, c.Value = raw, raw[bytes.IndexByte(raw[1:], '{')+1:len(raw)-1]
}

// AppendWrapped appends a body that holds a change of a wrapped envelope alone.
func (c *Change) AppendWrapped(dst []byte) []byte {
	dst = quoted(append(dst, '{'), []byte(words.wrapped.Field))
	dst = quoted(append(dst, ':'), c.Field)
	dst = quoted(append(dst, ','), []byte(words.wrapped.Value))
	dst = append(append(dst, ':'), c.Value...)
	if c.Beside != nil {
		dst = append(append(dst, `,"errors":`...), c.Beside...)
	}
	return append(dst, '}')
}

// quoted appends text that was read from JSON.
func quoted(dst, text []byte) []byte {
	if q, err := jsontext.AppendQuote(dst, text); err == nil {
		return q
	}
	return append(dst, `""`...)
}

// anyError tells whether errors are some: an array or an object that is not empty.
func anyError(errors []byte) bool {
	if len(errors) == 0 || errors[0] != '[' && errors[0] != '{' {
		return false
	}
	return len(bytes.TrimSpace(errors[1:len(errors)-1])) > 0
}
