// Package split cuts the body of a webhook into its parts. It is strict and all or nothing: a body that
// encoding/json/jsontext refuses is refused, with a reason and an offset, and nothing of it is used.
//
// The parts are slices of the input (strings with escapes are slices of the scanner's own arena), so
// they are valid until the next Scan with the same Scanner, and for as long as nobody writes to the
// input. A Scanner that has grown to its size allocates nothing.
//
// What makes a body be refused: its JSON, a limit, an envelope that is not known, and a value of the
// wrong kind where there has to be an array of objects to cut. A scalar of another kind than expected
// counts as absent, as null does; members that nobody knows are read for their validity alone. Ids and
// numbers may be quoted or not.
package split

import "github.com/coexstream/coexstream/schemas"

// Limits bound what a scan accepts.
type Limits struct {
	BodyBytesMax int // 0: no limit
	DepthMax     int // nesting of arrays and objects; 0: DefaultDepthMax
	// ItemsMax bounds the changes, history elements, threads, messages and contacts of a body taken
	// together: each costs a few hundred bytes however short its JSON is. 0: DefaultItemsMax.
	ItemsMax int
}

// DefaultDepthMax is deeper than any documented webhook by an order of magnitude.
const DefaultDepthMax = 128

// Error is why a body was refused.
type Error struct {
	Reason schemas.Reason
	Offset int    // byte offset in the body
	Detail string // for people; never holds content of the body
}

// Envelope is the outermost shape of a body.
type Envelope uint8

// The envelopes.
const (
	EnvelopeMeta      Envelope = iota // {object, entry[{id, time, changes[{field, value}]}]}
	Envelope360Dialog                 // {id, event, data{id, …value…}}; data.id is the WABA
	EnvelopeBare                      // the value alone, as in Meta's sample of a declined history
	// EnvelopeYCloud is {id, type: "whatsapp.smb.history", phase, progress, whatsappInboundMessage or
	// whatsappMessage}. It is said in the words of Meta's history: one HistoryElement without a
	// chunk_order, with one thread of one message, or none. An event of another type is a change whose
	// Field is the type.
	EnvelopeYCloud
)

// Body is a webhook cut into its changes, in the order of the document.
type Body struct {
	Envelope Envelope
	EventID  []byte // 360dialog, YCloud: the envelope's id
	Changes  []Change
}

// Change is one change of one entry. A 360dialog or bare body has exactly one.
type Change struct {
	Entry, Index int // place in the body

	EntryID   []byte // entry.id, or data.id; YCloud: wabaId
	EntryTime int64  // entry.time in Unix seconds, 0 when absent; YCloud: createTime
	// WABA is whom the change is about: value.waba_info.waba_id where there is one, else EntryID.
	WABA  []byte
	Field []byte // decoded; for 360dialog the event; for a bare value, what it holds ("history")

	Raw   []byte // the change object verbatim; nil where the envelope has no such object; YCloud: the body
	Value []byte // the value object verbatim, nil when value is no object; YCloud: the body

	// YCloud names the business by its number alone: there both are that number, without its plus.
	PhoneNumberID      []byte // value.metadata.phone_number_id
	DisplayPhoneNumber []byte // value.metadata.display_phone_number

	// The arrays are cut by their names whatever the field is. Only in a field that does not carry them
	// by its definition may one be of another shape: then none of them is cut.
	History   []HistoryElement // value.history[]
	Messages  []Message        // value.messages[]
	Echoes    []Message        // value.message_echoes[]
	Statuses  []Message        // value.statuses[]
	StateSync []ContactItem    // value.state_sync[]

	Profiles []byte // value.contacts verbatim; nil when absent or null
	Errors   []byte // value.errors verbatim; nil when absent or null

	AccountEvent []byte // value.event
	PhoneNumber  []byte // value.phone_number
}

// HistoryElement is one element of value.history[]: a chunk, or a decline.
type HistoryElement struct {
	Raw                                  []byte
	Phase, ChunkOrder, Progress          int32
	HasPhase, HasChunkOrder, HasProgress bool
	Threads                              []Thread
	Errors                               []byte // errors verbatim; nil when absent or null
}

// Thread is one chat of a chunk.
type Thread struct {
	ID                                                []byte // threads[].id, may be empty
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
	Timestamp                    int64  // Unix seconds (milliseconds are divided), 0 when absent or not a number
	Status                       []byte // history_context.status; for statuses, status
	FromMe                       FromMe
	OriginalID                   []byte // revoke.original_message_id, else edit.original_message_id
}

// ContactItem is one element of value.state_sync[].
type ContactItem struct {
	Raw                                         []byte
	Type, Action                                []byte
	PhoneNumber, UserID, ParentUserID, Username []byte // contact.phone_number, contact.user_id, …
	FullName, FirstName                         []byte
	TimestampMS                                 int64 // metadata.timestamp as Unix milliseconds; 0 when absent
	Version                                     int64 // metadata.version; 0 when absent
}
