// Package split parses the body of a webhook and divides it into its parts. It is strict: a body that is not JSON by
// the grammar of encoding/json/jsontext is rejected as a whole, with a reason and an offset. An odd part (invalid
// UTF-8, a duplicate name, too deep, a value of the wrong kind) is left out, and its place is recorded. The rest is
// JSON that jsontext accepts in its strictest mode, except for unpaired escaped surrogates. They are decoded as
// U+FFFD. A leading byte order mark is skipped.
//
// The parts are slices of the input, or of the scanner's own arena for strings with escapes. They are valid until
// the next Scan with the same Scanner, and while the input is unchanged. A Scanner that has grown to its size
// allocates nothing.
//
// A body is rejected for its grammar, for a limit on size or number, for an unknown envelope, and for odd parts
// outside of all changes. A scalar of another kind than expected counts as absent, like null. Unknown members are
// only validated. Ids and numbers may be quoted or not.
package split

import (
	"slices"

	"github.com/coexstream/coexstream/schemas"
)

// Limits bound what a scan accepts.
type Limits struct {
	BodyBytesMax int // 0: no limit
	DepthMax     int // nesting of arrays and objects; a part that is deeper is odd; 0: DefaultDepthMax
	// ItemsMax bounds the changes, history elements, threads, messages and contacts of a body together. Each costs a
	// few hundred bytes, even if its JSON is short. 0: DefaultItemsMax.
	ItemsMax int
}

// DefaultDepthMax is deeper than any documented webhook by an order of magnitude.
const DefaultDepthMax = 128

// Error is the reason why a body was rejected, or a part of it left out.
type Error struct {
	Reason schemas.Reason
	Offset int    // byte offset in the body
	Detail string // for people; never holds content of the body
}

// Envelope is the outermost shape of a body.
type Envelope uint8

// The envelopes.
const (
	EnvelopeMeta    Envelope = iota // {object, entry[{id, time, changes[{field, value}]}]}
	EnvelopeWrapped                 // an object around one value of Meta's, as {id, event, data{id, …value…}}
	EnvelopeBare                    // the value alone, as in Meta's sample of a declined history
	// EnvelopeNative is an event in a provider's own words: {id, type, and the object of the event}. See native.go.
	EnvelopeNative
)

// Body is a parsed webhook: its changes, in the order of the document.
type Body struct {
	Envelope Envelope
	EventID  []byte // wrapped, native: the envelope's id
	Changes  []Change
	// Places are the first 1024 parts that were left out, in the order of the document.
	Places []Place

	// Rest is the first change that is left out with all that follow it, because of a bound: see Bound. Over says
	// which bound.
	Rest         int
	bounded      bool // Bound was called
	Over         Error
	bytes, items int

	// piece: it is a Piece, with the element of history[] that was at these places. See Chunk.
	piece           bool
	change, element int
}

// Change is one change of one entry. A body with another envelope than Meta's has exactly one.
type Change struct {
	Entry, Index int // place in the body; Index is -1 if the change stands for a whole odd entry

	EntryID   []byte // entry.id, or the WABA of the envelope
	EntryTime int64  // entry.time in Unix seconds, 0 when absent; native: when the event was created
	// WABA is the business of the change: value.waba_info.waba_id if present, else EntryID, else value.waba_id.
	WABA    []byte
	ownWABA []byte // value.waba_id
	// Field is decoded. For a wrapped value it is the envelope's name of it; for a bare value it is derived from the
	// content ("history"). Fields that carry parts have one name, that of the documents: smb_message_echoes for
	// message_echoes.
	Field []byte

	// Raw is the change object verbatim; nil if the envelope has no such object; native: the body. A wrapped value
	// with errors beside it counts as a change of Meta's.
	Raw   []byte
	Value []byte // the value object verbatim, nil if value is not an object; native: the body

	// Native events name the business only by its number. Then both are that number, without its plus.
	PhoneNumberID      []byte // value.metadata.phone_number_id
	DisplayPhoneNumber []byte // value.metadata.display_phone_number

	// The arrays are parsed by their names in every field, also those of value.standby. An array of another shape is
	// tolerated only in a field that does not carry such arrays by definition. Then none of them is parsed.
	History   []HistoryElement // value.history[]
	Messages  []Message        // value.messages[]
	Echoes    []Message        // value.message_echoes[] and value.smb_message_echoes[]
	Statuses  []Message        // value.statuses[]
	StateSync []ContactItem    // value.state_sync[]
	// Handovers is the value itself under the field messaging_handovers: its Type is value.type, and From the user.
	Handovers []Message

	Profiles []Profile // value.contacts[]: senders or recipients of the items
	// Errors is value.errors verbatim; nil when absent or null. It may be one error instead of an array, and
	// value.error is another name of it. If there are several, it is an array of all of them, with those of Beside.
	Errors []byte
	Beside []byte // errors, under either name, beside the value in a change of Meta's envelope or in a wrapped one

	AccountEvent []byte // value.event
	PhoneNumber  []byte // value.phone_number

	// Odd is the first fault of the change; its Reason is empty if there is none.
	Odd Error
	Cut int // the number of parts that were left out because they are odd
	// Over reports that a part is over a bound of the body. See Body.Bound.
	Over bool
	// Refused reports that the whole change is odd. Only its business, its place and its bytes are set.
	Refused bool
	// Loose reports that Raw and Value have faults beyond their shape, and must not leave verbatim.
	Loose bool
	// Partial reports that only some parts of the change are set. See Body.Only.
	Partial bool
	// ProfilesChosen reports that contacts[] has further entries, which cannot be about the parts of the change.
	ProfilesChosen bool
	profilesCost   int  // cost of all entries, if not all are set
	attributed     bool // WABA is not in the change: see Attribute
	spaced         bool // its bytes may have white space between tokens
}

