package provider

import (
	"encoding/json"

	"github.com/coexstream/coexstream/schemas"
)

// WebhookYCloud is YCloud's envelope: one message an event. Of history, progress alone may come; there is no
// chunk_order, so the order of arrival is all that is known. [YCloud: webhook reference]
type WebhookYCloud struct {
	ID         schemas.ID   `json:"id"`
	Type       string       `json:"type"` // whatsapp.smb.history, …
	APIVersion string       `json:"apiVersion,omitempty"`
	CreateTime string       `json:"createTime,omitempty"` // RFC 3339
	Phase      *schemas.Int `json:"phase,omitempty"`
	Progress   *schemas.Int `json:"progress,omitempty"`
	// InboundMessage is from the WhatsApp user, Message from the business; at most one is there.
	InboundMessage *MessageYCloud `json:"whatsappInboundMessage,omitempty"`
	Message        *MessageYCloud `json:"whatsappMessage,omitempty"`
	// GroupMessage is of whatsapp.group.message.updated.
	GroupMessage *MessageYCloud `json:"whatsappGroupMessage,omitempty"`
	// StateSync is of whatsapp.smb.app.state.sync, Account of whatsapp.business_account.*.
	StateSync *StateSyncYCloud `json:"whatsappSmbAppStateSync,omitempty"`
	Account   *AccountYCloud   `json:"whatsappBusinessAccount,omitempty"`
	// Number is of whatsapp.phone_number.*.
	Number *NumberYCloud `json:"whatsappPhoneNumber,omitempty"`
}

// StateSyncYCloud holds changes of the address book in YCloud's words.
type StateSyncYCloud struct {
	WABAID      schemas.ID     `json:"wabaId,omitempty"`
	PhoneNumber string         `json:"phoneNumber,omitempty"` // with a leading +
	StateSync   []ChangeYCloud `json:"stateSync,omitempty"`
}

// ChangeYCloud is a change of one contact.
type ChangeYCloud struct {
	Action    string          `json:"action"`
	Contact   *ContactYCloud  `json:"contact,omitempty"`
	Timestamp json.RawMessage `json:"timestamp,omitempty"`
}

// ContactYCloud is a contact; the names are absent when it is removed.
type ContactYCloud struct {
	PhoneNumber  string `json:"phoneNumber,omitempty"` // with a leading +
	FullName     string `json:"fullName,omitempty"`
	FirstName    string `json:"firstName,omitempty"`
	UserID       string `json:"userId,omitempty"`
	ParentUserID string `json:"parentUserId,omitempty"`
	Username     string `json:"username,omitempty"`
}

// AccountYCloud is a WhatsApp Business Account.
type AccountYCloud struct {
	ID          schemas.ID `json:"id,omitempty"`
	UpdateEvent string     `json:"updateEvent,omitempty"`
}

// NumberYCloud is a number of the business.
type NumberYCloud struct {
	ID          schemas.ID `json:"id,omitempty"` // YCloud's own
	WABAID      schemas.ID `json:"wabaId,omitempty"`
	PhoneNumber string     `json:"phoneNumber,omitempty"` // with a leading +
	Status      string     `json:"status,omitempty"`
	UpdateEvent string     `json:"updateEvent,omitempty"` // ACCOUNT_OFFBOARDED, ACCOUNT_RECONNECTED
}

// MessageYCloud is a message in YCloud's words. The content stands under the property that Type
// names, as in schemas.WebhookMessage.
type MessageYCloud struct {
	ID         schemas.ID `json:"id"` // YCloud's own
	WAMID      string     `json:"wamid,omitempty"`
	WABAID     schemas.ID `json:"wabaId,omitempty"`
	From       string     `json:"from,omitempty"` // with a leading +
	To         string     `json:"to,omitempty"`
	FromUserID string     `json:"fromUserId,omitempty"`
	ToUserID   string     `json:"toUserId,omitempty"`
	// RecipientUserID is another name for it.
	RecipientUserID string     `json:"recipientUserId,omitempty"`
	GroupID         schemas.ID `json:"groupId,omitempty"`
	// PhoneNumberID, StatusScope (group, member) and StatusTime (RFC 3339) are of a status of a group.
	PhoneNumberID schemas.ID `json:"phoneNumberId,omitempty"`
	StatusScope   string     `json:"statusScope,omitempty"`
	StatusTime    string     `json:"statusTime,omitempty"`
	Type          string     `json:"type,omitempty"`
	Status        string     `json:"status,omitempty"`
	SendTime      string     `json:"sendTime,omitempty"`   // RFC 3339
	CreateTime    string     `json:"createTime,omitempty"` // RFC 3339
	// When its status became delivered and read, and when the message changed last. RFC 3339.
	DeliverTime string                 `json:"deliverTime,omitempty"`
	ReadTime    string                 `json:"readTime,omitempty"`
	UpdateTime  string                 `json:"updateTime,omitempty"`
	Errors      []schemas.WebhookError `json:"errors,omitempty"`
	Text        *schemas.WebhookText   `json:"text,omitempty"`
	Image       *schemas.WebhookMedia  `json:"image,omitempty"`
	Video       *schemas.WebhookMedia  `json:"video,omitempty"`
	Audio       *schemas.WebhookMedia  `json:"audio,omitempty"`
	Document    *schemas.WebhookMedia  `json:"document,omitempty"`
}
