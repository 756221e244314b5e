package provider

// ycloud is YCloud: one event a message, {id, type, apiVersion, createTime, …}. [YCloud: webhook reference]
//
// A history event copies phase and progress of the chunk that it came from, never its chunk_order, and has no message at all
// when the chunk was empty. Events of templates, calls, flows, payments, preferences and the settings of groups have no topic of
// their own. Neither have Meta's fields for them. YCloud knows the business's number by the number alone;
// a status of a group may have its id alone.
var ycloud = Provider{
	Name:         "ycloud",
	Title:        "YCloud",
	Signature:    Signature{Header: "YCloud-Signature", Time: "t", Digits: "s"},
	Verification: hub,
	Words:        Words{History: []Word{{"type", "whatsapp.smb.history"}}, WABA: "wabaId"},
	Envelope: Envelope{Native: &Native{
		Prefix:  "whatsapp.",
		Version: "apiVersion",
		Root:    map[string]Property{"type": Type, "phase": Phase, "progress": Progress, "createTime": CreatedAt, "wabaId": WABA},
		Object:  "whatsapp",
		Inbound: "whatsappInboundMessage",
		Sent:    []string{"whatsappMessage", "whatsappGroupMessage"}, // the latter of a status of a group
		Message: map[string]Property{
			"wamid": WAMID, "id": ID, "wabaId": WABA, "from": From, "to": To, "type": Type, "status": MessageStatus,
			"fromUserId": FromUser, "fromParentUserId": FromParent, "toUserId": ToUser, "toParentUserId": ToParent,
			"recipientUserId": RecipientUser, "parentRecipientUserId": RecipientParent, "groupId": Group,
			"sendTime": SentAt, "createTime": CreatedAt, "deliverTime": DeliveredAt, "readTime": ReadAt, "updateTime": UpdatedAt,
			"statusTime": StatusAt, "phoneNumberId": NumberID,
			"customerProfile": Profile, "revoke": Revoke, "edit": Edit, "errors": Errors, "system": System,
		},
		Subject: map[string]Property{
			"wabaId": WABA, "id": ID, "updateEvent": AccountEvent, "phoneNumber": Number, "stateSync": ContactChanges,
		},
		Types: map[string]Meaning{
			"whatsapp.smb.history":                    {As: History},
			"whatsapp.inbound_message.received":       {As: Message},
			"whatsapp.group.inbound_message.received": {As: Message},
			"whatsapp.smb.message.echoes":             {As: Echo},
			"whatsapp.echo_message.created":           {As: Echo},
			"whatsapp.message.updated":                {As: Status},
			"whatsapp.echo_message.updated":           {As: Status},
			"whatsapp.group.message.updated":          {As: Status},
			"whatsapp.smb.app.state.sync":             {As: Contacts, Object: "whatsappSmbAppStateSync"},
			"whatsapp.business_account.updated":       {As: Account, Object: "whatsappBusinessAccount", WABA: true},
			"whatsapp.business_account.reviewed":      {As: Account, Object: "whatsappBusinessAccount", WABA: true},
			"whatsapp.business_account.deleted":       {As: Account, Object: "whatsappBusinessAccount", WABA: true, Event: "ACCOUNT_DELETED"},
			// It tells ACCOUNT_OFFBOARDED and ACCOUNT_RECONNECTED, or a change of the quality, which has no account event.
			"whatsapp.phone_number.quality_updated": {As: Account, Object: "whatsappPhoneNumber"},
		},
	}},
}
