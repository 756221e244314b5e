package provider

import "github.com/coexstream/coexstream/schemas"

// dialog360 is 360dialog. Its partner URL wraps a value of Meta's: {id, event, data{id, …}}, data.id is the WABA. The URL of a number gets
// Meta's envelope, and may be unsigned. [360dialog: partner webhooks of coexistence numbers]
var dialog360 = Provider{
	Name:         "360dialog",
	Title:        "360dialog",
	Signature:    Signature{Header: "X-360dialog-Signature", Prefix: "sha256=", PrefixOptional: true},
	Verification: hub,
	Words:        Words{History: []Word{{"event", "history"}}},
	Envelope:     Envelope{Wrapped: &Wrapped{Field: "event", Value: "data", WABA: "id"}},
	// The key belongs to the number, so a request names no number. Its reference documents an object as optional body, without properties: the
	// body is Meta's, as for its other calls. The answer is not documented beyond its status. [360dialog: API reference, Coexistence]
	Sync: &SyncAPI{
		Address: "https://waba-v2.360dialog.io", Path: "/synchronization", Header: "D360-API-KEY",
		Contacts: "smb_app_state_sync", History: "history", PerNumber: true,
	},
}

// Webhook360Dialog is the envelope of 360dialog's partner URL: one change a webhook. History and
// contacts come here; echoes and messages come to the number's URL in Meta's envelope.
// [360dialog: partner webhooks of coexistence numbers]
type Webhook360Dialog struct {
	ID    schemas.ID     `json:"id"`    // of the event
	Event string         `json:"event"` // the field: history, smb_app_state_sync
	Data  Value360Dialog `json:"data"`
}

// Value360Dialog is Meta's value with the WABA's id in it. Phase and progress are quoted, chunk_order
// is not.
type Value360Dialog struct {
	ID schemas.ID `json:"id"` // WABA
	schemas.WebhookValue
}
