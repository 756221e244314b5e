package provider

// meta is Meta's Cloud API. Gupshup and Positus pass its webhooks through.
var meta = Provider{
	Name:         "meta",
	Title:        "Meta",
	Signature:    Signature{Header: "X-Hub-Signature-256", Prefix: "sha256="},
	Verification: hub,
	Words:        Words{History: []Word{{"field", "history"}}},
}
