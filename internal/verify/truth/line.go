package truth

import (
	"encoding/json"
	"time"
)

// Line is one line of the file: exactly one of its members is set.
type Line struct {
	Head   *Head   `json:"head,omitzero"`
	Number *Number `json:"number,omitzero"`
	Body   *Body   `json:"body,omitzero"`
	Sent   *Sent   `json:"sent,omitzero"`
	End    *End    `json:"end,omitzero"`
}

// Head opens the file.
type Head struct {
	Version int             `json:"version"`
	Seed    uint64          `json:"seed"`
	Start   time.Time       `json:"start"`
	Config  json.RawMessage `json:"config,omitzero"` // for people; holds no secret
}

// Number is one business phone number.
type Number struct {
	Index         int    `json:"index"`
	WABA          string `json:"waba"`
	PhoneNumberID string `json:"phone_number_id"`
	Display       string `json:"display"`
}

// Body is one webhook body.
type Body struct {
	Index  int    `json:"index"`
	Hash   Digest `json:"hash"`
	Length int    `json:"length"`
	Source string `json:"source"` // which endpoint it goes to
	Parts  []Part `json:"parts,omitzero"`
}

// Sent is the end of one delivery of a body.
type Sent struct {
	Body     int   `json:"body"`
	Acked    bool  `json:"acked"`
	Attempts int   `json:"attempts"`
	FirstMS  int64 `json:"first_ms"` // Unix milliseconds of the first attempt
	LastMS   int64 `json:"last_ms"`  // and of the last answer
	Status   int   `json:"status"`   // last HTTP status, 0 when there was no answer
}

// End closes the file of a run that was played to its end.
type End struct {
	At         time.Time `json:"at"`
	Bodies     int       `json:"bodies"`
	Deliveries int       `json:"deliveries"`
	Unacked    int       `json:"unacked"` // deliveries given up
	Skipped    int       `json:"skipped"` // deliveries that were not started, because an earlier one was given up
}

// Kind is the kind of a part.
type Kind string

// The kinds of parts.
const (
	KindChunk    Kind = "chunk"   // one element of history[] with threads
	KindDecline  Kind = "decline" // one element of history[] with errors
	KindMedia    Kind = "media"   // the asset of an earlier placeholder, in any of its shapes
	KindEcho     Kind = "echo"
	KindMessage  Kind = "message"
	KindStatus   Kind = "status"
	KindError    Kind = "error" // value.errors[] of a messages change
	KindHandover Kind = "handover"
	KindFailure  Kind = "failure" // one element of history[] with errors in place of its threads
	KindContact  Kind = "contact"
	KindAccount  Kind = "account"
	KindOther    Kind = "other"
	KindDead     Kind = "dlq" // the whole body, or the change that Places names, is invalid
)

// Part is one thing that a body holds.
type Part struct {
	Kind   Kind  `json:"k"`
	Number int   `json:"n"`            // index of the number
	Window int32 `json:"win,omitzero"` // chunk, decline, media: onboarding window, from 1

	Phase    *int32 `json:"phase,omitzero"`
	Order    *int32 `json:"order,omitzero"`
	Progress *int32 `json:"progress,omitzero"`

	// People are the persons that Items refer to.
	People   []Person  `json:"people,omitzero"`
	Items    []Item    `json:"items,omitzero"` // chunk, media, echo, message, status, error, handover: in the order of the document
	Contacts []Contact `json:"contacts,omitzero"`
	Account  *Account  `json:"account,omitzero"`
	Other    *Other    `json:"other,omitzero"`
	Digest   Digest    `json:"d,omitzero"`       // chunk: the element's bytes; decline: the errors array
	Reasons  []string  `json:"reasons,omitzero"` // dlq, and a part with odd places: the correct reason codes
	Places   []string  `json:"places,omitzero"`  // paths of invalid parts; only these are left out
	Failure  *Failure  `json:"failure,omitzero"` // failure: the error
	Standby  bool      `json:"standby,omitzero"` // a copy of an item that another application answers
	NoName   bool      `json:"no_name,omitzero"` // the body does not have the business's number
	NoWABA   bool      `json:"no_waba,omitzero"` // the body does not name its WABA
	Split    bool      `json:"split,omitzero"`   // the body concerns several WABAs
	Echoed   bool      `json:"echoed,omitzero"`  // media: came as an echo
}

// Person is the person on the other side of items, by all names in the webhook: in the item, in its thread, and in the
// entries of contacts[]. Numbers have their spelling in the webhook.
type Person struct {
	Group    string `json:"g,omitzero"`
	Thread   string `json:"t,omitzero"` // the number of the thread, if its spelling is another one
	Phone    string `json:"p,omitzero"`
	User     string `json:"u,omitzero"`
	Parent   string `json:"pu,omitzero"`
	Username string `json:"un,omitzero"`
	Country  string `json:"cc,omitzero"`
	Name     string `json:"pn,omitzero"`
	// Profiles is of the entries of contacts[] about the person, as an array without blanks.
	Profiles Digest `json:"pr,omitzero"`
}

// Contact is one item of state_sync[].
type Contact struct {
	Phone       string `json:"p,omitzero"`
	User        string `json:"u,omitzero"`
	Remove      bool   `json:"rm,omitzero"`
	TimestampMS int64  `json:"ts"`
	Version     int64  `json:"v,omitzero"`
	FullName    string `json:"fn,omitzero"`
	FirstName   string `json:"n,omitzero"`
	Digest      Digest `json:"d"`
}

// Account is one account_update change.
type Account struct {
	EntryID string `json:"entry,omitzero"` // if it differs from the WABA
	Event   string `json:"event"`
	Phone   string `json:"phone,omitzero"`
	Time    int64  `json:"time"` // 0: the entry has none
	Digest  Digest `json:"d"`    // of the value
}

// Other is one change of an unknown field.
type Other struct {
	Field  string `json:"field"`
	Digest Digest `json:"d"` // of the change
}

// Failure is the error of a chunk.
type Failure struct {
	Code  int64  `json:"code"`
	Title string `json:"title"`
}
