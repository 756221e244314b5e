package split

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Errors of the history were seen outside of every change: beside the changes of an entry, and beside the entries.
// They become a change of their own after the existing ones, so that each partition reads them alike. Its field is
// history, for the first number that these changes name; without a number it has an unknown field.

// fieldOuter is the field of such errors without a number.
const fieldOuter = "errors"

// outerErrors appends the change of errors beside changes, those from base on. It appends none if there is no error.
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

// AppendWrapped appends a body with one change of a wrapped envelope.
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

// anyError reports whether errors are not empty: an array or an object with content.
func anyError(errors []byte) bool {
	if len(errors) == 0 || errors[0] != '[' && errors[0] != '{' {
		return false
	}
	return len(bytes.TrimSpace(errors[1:len(errors)-1])) > 0
}
