package syncrequest

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Error is the reason why a body is not a record of a request.
type Error struct {
	Property string // empty: the value itself
	Why      string
}

// Error shows nothing of the content.
func (e *Error) Error() string {
	if e.Property == "" {
		return "sync request: the value " + e.Why
	}
	return fmt.Sprintf("sync request: %s %s", e.Property, e.Why)
}

// MillisMax is the latest time: the end of the year 9999.
const MillisMax = 253402300799999

type wire struct {
	Object        property[string]  `json:"object"`
	WABAID        property[string]  `json:"waba_id"`
	PhoneNumberID property[string]  `json:"phone_number_id"`
	SyncType      property[string]  `json:"sync_type"`
	State         property[string]  `json:"state"`
	RequestID     property[string]  `json:"request_id"`
	Attempt       property[string]  `json:"attempt"`
	At            property[int64]   `json:"at"`
	OnboardedAt   property[int64]   `json:"onboarded_at"`
	RequestedBy   property[string]  `json:"requested_by"`
	Provider      property[string]  `json:"provider"`
	Error         property[failure] `json:"error"`
}

type failure struct {
	Code    property[int64]  `json:"code"`
	Subcode property[int64]  `json:"subcode"`
	Message property[string] `json:"message"`
}

// property is a property that may be absent. A null is no value of any type.
type property[T any] struct {
	value   T
	present bool
}

// UnmarshalJSONFrom is json.UnmarshalerFrom.
func (p *property[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == 'n' {
		return errNull
	}
	p.present = true
	return json.UnmarshalDecode(d, &p.value)
}

var errNull = errors.New("null")

// Decode reads a record. Every error is an *Error.
func Decode(body []byte) (Record, error) {
	var w wire
	if err := json.Unmarshal(body, &w); err != nil {
		return Record{}, syntaxOf(err)
	}
	d := decoder{}
	if object := d.text("object", w.Object, math.MaxInt); object != Object {
		d.fail("object", "is not "+Object)
	}
	r := Record{
		WABAID:        d.text("waba_id", w.WABAID, IDBytesMax),
		PhoneNumberID: d.text("phone_number_id", w.PhoneNumberID, IDBytesMax),
		SyncType:      SyncType(d.text("sync_type", w.SyncType, math.MaxInt)),
		State:         State(d.text("state", w.State, math.MaxInt)),
		Attempt:       d.text("attempt", w.Attempt, IDBytesMax),
		At:            d.millis("at", w.At, 1),
		OnboardedAt:   d.millis("onboarded_at", w.OnboardedAt, 0),
		RequestedBy:   d.text("requested_by", w.RequestedBy, NameBytesMax),
		Provider:      d.text("provider", w.Provider, NameBytesMax),
	}
	switch r.SyncType {
	case Contacts, History:
	default:
		d.fail("sync_type", "is neither contacts nor history")
	}
	if w.RequestID.present {
		r.RequestID = d.text("request_id", w.RequestID, IDBytesMax)
	}
	if e := w.Error.value; w.Error.present {
		r.Error = &Failure{Code: e.Code.value, Subcode: e.Subcode.value, Message: e.Message.value}
		if !e.Code.present {
			d.fail("error.code", "is missing")
		}
		if len(r.Error.Message) > MessageBytesMax {
			d.fail("error.message", fmt.Sprintf("is longer than %d bytes", MessageBytesMax))
		}
	}
	d.state(&r)
	if d.err != nil {
		return Record{}, d.err
	}
	return r, nil
}

// state checks which properties a state has.
func (d *decoder) state(r *Record) {
	switch r.State {
	case Intended, Accepted:
		if r.Error != nil {
			d.fail("error", "does not belong to the state "+string(r.State))
		}
	case Refused:
		if r.Error == nil {
			d.fail("error", "is missing")
		}
	case Unknown, NotSent:
	default:
		d.fail("state", "is none of intended, accepted, refused, unknown, not_sent")
	}
	if r.RequestID != "" && r.State != Accepted {
		d.fail("request_id", "does not belong to the state "+string(r.State))
	}
}

// decoder keeps the first fault.
type decoder struct{ err error }

func (d *decoder) fail(property, why string) {
	if d.err == nil {
		d.err = &Error{property, why}
	}
}

func (d *decoder) text(property string, s property[string], most int) string {
	switch {
	case !s.present:
		d.fail(property, "is missing")
		return ""
	case s.value == "":
		d.fail(property, "is empty")
	case len(s.value) > most:
		d.fail(property, fmt.Sprintf("is longer than %d bytes", most))
	}
	return s.value
}

func (d *decoder) millis(property string, ms property[int64], least int64) int64 {
	switch {
	case !ms.present:
		d.fail(property, "is missing")
		return 0
	case ms.value < least || ms.value > MillisMax:
		d.fail(property, "is no time in Unix milliseconds")
	}
	return ms.value
}

func syntaxOf(err error) error {
	var semantic *json.SemanticError
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.As(err, &semantic) && semantic.JSONPointer != "":
		return &Error{Property: strings.ReplaceAll(string(semantic.JSONPointer)[1:], "/", "."), Why: "has another type"}
	case errors.As(err, &semantic):
		return &Error{Why: "is no object"}
	case errors.As(err, &syntactic):
		return &Error{Why: fmt.Sprintf("is no valid JSON at byte %d", syntactic.ByteOffset)}
	}
	return &Error{Why: "is cut off"}
}
