package schemas

import "encoding/json"

// Types of messages that the vendors document. The set is open: an unknown type passes through.
const (
	MessageText             = "text"
	MessageImage            = "image"
	MessageVideo            = "video"
	MessageAudio            = "audio"
	MessageDocument         = "document"
	MessageSticker          = "sticker"
	MessageLocation         = "location"
	MessageContacts         = "contacts"
	MessageReaction         = "reaction"
	MessageInteractive      = "interactive"
	MessageButton           = "button"
	MessageOrder            = "order"
	MessageSystem           = "system"
	MessageTemplate         = "template"
	MessageEdit             = "edit"
	MessageRevoke           = "revoke"
	MessageUnsupported      = "unsupported"
	MessageMediaPlaceholder = "media_placeholder"
)

// WebhookMessage is a message of a thread, of value.messages or of value.message_echoes. Type names the
// property that holds its content; media_placeholder and unsupported have none.
type WebhookMessage struct {
	// From is the business's phone number or the WhatsApp user's; it may be empty, absent or a
	// business-scoped user id.
	From string `json:"from,omitempty"`
	// To is there for what the business sent, if at all. [Meta: Onboarding WhatsApp Business app users, History]
	To               string  `json:"to,omitempty"`
	FromUserID       string  `json:"from_user_id,omitempty"`
	FromParentUserID string  `json:"from_parent_user_id,omitempty"`
	ToUserID         string  `json:"to_user_id,omitempty"`
	ToParentUserID   string  `json:"to_parent_user_id,omitempty"`
	GroupID          string  `json:"group_id,omitempty"`
	ID               string  `json:"id"`                  // wamid
	Timestamp        Decimal `json:"timestamp,omitempty"` // Unix seconds
	Type             string  `json:"type,omitempty"`

	Text        *WebhookText         `json:"text,omitempty"`
	Image       *WebhookMedia        `json:"image,omitempty"`
	Video       *WebhookMedia        `json:"video,omitempty"`
	Audio       *WebhookMedia        `json:"audio,omitempty"`
	Document    *WebhookMedia        `json:"document,omitempty"`
	Sticker     *WebhookMedia        `json:"sticker,omitempty"`
	Location    *WebhookLocation     `json:"location,omitempty"`
	Contacts    []WebhookContactCard `json:"contacts,omitempty"`
	Reaction    *WebhookReaction     `json:"reaction,omitempty"`
	Interactive *WebhookInteractive  `json:"interactive,omitempty"`
	Button      *WebhookButton       `json:"button,omitempty"`
	Order       *WebhookOrder        `json:"order,omitempty"`
	System      *WebhookSystem       `json:"system,omitempty"`
	Template    json.RawMessage      `json:"template,omitempty"`
	Unsupported json.RawMessage      `json:"unsupported,omitempty"`
	// Edit and Revoke change a message that was sent before. [Meta: smb_message_echoes reference]
	Edit   *WebhookEdit   `json:"edit,omitempty"`
	Revoke *WebhookRevoke `json:"revoke,omitempty"`

	Context         *WebhookContext        `json:"context,omitempty"`
	Referral        json.RawMessage        `json:"referral,omitempty"`
	HistoryContext  *WebhookHistoryContext `json:"history_context,omitempty"`
	CreationType    string                 `json:"message_creation_type,omitempty"`
	Errors          []WebhookError         `json:"errors,omitempty"`
	IdentityKeyHash string                 `json:"identity_key_hash,omitempty"`
}

// WebhookHistoryContext has the properties of a past message beside its content.
type WebhookHistoryContext struct {
	// Status is DELIVERED, ERROR, PENDING, PLAYED, READ or SENT; seen in lower case, too.
	// [Meta: Onboarding WhatsApp Business app users, History]
	Status string `json:"status,omitempty"`
	// FromMe is true on the business's messages and mostly absent otherwise.
	FromMe *bool `json:"from_me,omitempty"`
}

// WebhookText is the content of a text.
type WebhookText struct {
	Body string `json:"body"`
}

