package schemas

import "encoding/json"

// The types of the webhooks, for those who read the `original` of an event, and for those who write
// webhooks in tests. They have the documented properties and others that were seen; properties that
// they do not know are not an error, and get lost when such a value is written again. The pipeline
// itself never goes through them: it passes on the vendor's bytes.

// Object is the `object` of every webhook about WhatsApp.
const Object = "whatsapp_business_account"

// Fields of changes that coexistence adds or needs. [Meta: Onboarding WhatsApp Business app users]
const (
	FieldHistory       = "history"
	FieldStateSync     = "smb_app_state_sync"
	FieldEchoes        = "smb_message_echoes"
	FieldMessages      = "messages"
	FieldAccountUpdate = "account_update"
	FieldStandby       = "standby"
	FieldHandovers     = "messaging_handovers"
)

// Webhook is Meta's envelope. Up to 1,000 updates are batched in one; different fields, numbers and
// businesses do arrive together.
type Webhook struct {
	Object string         `json:"object"`
	Entry  []WebhookEntry `json:"entry"`
}

// WebhookEntry has the changes of one WhatsApp Business Account.
type WebhookEntry struct {
	// ID is the WABA id, but for account_update PARTNER_* events, where it can be the id of the business
	// portfolio and the WABA is Value.WABAInfo.WABAID. [Meta: account_update reference]
	ID      ID              `json:"id"`
	Time    Int             `json:"time,omitempty"` // Unix seconds; documented for account_update
	Changes []WebhookChange `json:"changes"`
}

// WebhookChange is one change. Field may stand before or after Value.
type WebhookChange struct {
	Value WebhookValue `json:"value"`
	Field string       `json:"field"`
}

// WebhookValue is the value of a change of any field that the pipeline knows. Which property is there
// depends on the field, with overlaps: media follow-ups are Messages or MessageEchoes under `history`.
type WebhookValue struct {
	MessagingProduct string           `json:"messaging_product,omitempty"` // whatsapp
	Metadata         *WebhookMetadata `json:"metadata,omitempty"`          // absent in account_update

	// History holds chunks, or the business's refusal. [Meta: Onboarding WhatsApp Business app users, History]
	History []WebhookHistory `json:"history,omitempty"`
	// StateSync holds changes of the address book. [Meta: smb_app_state_sync reference]
	StateSync []WebhookStateSync `json:"state_sync,omitempty"`
	// MessageEchoes has messages that the business sent from its phone or a companion device.
	// [Meta: smb_message_echoes reference]
	MessageEchoes    []WebhookMessage `json:"message_echoes,omitempty"`
	SMBMessageEchoes []WebhookMessage `json:"smb_message_echoes,omitempty"` // the same by another name

	// Contacts, Messages, Statuses and Errors belong to `messages`. [Meta: messages reference]
	Contacts []WebhookProfile `json:"contacts,omitempty"`
	Messages []WebhookMessage `json:"messages,omitempty"`
	Statuses []WebhookStatus  `json:"statuses,omitempty"`
	Errors   []WebhookError   `json:"errors,omitempty"`

	// Standby has copies of messages that another application answers. [Meta: standby reference]
	Standby *WebhookStandby `json:"standby,omitempty"`

	WebhookHandover
	WebhookAccountUpdate
}

// WebhookStandby holds copies of the messages of a thread that another application answers.
type WebhookStandby struct {
	Contacts      []WebhookProfile     `json:"contacts,omitempty"`
	Messages      []WebhookMessage     `json:"messages,omitempty"`
	MessageEchoes []WebhookStandbyEcho `json:"message_echoes,omitempty"`
	Statuses      []WebhookStatus      `json:"statuses,omitempty"`
}

// WebhookStandbyEcho is a message that the other application sent.
type WebhookStandbyEcho struct {
	ID        string              `json:"id"`
	Timestamp Decimal             `json:"timestamp,omitempty"`
	Message   *WebhookSendRequest `json:"message,omitempty"`
	Template  json.RawMessage     `json:"template,omitempty"`
	Flow      json.RawMessage     `json:"flow,omitempty"`
}