// Content returns JSON of the change without white space between tokens. It identifies the content, in any
// formatting by a sender or a proxy. It is raw itself if that has no white space; otherwise it is appended to dst.
func (c *Change) Content(dst, raw []byte) []byte {
	if !c.spaced {
		return raw
	}
	return schemas.AppendCompact(dst, raw)
}

// MayHaveSpace notes that messages were added whose bytes may have white space between tokens.
func (c *Change) MayHaveSpace() { c.spaced = true }

// Parts returns the number of parts in the pipeline's own fields.
func (c *Change) Parts() int {
	return len(c.History) + len(c.Messages) + len(c.Echoes) + len(c.Statuses) + len(c.StateSync) + len(c.Errors) + len(c.Handovers)
}

// OnlyErrors reports whether a change has errors, and no parts of a number.
func (c *Change) OnlyErrors() bool {
	for i := range c.History {
		el := &c.History[i]
		if !el.Out && (!anyError(el.Errors) || slices.ContainsFunc(el.Threads, func(t Thread) bool { return len(t.Messages) > 0 })) {
			return false
		}
	}
	return len(c.Errors)+len(c.History) > 0 && len(c.Messages)+len(c.Echoes)+len(c.Statuses)+len(c.StateSync)+len(c.Handovers) == 0
}

// HasOwnField reports whether the pipeline parses the field of a change.
func (c *Change) HasOwnField() bool {
	switch string(c.Field) {
	case "history", "smb_app_state_sync", "smb_message_echoes", "messages", "standby", "messaging_handovers":
		return true
	}
	return false
}

// OfNumber reports whether a change has parts of a number.
func (c *Change) OfNumber() bool { return c.HasOwnField() && c.Parts() > 0 && len(c.PhoneNumberID) > 0 }

// HistoryElement is one element of value.history[]: a chunk, or a decline.
type HistoryElement struct {
	Out                                  bool // it is odd, or not chosen, and is empty
	Checked                              bool // set by the owner of the body after its one-time checks; the scanner clears it
	depth                                int16
	Raw                                  []byte
	Phase, ChunkOrder, Progress          int32
	HasPhase, HasChunkOrder, HasProgress bool
	Threads                              []Thread
	Errors                               []byte // errors of the element and of its threads, as in Change.Errors
}

// Thread is one chat of a chunk.
type Thread struct {
	ID                                                []byte // threads[].id, may be empty
	GroupID                                           []byte // threads[].group_id
	WaID, UserID, ParentUserID, Username, CountryCode []byte // threads[].context
	Messages                                          []Message
}

// FromMe is history_context.from_me: absent, false or true.
type FromMe uint8

// The values of FromMe.
const (
	FromMeAbsent FromMe = iota
	FromMeFalse
	FromMeTrue
)

// Message is a message, echo or status.
type Message struct {
	Raw             []byte // the object verbatim
	ID              []byte `json:",omitzero"`
	From            []byte `json:",omitzero"`
	To              []byte `json:",omitzero"`
	Type            []byte `json:",omitzero"`
	FromUserID      []byte `json:",omitzero"`
	ToUserID        []byte `json:",omitzero"`
	RecipientID     []byte `json:",omitzero"` // statuses
	RecipientUserID []byte `json:",omitzero"` // statuses
	Timestamp       int64  // Unix seconds (smaller units are divided), 0 when absent, negative or not a number
	Status          []byte `json:",omitzero"` // history_context.status; for statuses, status
	FromMe          FromMe `json:",omitzero"`
	Index           int32  `json:"-"`         // position in its array: see Place.AppendPath
	OriginalID      []byte `json:",omitzero"` // revoke.original_message_id, else edit.original_message_id
	Edit            []byte `json:",omitzero"` // edit verbatim, if it is an object
	HasErrors       bool   `json:",omitzero"` // errors is an array or an object that is not empty
	HasContent      bool   `json:",omitzero"` // with errors: the property that Type names is there and not null
	// Names are ids that only few messages have; nil in the others.
	Names *Names `json:",omitempty"`
}

// Names are ids of people and groups that only few messages and statuses have.
type Names struct {
	GroupID            []byte
	FromParentUserID   []byte
	ToParentUserID     []byte
	RecipientType      []byte // "group", "individual"
	RecipientLogicalID []byte

	RecipientParentUserID                                     []byte
	ParticipantID, ParticipantUserID, ParticipantParentUserID []byte // recipient_participant_id, …

	System       System // system
	UserIDUpdate System // user_id_update, for partners that forward the change in this form
}

// System is the user of a system message: the new ids, and the former ones.
type System struct {
	WaID, UserID, ParentUserID           []byte
	PreviousUserID, PreviousParentUserID []byte
	PreviousWaID                         []byte
}

// Profile is one entry of value.contacts[]: a WhatsApp user. Any of the ids may be absent.
type Profile struct {
	Raw                                     []byte
	WaID, UserID, ParentUserID, CountryCode []byte
	Name, Username                          []byte // profile.name; profile.username, else username
}

// ContactItem is one element of value.state_sync[].
type ContactItem struct {
	Raw                                         []byte
	Type, Action                                []byte
	PhoneNumber, UserID, ParentUserID, Username []byte // contact.phone_number, contact.user_id, …
	FullName, FirstName                         []byte
	TimestampMS                                 int64 // metadata.timestamp as Unix milliseconds; 0 when absent
	Version                                     int64 // metadata.version; 0 when absent
	Index                                       int32 // position in its array: see Place.AppendPath
}