// WebhookMedia is the content of an image, video, audio, document or sticker. The asset behind ID can be
// fetched for 7 days.
type WebhookMedia struct {
	ID       ID     `json:"id,omitempty"`
	MIMEType string `json:"mime_type,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
	Caption  string `json:"caption,omitempty"`
	Filename string `json:"filename,omitempty"` // documents
	Voice    bool   `json:"voice,omitempty"`    // audio
	Animated bool   `json:"animated,omitempty"` // stickers
	URL      string `json:"url,omitempty"`
}

// WebhookLocation is the content of a location.
type WebhookLocation struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
	URL       string  `json:"url,omitempty"`
}

// WebhookContactCard is a card of a contacts message.
type WebhookContactCard struct {
	Name   *WebhookCardName   `json:"name,omitempty"`
	Phones []WebhookCardPhone `json:"phones,omitempty"`
	Org    json.RawMessage    `json:"org,omitempty"`
	VCard  string             `json:"vcard,omitempty"`
}

// WebhookCardName is the name on a card.
type WebhookCardName struct {
	FormattedName string `json:"formatted_name,omitempty"`
	FirstName     string `json:"first_name,omitempty"`
	LastName      string `json:"last_name,omitempty"`
}

// WebhookCardPhone is a phone number on a card.
type WebhookCardPhone struct {
	Phone string `json:"phone,omitempty"`
	Type  string `json:"type,omitempty"`
	WaID  string `json:"wa_id,omitempty"`
}

// WebhookReaction is the content of a reaction; an absent emoji takes the reaction back.
type WebhookReaction struct {
	MessageID string `json:"message_id"`
	Emoji     string `json:"emoji,omitempty"`
}

// WebhookInteractive is the content of an interactive message: the answer to buttons, a list or a form,
// or (in history and echoes) what the business had sent.
type WebhookInteractive struct {
	Type        string          `json:"type,omitempty"`
	ButtonReply *WebhookReply   `json:"button_reply,omitempty"`
	ListReply   *WebhookReply   `json:"list_reply,omitempty"`
	NFMReply    json.RawMessage `json:"nfm_reply,omitempty"`
	Body        json.RawMessage `json:"body,omitempty"`
	Action      json.RawMessage `json:"action,omitempty"`
}

// WebhookReply is the button or row that was chosen.
type WebhookReply struct {
	ID          string `json:"id"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
}

// WebhookButton is the content of the answer to a template's button.
type WebhookButton struct {
	Payload string `json:"payload,omitempty"`
	Text    string `json:"text,omitempty"`
}

// WebhookOrder is the content of an order.
type WebhookOrder struct {
	CatalogID    ID              `json:"catalog_id,omitempty"`
	Text         string          `json:"text,omitempty"`
	ProductItems json.RawMessage `json:"product_items,omitempty"`
}

// WebhookSystem is the content of a system message: a WhatsApp user changed its number or identity.
type WebhookSystem struct {
	Type                 string `json:"type,omitempty"`
	Body                 string `json:"body,omitempty"`
	WaID                 string `json:"wa_id,omitempty"`
	UserID               string `json:"user_id,omitempty"`
	ParentUserID         string `json:"parent_user_id,omitempty"`
	PreviousUserID       string `json:"previous_user_id,omitempty"`
	PreviousParentUserID string `json:"previous_parent_user_id,omitempty"`
	NewWaID              string `json:"new_wa_id,omitempty"` // wa_id in older versions
	Customer             string `json:"customer,omitempty"`  // the old number in older versions
}

// WebhookEdit replaces the content of a message that was sent before.
type WebhookEdit struct {
	OriginalMessageID string          `json:"original_message_id"`
	Message           json.RawMessage `json:"message,omitempty"` // the new content: type and the property that it names
}

// WebhookRevoke deletes a message that was sent before.
type WebhookRevoke struct {
	OriginalMessageID string `json:"original_message_id"`
}

// WebhookContext says what a message answers.
type WebhookContext struct {
	From                string          `json:"from,omitempty"`
	FromUserID          string          `json:"from_user_id,omitempty"`
	ID                  string          `json:"id,omitempty"` // wamid
	Forwarded           bool            `json:"forwarded,omitempty"`
	FrequentlyForwarded bool            `json:"frequently_forwarded,omitempty"`
	ReferredProduct     json.RawMessage `json:"referred_product,omitempty"`
}

// WebhookStatus is the fate of a message that the business sent through the API.
// [Meta: messages reference, status messages]
type WebhookStatus struct {
	ID                    string  `json:"id"`     // wamid of the message
	Status                string  `json:"status"` // sent, delivered, read, played, failed, deleted; may run backwards
	Timestamp             Decimal `json:"timestamp,omitempty"`
	RecipientID           string  `json:"recipient_id,omitempty"`
	RecipientUserID       string  `json:"recipient_user_id,omitempty"`
	RecipientParentUserID string  `json:"recipient_parent_user_id,omitempty"`
	RecipientType         string  `json:"recipient_type,omitempty"`
	// A status of a group is one participant's; RecipientID is the group then.
	RecipientParticipantID           string          `json:"recipient_participant_id,omitempty"`
	RecipientParticipantUserID       string          `json:"recipient_participant_user_id,omitempty"`
	RecipientParticipantParentUserID string          `json:"recipient_participant_parent_user_id,omitempty"`
	RecipientLogicalID               string          `json:"recipient_logical_id,omitempty"` // WhatsApp's own, no phone number
	BizOpaqueCallbackData            string          `json:"biz_opaque_callback_data,omitempty"`
	Conversation                     json.RawMessage `json:"conversation,omitempty"`
	Pricing                          json.RawMessage `json:"pricing,omitempty"`
	Errors                           []WebhookError  `json:"errors,omitempty"`
}
