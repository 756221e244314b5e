// Package split cuts the body of a webhook into its parts. It is strict: a body that is not JSON by the grammar of
// encoding/json/jsontext is refused, with a reason and an offset, and nothing of it is used. A part that is odd
// (invalid UTF-8, a name twice, too deep, a value of the wrong kind) is left out, and its place is told; what is left
// is JSON that jsontext accepts at its strictest, but for escaped surrogates without their other half. These count as
// U+FFFD in what is decoded. A byte order mark in front is skipped.
//
// The parts are slices of the input (strings with escapes are slices of the scanner's own arena), so
// they are valid until the next Scan with the same Scanner, and for as long as nobody writes to the
// input. A Scanner that has grown to its size allocates nothing.
//
// What makes a body be refused: its grammar, a limit on size or number, an envelope that is not known, and what is
// odd outside of every change. A scalar of another kind than expected counts as absent, as null does; members that
// nobody knows are read for their validity alone. Ids and numbers may be quoted or not.
package split

import (
	"slices"

	"github.com/coexstream/coexstream/schemas"
)

// Limits bound what a scan accepts.
type Limits struct {
	BodyBytesMax int // 0: no limit
	DepthMax     int // nesting of arrays and objects; a part that is deeper is odd; 0: DefaultDepthMax
	// ItemsMax bounds the changes, history elements, threads, messages and contacts of a body taken
	// together: each costs a few hundred bytes however short its JSON is. 0: DefaultItemsMax.
	ItemsMax int
}

// DefaultDepthMax is deeper than any documented webhook by an order of magnitude.
const DefaultDepthMax = 128

// Error is why a body was refused, or a part of one left out.
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
	// EnvelopeNative is an event in a provider's own words: {id, type, and the object that it is about}. See native.go.
	EnvelopeNative
)

// Body is a webhook cut into its changes, in the order of the document.
type Body struct {
	Envelope Envelope
	EventID  []byte // wrapped, native: the envelope's id
	Changes  []Change
	// Places are the parts that were left out, in the order of the document: the first 1024 of them.
	Places []Place

	// Rest is the first of the changes that are left out with all that follow it, because they are over a bound: see Bound.
	// Over says which.
	Rest         int
	Over         Error
	bytes, items int

	// piece: it is a Piece, the element of history[] that stood at these places. See Chunk.
	piece           bool
	change, element int
}

// Change is one change of one entry. A body of another envelope than Meta's has exactly one.
type Change struct {
	Entry, Index int // place in the body; Index is -1 where the change stands for an odd entry as a whole

	EntryID   []byte // entry.id, or the WABA that the envelope names
	EntryTime int64  // entry.time in Unix seconds, 0 when absent; native: when the event was created
	// WABA is whom the change is about: value.waba_info.waba_id where there is one, else EntryID, else value.waba_id.
	WABA    []byte
	ownWABA []byte // value.waba_id
	// Field is decoded; for a wrapped value, the envelope's name of it; for a bare value, what it holds ("history"). Other names of the fields
	// that carry parts are said in the one that the documents use: smb_message_echoes for message_echoes.
	Field []byte

	// Raw is the change object verbatim; nil where the envelope has no such object; native: the body. A wrapped value that has
	// errors beside it is one of Meta's.
	Raw   []byte
	Value []byte // the value object verbatim, nil when value is no object; native: the body

	// Native events name the business by its number alone: there both are that number, without its plus.
	PhoneNumberID      []byte // value.metadata.phone_number_id
	DisplayPhoneNumber []byte // value.metadata.display_phone_number

	// The arrays are cut by their names whatever the field is, also those of value.standby. Only in a field that does
	// not carry them by its definition may one be of another shape: then none of them is cut.
	History   []HistoryElement // value.history[]
	Messages  []Message        // value.messages[]
	Echoes    []Message        // value.message_echoes[] and value.smb_message_echoes[]
	Statuses  []Message        // value.statuses[]
	StateSync []ContactItem    // value.state_sync[]
	// Handovers is the value itself under the field messaging_handovers: its Type is value.type, From the user.
	Handovers []Message

	Profiles []Profile // value.contacts[]: who the items are from or to
	// Errors is value.errors verbatim; nil when absent or null. One error may stand in place of the array, and value.error is
	// another name of it. Where several are there, it is an array of all, with those of Beside.
	Errors []byte
	Beside []byte // errors, by either name, beside the value in a change of Meta's envelope or in a wrapped one

	AccountEvent []byte // value.event
	PhoneNumber  []byte // value.phone_number

	// Odd is the first that is odd about the change; its Reason is empty where nothing is.
	Odd Error
	Cut int // how many parts were left out because they are odd
	// Over: a part of it is over a bound of the body. See Body.Bound.
	Over bool
	// Refused: the change is odd as a whole. Only what names its business, its place and its bytes are there.
	Refused bool
	// Loose: Raw and Value hold what is odd beyond its shape, and must not leave as they are.
	Loose bool
	// Partial: of the change's parts only some are there. See Body.Only.
	Partial bool
	// ProfilesChosen: of contacts[] only the entries that can be about the change's parts are there, and it has more.
	ProfilesChosen bool
	profilesCost   int  // of all entries, where not all are there
	attributed     bool // WABA is not its own: see Attribute
	spaced         bool // its bytes may have white space between tokens
}