// WebhookSendRequest is the request that sent a message, with its recipient only.
type WebhookSendRequest struct {
	To        string `json:"to,omitempty"`
	Recipient string `json:"recipient,omitempty"` // business-scoped user id
	// RecipientType is "individual" or "group".
	RecipientType string       `json:"recipient_type,omitempty"`
	Type          string       `json:"type,omitempty"`
	Text          *WebhookText `json:"text,omitempty"`
}

// WebhookHandover says that the control of a thread was passed to this application, or taken from it.
// [Meta: messaging_handovers reference]
type WebhookHandover struct {
	Type      string        `json:"type,omitempty"` // control_passed, control_taken
	Timestamp Decimal       `json:"timestamp,omitempty"`
	Sender    *WebhookParty `json:"sender,omitempty"`    // the WhatsApp user; may be left out
	Recipient *WebhookParty `json:"recipient,omitempty"` // the business phone number

	ControlPassed *WebhookControl `json:"control_passed,omitempty"`
	ControlTaken  *WebhookControl `json:"control_taken,omitempty"`
}

// WebhookParty is one of the two sides of a thread.
type WebhookParty struct {
	PhoneNumber        string `json:"phone_number,omitempty"`
	WaID               string `json:"wa_id,omitempty"`
	UserID             string `json:"user_id,omitempty"`
	PhoneNumberID      ID     `json:"phone_number_id,omitempty"`
	DisplayPhoneNumber string `json:"display_phone_number,omitempty"`
}

// WebhookControl says who had the control of a thread, and who has it.
type WebhookControl struct {
	PreviousOwnerRole string          `json:"previous_owner_role,omitempty"`
	NewOwnerRole      string          `json:"new_owner_role,omitempty"`
	Metadata          json.RawMessage `json:"metadata,omitempty"`
}

// WebhookMetadata names the business phone number.
type WebhookMetadata struct {
	DisplayPhoneNumber string `json:"display_phone_number,omitempty"`
	PhoneNumberID      ID     `json:"phone_number_id"`
}

// WebhookHistory is one chunk of a history sync (Metadata and Threads), or a refusal (Errors).
type WebhookHistory struct {
	Metadata *WebhookChunk   `json:"metadata,omitempty"`
	Threads  []WebhookThread `json:"threads,omitempty"`
	// Errors holds code 2593109 when the business does not share its history.
	Errors []WebhookError `json:"errors,omitempty"`
}

// CodeHistoryDeclined is the code of WebhookHistory.Errors when the business does not share its
// history. [Meta: Onboarding WhatsApp Business app users, Messaging history not shared]
const CodeHistoryDeclined = 2593109

// CodeUnsupported is the code of a message that the Cloud API cannot show, from an unsupported
// companion device for one. The real message may follow under the same wamid.
// [Meta: Onboarding WhatsApp Business app users, Errors]
const CodeUnsupported = 131060

// WebhookChunk is a chunk's place in its sync. Each of the three may be absent.
type WebhookChunk struct {
	Phase      *Int `json:"phase,omitempty"`       // 0: day 0 to 1, 1: day 1 to 90, 2: day 90 to 180, back from onboarding
	ChunkOrder *Int `json:"chunk_order,omitempty"` // 1 first in every sample; 0 is accepted
	Progress   *Int `json:"progress,omitempty"`    // 0 to 100
}

// WebhookThread is the chat with one WhatsApp user.
type WebhookThread struct {
	// ID is the user's phone number. It may be empty: then Context identifies the user.
	ID string `json:"id,omitempty"`
	// GroupID is the group whose chat the thread is.
	GroupID  string                `json:"group_id,omitempty"`
	Context  *WebhookThreadContext `json:"context,omitempty"`
	Messages []WebhookMessage      `json:"messages"`
}

// WebhookThreadContext names the WhatsApp user of a thread.
type WebhookThreadContext struct {
	WaID         string `json:"wa_id,omitempty"`
	UserID       string `json:"user_id,omitempty"` // business-scoped: CC.xxx
	ParentUserID string `json:"parent_user_id,omitempty"`
	Username     string `json:"username,omitempty"`
	CountryCode  string `json:"country_code,omitempty"`
}

