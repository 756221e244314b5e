package provider

// dialog360 is 360dialog. Its partner URL wraps a value of Meta's: {id, event, data{id, …}}, data.id is the WABA. The URL of a number gets
// Meta's envelope, and may be unsigned. [360dialog: partner webhooks of coexistence numbers]
var dialog360 = Provider{
	Name:         "360dialog",
	Title:        "360dialog",
	Signature:    Signature{Header: "X-360dialog-Signature", Prefix: "sha256=", PrefixOptional: true},
	Verification: hub,
	Words:        Words{History: []Word{{"event", "history"}}},
	Envelope:     Envelope{Wrapped: &Wrapped{Field: "event", Value: "data", WABA: "id"}},
}
