package schemas

// Webhook360Dialog is the envelope of 360dialog's partner URL: one change a webhook. History and
// contacts come here; echoes and messages come to the number's URL in Meta's envelope.
// [360dialog: partner webhooks of coexistence numbers]
type Webhook360Dialog struct {
	ID    ID             `json:"id"`    // of the event
	Event string         `json:"event"` // the field: history, smb_app_state_sync
	Data  Value360Dialog `json:"data"`
}

// Value360Dialog is Meta's value with the WABA's id in it. Phase and progress are quoted, chunk_order
// is not.
type Value360Dialog struct {
	ID ID `json:"id"` // WABA
	WebhookValue
}

// WebhookYCloud is YCloud's envelope for history: one message an event, or progress alone. There is no
// chunk_order, so the order of arrival is all that is known. [YCloud: whatsapp.smb.history]
type WebhookYCloud struct {
	ID         ID     `json:"id"`
	Type       string `json:"type"` // whatsapp.smb.history
	APIVersion string `json:"apiVersion,omitempty"`
	CreateTime string `json:"createTime,omitempty"` // RFC 3339
	Phase      *Int   `json:"phase,omitempty"`
	Progress   *Int   `json:"progress,omitempty"`
	// InboundMessage is from the WhatsApp user, Message from the business; at most one is there.
	InboundMessage *MessageYCloud `json:"whatsappInboundMessage,omitempty"`
	Message        *MessageYCloud `json:"whatsappMessage,omitempty"`
}

// TypeYCloudHistory is the type of YCloud's history events.
const TypeYCloudHistory = "whatsapp.smb.history"

// MessageYCloud is a past message in YCloud's words. The content stands under the property that Type
// names, as in WebhookMessage.
type MessageYCloud struct {
	ID         ID            `json:"id"` // YCloud's own
	WAMID      string        `json:"wamid,omitempty"`
	WABAID     ID            `json:"wabaId,omitempty"`
	From       string        `json:"from,omitempty"` // with a leading +
	To         string        `json:"to,omitempty"`
	FromUserID string        `json:"fromUserId,omitempty"`
	ToUserID   string        `json:"toUserId,omitempty"`
	Type       string        `json:"type,omitempty"`
	Status     string        `json:"status,omitempty"`
	SendTime   string        `json:"sendTime,omitempty"`   // RFC 3339
	CreateTime string        `json:"createTime,omitempty"` // RFC 3339
	Text       *WebhookText  `json:"text,omitempty"`
	Image      *WebhookMedia `json:"image,omitempty"`
	Video      *WebhookMedia `json:"video,omitempty"`
	Audio      *WebhookMedia `json:"audio,omitempty"`
	Document   *WebhookMedia `json:"document,omitempty"`
}

// Providers: whose envelope a source speaks (HeaderProvider).
const (
	ProviderMeta      = "meta"
	Provider360Dialog = "360dialog"
	ProviderYCloud    = "ycloud"
)
