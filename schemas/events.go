package schemas

import (
	"encoding/json"
	"time"
)

// Directions of a message, seen from the business.
const (
	DirectionInbound  = "inbound"  // from the WhatsApp user
	DirectionOutbound = "outbound" // from the business
	DirectionUnknown  = "unknown"
)

// Message is the value of `history`, `media`, `echoes` and `messages`: one message, media asset,
// status or error. ce_type says which.
type Message struct {
	WABAID             string `json:"waba_id"`
	PhoneNumberID      string `json:"phone_number_id"`
	DisplayPhoneNumber string `json:"display_phone_number,omitempty"`

	// Kind says how to read the event: KindMessage, KindStatus, …. Open: a reader keeps a default branch.
	Kind string `json:"kind,omitempty"`
	// Rank orders the versions of one message: of two events with one wamid the higher rank wins. Statuses,
	// errors and handovers have none.
	Rank *Rank `json:"rank,omitempty"`

	// WAMID is the message's id; for a status, of the message that it is about.
	WAMID string `json:"wamid,omitempty"`
	// OriginalWAMID is the message that an edit or a revoke is about.
	OriginalWAMID string `json:"original_wamid,omitempty"`
	// WAMIDToken is the token of WAMID, on media placeholders of the past and on media. It is the same in both wamids of a
	// message, and in every chat of a broadcast list. Absent where the wamid has no token.
	WAMIDToken string `json:"wamid_token,omitempty"`

	// Thread is the chat: the group, else the WhatsApp user's phone number in digits, else its BSUID. It is absent
	// where the webhook names no contact.
	Thread string `json:"thread,omitempty"`
	// GroupID is the group that the chat is, absent in a chat of two. Contact is the participant then.
	GroupID string   `json:"group_id,omitempty"`
	Contact *Contact `json:"contact,omitempty"`

	Direction string `json:"direction"`
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
	// Timestamp is in Unix seconds: milliseconds, microseconds and nanoseconds, known by their length, are divided. It
	// is 0 when the webhook had none, or one that is negative or no number; then ce_time is the time of receipt. For
	// media it is the placeholder's where that is known.
	Timestamp int64 `json:"timestamp"`

	Type string `json:"type,omitempty"`
	// Status is history_context.status in upper case, or a status's status in lower case.
	Status string `json:"status,omitempty"`

	// Historical marks events from before the onboarding of the business: no bots, no notifications, no
	// 24 h window.
	Historical bool `json:"historical"`
	// Standby marks events of the field `standby`: another application holds the thread, so this one
	// must not answer.
	Standby bool `json:"standby,omitempty"`
	// Joined says for media whether its placeholder is known.
	Joined *bool `json:"joined,omitempty"`

	Sync *SyncPosition `json:"sync,omitempty"`

	// Profiles are the entries of the webhook's `contacts` array that are about Contact, each verbatim.
	Profiles json.RawMessage `json:"profiles,omitempty"`
	// Original is the message, status or error object, verbatim. It is the last property, in every event type.
	Original json.RawMessage `json:"original"`
}

// Kinds of message events. The set is open.
const (
	KindMessage     = "message"     // a message with content
	KindPlaceholder = "placeholder" // stands for a message whose content may follow under the same wamid
	KindReaction    = "reaction"    // belongs to the message that its original names; without an emoji it is taken back
	KindEdit        = "edit"        // replaces the content of an earlier message
	KindRevoke      = "revoke"      // deletes an earlier message
	KindSystem      = "system"      // WhatsApp reports a change of the user: a new number, a new id
	KindMedia       = "media"       // the asset of an earlier placeholder
	KindStatus      = "status"      // the fate of a message that the business sent
	KindError       = "error"       // an error without a message
	KindHandover    = "handover"    // another application took or gave the control of a thread
)

// Contact names the WhatsApp user on the other side; in a group, the participant. Any of them may be absent.
type Contact struct {
	// WaID is the phone number, in digits alone. It is as the webhook spells it: the two spellings of Brazilian,
	// Mexican and Argentine mobile numbers stay two.
	WaID         string `json:"wa_id,omitempty"`
	UserID       string `json:"user_id,omitempty"`
	ParentUserID string `json:"parent_user_id,omitempty"`
	Username     string `json:"username,omitempty"`
	CountryCode  string `json:"country_code,omitempty"`
	// ProfileName is the name that the user chose for itself.
	ProfileName string `json:"profile_name,omitempty"`
}

// SyncPosition is a message's position in its history sync.
type SyncPosition struct {
	Window     int32  `json:"window"` // 1 for the number's first onboarding window
	Phase      *int32 `json:"phase,omitempty"`
	ChunkOrder *int32 `json:"chunk_order,omitempty"`
	Progress   *int32 `json:"progress,omitempty"`
	Late       bool   `json:"late,omitempty"` // its place in the order had passed already
}

