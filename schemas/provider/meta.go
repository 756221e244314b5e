package provider

// meta is Meta's Cloud API. Gupshup and Positus pass its webhooks through.
var meta = Provider{
	Name:         "meta",
	Title:        "Meta",
	Signature:    Signature{Header: "X-Hub-Signature-256", Prefix: "sha256="},
	Verification: hub,
	Words:        Words{History: []Word{{"field", "history"}}},
	// [Meta: Onboarding WhatsApp Business app users, "Synchronizing WhatsApp Business app data"]
	Sync: &SyncAPI{
		Address: "https://graph.facebook.com/v24.0", Path: "/{phone_number_id}/smb_app_data",
		Header: "Authorization", Prefix: "Bearer ",
		Contacts: "smb_app_state_sync", History: "history", RequestID: true, Reads: true, Media: true,
	},
}
