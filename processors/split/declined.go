package split

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// DeclinedCode is the code of the error for a business that does not share its history (Meta's Coexistence page,
// "Messaging history not shared").
const DeclinedCode = 2593109

// ErrorsOf returns errors one by one: those of an array, or a single one.
func ErrorsOf(raw []byte) []json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	var all []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &all) != nil {
		all = []json.RawMessage{raw}
	}
	return all
}

// CodeOf returns the code of an error, quoted or not; 0: it has none. A value of another type counts as absent.
func CodeOf(failure []byte) int64 {
	var fields struct {
		Code json.RawMessage `json:"code"`
	}
	if len(failure) == 0 || failure[0] != '{' || json.Unmarshal(failure, &fields) != nil {
		return 0
	}
	number := strings.TrimSpace(string(bytes.Trim(fields.Code, `"`)))
	if code, err := strconv.ParseFloat(number, 64); err == nil && code == float64(int64(code)) {
		return int64(code)
	}
	return 0
}

// declinedByMessages adds to the errors of an element the declines among those of its messages.
func (e *HistoryElement) declinedByMessages() {
	for i := range e.Threads {
		for k := range e.Threads[i].Messages {
			m := &e.Threads[i].Messages[k]
			if !m.HasErrors || !bytes.Contains(m.Raw, declinedDigits) {
				continue
			}
			var said struct {
				Errors json.RawMessage `json:"errors"`
				Error  json.RawMessage `json:"error"`
			}
			if json.Unmarshal(m.Raw, &said) != nil {
				continue
			}
			for _, errors := range [...][]byte{said.Errors, said.Error} {
				for _, failure := range ErrorsOf(errors) {
					if CodeOf(failure) == DeclinedCode {
						e.Errors = bothErrors(e.Errors, failure)
						return
					}
				}
			}
		}
	}
}

var declinedDigits = strconv.AppendInt(nil, DeclinedCode, 10) // never written to

// Declines reports whether errors contain a decline.
func Declines(raw []byte) bool {
	for _, failure := range ErrorsOf(raw) {
		if CodeOf(failure) == DeclinedCode {
			return true
		}
	}
	return false
}

// Declines returns the errors of a change that contain a decline, in the order of their precedence.
func (c *Change) Declines() (all [][]byte) {
	if Declines(c.Errors) {
		all = append(all, c.Errors)
	}
	for i := range c.History {
		if Declines(c.History[i].Errors) {
			all = append(all, c.History[i].Errors)
		}
	}
	return all
}