// ContactState is the value of `contacts`: the newest state of one contact of a number's address book.
type ContactState struct {
	WABAID             string `json:"waba_id"`
	PhoneNumberID      string `json:"phone_number_id"`
	DisplayPhoneNumber string `json:"display_phone_number,omitempty"`
	// ID is the second part of the record's key: the phone number, or the BSUID where there is none.
	ID           string `json:"id"`
	PhoneNumber  string `json:"phone_number,omitempty"`
	UserID       string `json:"user_id,omitempty"`
	ParentUserID string `json:"parent_user_id,omitempty"`
	Username     string `json:"username,omitempty"`
	FullName     string `json:"full_name,omitempty"`
	FirstName    string `json:"first_name,omitempty"`
	// TimestampMS is metadata.timestamp in Unix milliseconds, converted from any unit; 0: none, or one that is negative
	// or no number.
	TimestampMS int64 `json:"timestamp_ms"`
	Version     int64 `json:"version,omitempty"`
	// Original is the state_sync item, verbatim.
	Original json.RawMessage `json:"original"`
}

// Account is the value of `account`: one account_update event.
type Account struct {
	WABAID string `json:"waba_id"`
	// EntryID is entry.id where it is not the WABA: the business portfolio of PARTNER_* events.
	EntryID     string `json:"entry_id,omitempty"`
	PhoneNumber string `json:"phone_number,omitempty"`
	// PhoneNumberID is the id of PhoneNumber where a live webhook named it before.
	PhoneNumberID string `json:"phone_number_id,omitempty"`
	Event         string `json:"event,omitempty"`
	Time          int64  `json:"time,omitempty"` // entry.time, Unix seconds
	// Original is the change's value, verbatim.
	Original json.RawMessage `json:"original"`
}

// Other is the value of `other`: a change of a field that the pipeline does not know.
type Other struct {
	WABAID        string `json:"waba_id,omitempty"`
	PhoneNumberID string `json:"phone_number_id,omitempty"`
	Field         string `json:"field"`
	// Original is the whole change, verbatim; of a history that is known but for its errors, the element or the error.
	Original json.RawMessage `json:"original"`
}

// States of a sync.
const (
	SyncRunning    = "running"
	SyncDone       = "done"
	SyncDeclined   = "declined"
	SyncOffboarded = "offboarded"
)

// Reasons of a sync's end.
const (
	SyncEndComplete   = "complete"   // the last phase at 100 and no hole
	SyncEndQuiet      = "quiet"      // nothing for the quiet time
	SyncEndCeiling    = "ceiling"    // open for as long as a sync can be
	SyncEndDeclined   = "declined"   // the business does not share its history
	SyncEndOffboarded = "offboarded" // an account event closed the window
	SyncEndRestarted  = "restarted"  // a new sync began
)

// Sync is the value of `syncs`: the state of the history sync of one number.
type Sync struct {
	WABAID             string `json:"waba_id"`
	PhoneNumberID      string `json:"phone_number_id"`
	DisplayPhoneNumber string `json:"display_phone_number,omitempty"`

	Window int32  `json:"window"`
	State  string `json:"state"`
	// EndReason is set when the window is closed.
	EndReason string `json:"end_reason,omitempty"`
	// OrderKnown is false when chunks came without chunk_order: arrival order.
	OrderKnown bool        `json:"order_known"`
	Phases     []SyncPhase `json:"phases"`
	// Progress is the highest progress of any chunk. 100 alone does not mean done.
	Progress int32 `json:"progress"`

	Chunks          int64 `json:"chunks"`                // chunks that left
	ChunksHeld      int64 `json:"chunks_held"`           // chunks that wait for an earlier one
	ChunksLate      int64 `json:"chunks_late"`           // chunks that left after their place had passed
	ChunksDuplicate int64 `json:"chunks_duplicate"`      // chunks seen before
	ChunksLost      int64 `json:"chunks_lost,omitempty"` // chunks that were held and are no longer in the raw log
	Messages        int64 `json:"messages"`              // messages that left
	Duplicates      int64 `json:"duplicates"`            // messages that had left before

	OpenedAt   time.Time  `json:"opened_at"`
	LastAt     time.Time  `json:"last_chunk_at"`         // when the last chunk, or error, was received
	DeadlineAt *time.Time `json:"deadline_at,omitempty"` // the next time at which waiting ends
	EndedAt    *time.Time `json:"ended_at,omitempty"`

	Error json.RawMessage `json:"error,omitempty"` // history[].errors[], verbatim, when declined

	// Errors are the errors of the history that the vendor reported, in the order of arrival: the first
	// SyncErrorsMax of the window, and how many more there were.
	Errors        []SyncError `json:"errors,omitempty"`
	ErrorsOmitted int64       `json:"errors_omitted,omitempty"`

	// The rest is absent if no sync was requested by the desk.
	Status            string        `json:"status,omitempty"` // of the request: SyncStatusRequested and so on
	OnboardedAt       *time.Time    `json:"onboarded_at,omitempty"`
	RequestedAt       *time.Time    `json:"requested_at,omitempty"`        // when the history was requested
	RequestDeadlineAt *time.Time    `json:"request_deadline_at,omitempty"` // until when a sync can be requested
	Requests          []SyncRequest `json:"requests,omitempty"`            // at most one of each sync type
}

