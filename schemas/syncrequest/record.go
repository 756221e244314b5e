package syncrequest

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Source is the value of the header coex-source of these records. The name is reserved.
const Source = "desk"

// Object is the property `object` of each record.
const Object = "coexstream_sync_request"

// SyncType is the kind of data that is requested.
type SyncType string

// The sync types.
const (
	Contacts SyncType = "contacts"
	History  SyncType = "history"
)

// State is the state of an attempt.
type State string

// The states of an attempt. Intended comes first; one of the others follows, or none if the desk ended between them.
const (
	Intended State = "intended" // written before the call
	Accepted State = "accepted" // the vendor accepted the request
	Refused  State = "refused"  // the vendor answered with an error
	Unknown  State = "unknown"  // sent, and not answered; or a 5xx
	NotSent  State = "not_sent" // certainly not sent
)

// Codes of the vendor about a sync.
const (
	CodeRequested = 2593107 // refused: this type was requested before, for this onboarding
	CodeTooLate   = 2593108 // refused: more than 24 hours after the onboarding
	CodeDeclined  = 2593109 // by webhook: the business does not share its history
)

// Limits of texts, in bytes. Append cuts the message of an error; Decode rejects longer texts.
const (
	IDBytesMax      = 256  // ids of WABA, number, request and attempt
	NameBytesMax    = 128  // requested_by and provider
	MessageBytesMax = 1024 // error.message
)

// Record is one step of a request.
type Record struct {
	WABAID        string
	PhoneNumberID string
	SyncType      SyncType
	State         State
	RequestID     string // of the vendor; only of an accepted request, and not all vendors give one
	Attempt       string // id of the attempt: the records of one call have the same one
	At            int64  // Unix milliseconds: when the step was taken
	OnboardedAt   int64  // Unix milliseconds: when the number was onboarded; 0: not known
	RequestedBy   string // name of the token, or cli
	Provider      string // name of the provider of the call: see schemas/provider
	Error         *Failure
}

// Failure is the error of a refused request, or the cause of an unknown outcome or of a call that was not sent.
type Failure struct {
	Code    int64 // of the vendor; 0: none
	Subcode int64 // of the vendor; 0: none
	Message string
}

// Append appends the record as a JSON object.
func (r Record) Append(dst []byte) []byte {
	dst = text(append(dst, `{"object":`...), Object)
	dst = text(append(dst, `,"waba_id":`...), r.WABAID)
	dst = text(append(dst, `,"phone_number_id":`...), r.PhoneNumberID)
	dst = text(append(dst, `,"sync_type":`...), string(r.SyncType))
	dst = text(append(dst, `,"state":`...), string(r.State))
	if r.RequestID != "" {
		dst = text(append(dst, `,"request_id":`...), r.RequestID)
	}
	dst = text(append(dst, `,"attempt":`...), r.Attempt)
	dst = strconv.AppendInt(append(dst, `,"at":`...), r.At, 10)
	dst = strconv.AppendInt(append(dst, `,"onboarded_at":`...), r.OnboardedAt, 10)
	dst = text(append(dst, `,"requested_by":`...), r.RequestedBy)
	dst = text(append(dst, `,"provider":`...), r.Provider)
	if e := r.Error; e != nil {
		dst = strconv.AppendInt(append(dst, `,"error":{"code":`...), e.Code, 10)
		if e.Subcode != 0 {
			dst = strconv.AppendInt(append(dst, `,"subcode":`...), e.Subcode, 10)
		}
		if e.Message != "" {
			dst = text(append(dst, `,"message":`...), shortened(e.Message))
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// text appends a JSON text. Invalid UTF-8 is replaced, so there is no error.
func text(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\uFFFD"))
	return dst
}

// shortened returns at most MessageBytesMax bytes of a message, whole characters only.
func shortened(message string) string {
	message = strings.ToValidUTF8(message, "\uFFFD")
	if len(message) <= MessageBytesMax {
		return message
	}
	end := MessageBytesMax
	for !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end]
}

// Is reports whether a body has the `object` of these records as its first property, as Append writes it.
func Is(body []byte) bool {
	return bytes.HasPrefix(body, []byte(`{"object":"`+Object+`"`))
}