// Actions of WebhookStateSync. [Meta: smb_app_state_sync reference]
const (
	ActionAdd    = "add" // added or edited
	ActionRemove = "remove"
)

// WebhookStateSync is a change of one contact of the business's address book.
type WebhookStateSync struct {
	Type     string                   `json:"type"` // contact
	Contact  WebhookStateSyncContact  `json:"contact"`
	Action   string                   `json:"action"`
	Metadata WebhookStateSyncMetadata `json:"metadata"`
}

// WebhookStateSyncContact is a contact; the names are absent when it is removed.
type WebhookStateSyncContact struct {
	FullName     string `json:"full_name,omitempty"`
	FirstName    string `json:"first_name,omitempty"`
	PhoneNumber  string `json:"phone_number,omitempty"` // may be empty or absent beside a UserID
	UserID       string `json:"user_id,omitempty"`
	ParentUserID string `json:"parent_user_id,omitempty"`
	Username     string `json:"username,omitempty"`
}

// WebhookStateSyncMetadata says when a contact changed. The reference's table has the timestamp as an
// Integer and its example as a string; milliseconds were seen.
type WebhookStateSyncMetadata struct {
	Timestamp Decimal `json:"timestamp"`
	Version   Int     `json:"version,omitempty"`
}

// WebhookProfile is an element of value.contacts: who wrote.
type WebhookProfile struct {
	Profile         *WebhookProfileName `json:"profile,omitempty"`
	WaID            string              `json:"wa_id,omitempty"`
	UserID          string              `json:"user_id,omitempty"`
	ParentUserID    string              `json:"parent_user_id,omitempty"`
	Username        string              `json:"username,omitempty"` // else Profile.Username
	CountryCode     string              `json:"country_code,omitempty"`
	IdentityKeyHash string              `json:"identity_key_hash,omitempty"`
}

// WebhookProfileName is the name that a WhatsApp user gave itself.
type WebhookProfileName struct {
	Name     string `json:"name,omitempty"`
	Username string `json:"username,omitempty"`
}

// WebhookError is an error of a value, a history element, a message or a status.
type WebhookError struct {
	Code      Int               `json:"code"`
	Title     string            `json:"title,omitempty"`
	Message   string            `json:"message,omitempty"`
	ErrorData *WebhookErrorData `json:"error_data,omitempty"`
	Href      string            `json:"href,omitempty"`
}

// WebhookErrorData explains an error.
type WebhookErrorData struct {
	Details string `json:"details,omitempty"`
}

// Events of account_update that concern coexistence. The set is open.
// [Meta: account_update reference; Onboarding WhatsApp Business app users, Offboarding]
const (
	EventPartnerAdded          = "PARTNER_ADDED"
	EventPartnerAppInstalled   = "PARTNER_APP_INSTALLED"
	EventPartnerAppUninstalled = "PARTNER_APP_UNINSTALLED"
	EventPartnerRemoved        = "PARTNER_REMOVED"
	EventAccountOffboarded     = "ACCOUNT_OFFBOARDED"
	EventAccountReconnected    = "ACCOUNT_RECONNECTED"
)

// WebhookAccountUpdate holds the properties of account_update. [Meta: account_update reference]
type WebhookAccountUpdate struct {
	Event       string           `json:"event,omitempty"`
	PhoneNumber string           `json:"phone_number,omitempty"`
	WABAInfo    *WebhookWABAInfo `json:"waba_info,omitempty"`
	// WABAID is the WABA where the event is a field of its own, such as account_offboarded.
	WABAID ID `json:"waba_id,omitempty"`
	// DisconnectionInfo may come with PARTNER_REMOVED of a number that the app and the Cloud API shared.
	DisconnectionInfo json.RawMessage `json:"disconnection_info,omitempty"`
}

// WebhookWABAInfo names the WABA that a PARTNER_* event is about.
type WebhookWABAInfo struct {
	WABAID          ID `json:"waba_id"`
	OwnerBusinessID ID `json:"owner_business_id,omitempty"`
	PartnerAppID    ID `json:"partner_app_id,omitempty"`
}