// RequestWindow is the time after an onboarding in which a sync can be requested.
const RequestWindow = 24 * time.Hour

// Statuses of a requested sync. The enumeration is open.
const (
	SyncStatusIntended     = "intended"      // about to be requested; the outcome is not known
	SyncStatusNotRequested = "not_requested" // contacts were requested, or the call was not sent
	SyncStatusDeadlineNear = "deadline_near" // no accepted request, and the time to request it ends soon
	SyncStatusMissed       = "missed"        // no accepted request, and the time to request it is over
	SyncStatusUnknown      = "unknown"       // sent, and not answered
	SyncStatusRefused      = "refused"       // the vendor refused the request
	SyncStatusRequested    = "requested"     // nothing has come yet
	SyncStatusSilent       = "silent"        // nothing came for a longer time
	SyncStatusRunning      = "running"       // chunks come
	SyncStatusStalled      = "stalled"       // chunks came, and none for a longer time
	SyncStatusHole         = "hole"          // chunks are missing, and are not waited for
	SyncStatusDone         = "done"          // no more chunks are expected, and no hole is known
	SyncStatusDeclined     = "declined"      // the business does not share its history
	SyncStatusOffboarded   = "offboarded"    // an account event ended the onboarding
)

// SyncStatuses lists all statuses.
func SyncStatuses() []string {
	return []string{
		SyncStatusIntended, SyncStatusNotRequested, SyncStatusDeadlineNear, SyncStatusMissed, SyncStatusUnknown, SyncStatusRefused,
		SyncStatusRequested, SyncStatusSilent, SyncStatusRunning, SyncStatusStalled, SyncStatusHole, SyncStatusDone,
		SyncStatusDeclined, SyncStatusOffboarded,
	}
}

// SyncRequest is the newest attempt to request a sync.
type SyncRequest struct {
	SyncType    string     `json:"sync_type"` // contacts or history
	State       string     `json:"state"`     // of the attempt: package syncrequest
	At          time.Time  `json:"at"`        // when the attempt reached its state
	RequestedAt *time.Time `json:"requested_at,omitempty"`
	RequestedBy string     `json:"requested_by"`
	Provider    string     `json:"provider"`
	RequestID   string     `json:"request_id,omitempty"`
	Attempt     string     `json:"attempt"`
	Attempts    int64      `json:"attempts"` // how many there were
	// ArrivedAt is when the first webhook with the requested data was received.
	ArrivedAt *time.Time        `json:"arrived_at,omitempty"`
	Error     *SyncRequestError `json:"error,omitempty"`
}

// SyncRequestError is the error of an attempt.
type SyncRequestError struct {
	Code    int64  `json:"code"` // 0: none
	Subcode int64  `json:"subcode,omitempty"`
	Message string `json:"message,omitempty"`
}

// Request returns the request of a sync type; nil: there is none.
func (s *Sync) Request(syncType string) *SyncRequest {
	for i := range s.Requests {
		if s.Requests[i].SyncType == syncType {
			return &s.Requests[i]
		}
	}
	return nil
}

// SyncErrorsMax is how many errors a sync lists.
const SyncErrorsMax = 16

// SyncError is one error of a history: of a chunk, or of the whole webhook.
type SyncError struct {
	Code  int64  `json:"code"` // 0 when the error had none
	Title string `json:"title,omitempty"`
	// Phase and ChunkOrder are those of the chunk that had the error, where it had them.
	Phase      *int32    `json:"phase,omitempty"`
	ChunkOrder *int32    `json:"chunk_order,omitempty"`
	At         time.Time `json:"at"` // when the webhook was received
}

// SyncPhase is the state of one phase.
type SyncPhase struct {
	Phase    int32     `json:"phase"`
	Next     int32     `json:"next"`               // chunk_order that leaves next
	Left     int64     `json:"left"`               // chunks that left
	Held     int64     `json:"held"`               // chunks that wait
	Progress int32     `json:"progress"`           // highest progress in this phase
	Finished bool      `json:"finished,omitempty"` // known to be complete
	Gaps     []SyncGap `json:"gaps,omitempty"`
	// GapsOmitted counts the gaps that Gaps does not list: it lists the first 64.
	GapsOmitted int64 `json:"gaps_omitted,omitempty"`
}

// SyncGap is a hole in the chunk order, both ends included.
type SyncGap struct {
	From    int32     `json:"from"`
	To      int32     `json:"to"`
	Since   time.Time `json:"since"`
	GivenUp bool      `json:"given_up,omitempty"` // waited for as long as the gap timeout; the rest went on
	Lost    bool      `json:"lost,omitempty"`     // a held chunk that is no longer in the raw log
}