// Content is JSON of the change without white space between its tokens: what tells it from other content, however a sender or
// a proxy formats it. It is raw itself where there is none, else it is appended to dst.
func (c *Change) Content(dst, raw []byte) []byte {
	if !c.spaced {
		return raw
	}
	return schemas.AppendCompact(dst, raw)
}

// MayHaveSpace says that messages were put into the change whose bytes may have white space between tokens.
func (c *Change) MayHaveSpace() { c.spaced = true }

// Parts is how many parts of the pipeline's own fields a change has.
func (c *Change) Parts() int {
	return len(c.History) + len(c.Messages) + len(c.Echoes) + len(c.Statuses) + len(c.StateSync) + len(c.Errors) + len(c.Handovers)
}

// OnlyErrors tells whether a change holds errors, and nothing that is a number's.
func (c *Change) OnlyErrors() bool {
	for i := range c.History {
		el := &c.History[i]
		if !el.Out && (!anyError(el.Errors) || slices.ContainsFunc(el.Threads, func(t Thread) bool { return len(t.Messages) > 0 })) {
			return false
		}
	}
	return len(c.Errors)+len(c.History) > 0 && len(c.Messages)+len(c.Echoes)+len(c.Statuses)+len(c.StateSync)+len(c.Handovers) == 0
}

// HasOwnField tells whether the field of a change is one that the pipeline takes apart.
func (c *Change) HasOwnField() bool {
	switch string(c.Field) {
	case "history", "smb_app_state_sync", "smb_message_echoes", "messages", "standby", "messaging_handovers":
		return true
	}
	return false
}

// OfNumber tells whether a change has parts that are a number's.
func (c *Change) OfNumber() bool { return c.HasOwnField() && c.Parts() > 0 && len(c.PhoneNumberID) > 0 }

// HistoryElement is one element of value.history[]: a chunk, or a decline.
type HistoryElement struct {
	Out                                  bool // it is odd, or not chosen, and holds nothing
	Checked                              bool // for the owner of the body: what it has to check once is done; the scanner clears it
	depth                                int16
	Raw                                  []byte
	Phase, ChunkOrder, Progress          int32
	HasPhase, HasChunkOrder, HasProgress bool
	Threads                              []Thread
	Errors                               []byte // those of the element and of its threads, as Change.Errors
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
	Raw                          []byte // the object verbatim
	ID, From, To, Type           []byte
	FromUserID, ToUserID         []byte
	RecipientID, RecipientUserID []byte // statuses
	Timestamp                    int64  // Unix seconds (smaller units are divided), 0 when absent, negative or not a number
	Status                       []byte // history_context.status; for statuses, status
	FromMe                       FromMe
	Index                        int32  `json:"-"` // position in its array: see Place.AppendPath
	OriginalID                   []byte // revoke.original_message_id, else edit.original_message_id
	Edit                         []byte // edit verbatim, where it is an object
	HasErrors                    bool   // errors is an array or an object that is not empty
	HasContent                   bool   // with errors: the property that Type names is there and not null
	// Names are the ids that few messages have; nil in the others.
	Names *Names `json:",omitempty"`
}

// Names are the ids of people and groups that few messages and statuses have.
type Names struct {
	GroupID            []byte
	FromParentUserID   []byte
	ToParentUserID     []byte
	RecipientType      []byte // "group", "individual"
	RecipientLogicalID []byte

	RecipientParentUserID                                     []byte
	ParticipantID, ParticipantUserID, ParticipantParentUserID []byte // recipient_participant_id, …

	System       System // system
	UserIDUpdate System // user_id_update, where a partner forwards the change so
}

// System is whom a system message is about: as it is called from now on, and as it was called before.
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
