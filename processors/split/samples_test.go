package split

// samples has a body for every envelope, field and quirk. The property tests rewrite them, the
// differential test reads them twice, and the fuzzer starts from them.
var samples = map[string]string{
	"history": `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","time":1739212624,"changes":[{"value":{
		"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},
		"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":55},"threads":[
			{"id":"16505551234","messages":[
				{"from":"15550783881","to":"16505551234","id":"wamid.A1","timestamp":"1739230955","type":"text","text":{"body":"Ol\u00e1 \ud83d\ude0a \"hi\"\n"},"history_context":{"status":"READ","from_me":true}},
				{"from":"15550783881","id":"wamid.A2","timestamp":"1739230970","type":"media_placeholder","history_context":{"status":"PLAYED"}},
				{"from":"16505551234","id":"wamid.A3","timestamp":"1739230970","type":"text","text":{"body":"Thanks! ünïcødé 日本語 🎉"},"history_context":{"status":"read","from_me":false}}]},
			{"id":"12125557890","context":{"wa_id":"12125557890","user_id":"US.13491208655302741918","parent_user_id":"US.ENT.1","username":"@jane","country_code":"US"},"messages":[
				{"from":"15550783881","id":"wamid.B1","timestamp":"1739230970","type":"text","text":{"body":"Thanks for your order!"},"history_context":{"status":"DELIVERED"}}]}]},
			{"metadata":{"phase":1,"chunk_order":2,"progress":60},"threads":[]}]},"field":"history"}]}]}`,

	"history declined": `{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},
		"history":[{"errors":[{"code":2593109,"title":"History sync is turned off","message":"off","error_data":{"details":"off"}}]}]}`,

	"errors by both names": `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","time":1739321024,"changes":[
		{"error":{"code":2593109},"field":"history","value":{"messaging_product":"whatsapp","metadata":{"phone_number_id":"106540352242922"},
			"error":{"code":"131000","title":"t"},"errors":[ {"code":5},{"code":6} ],"history":[{"metadata":{"phase":0,"chunk_order":1},"error":{"code":7},"errors":{"code":8}}]},"errors":[]},
		{"field":"messages","value":{"metadata":{"phone_number_id":"106540352242922"},"error":{"code":130429},"messages":[{"from":"16505551234","id":"wamid.E1","error":{"code":131060}}]}},
		{"field":"standby","value":{"metadata":{"phone_number_id":"106540352242922"},"standby":{"error":[{"code":130429}]}},"error":null}]}]}`,

	"bare error": `{"messaging_product":"whatsapp","metadata":{"phone_number_id":"106540352242922"},"error":{"code":2593109}}`,

	"360dialog history": `{"id":"evt-1","event":"history","data":{"id":"102290129340398","messaging_product":"whatsapp",
		"metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},
		"history":[{"metadata":{"phase":"1","chunk_order":4,"progress":"70"},"threads":[{"id":"16505551234","messages":[
			{"from":"15550783881","to":"16505551234","id":"wamid.C1","timestamp":"1739230955","type":"text","text":{"body":"x"},"history_context":{"status":"SENT"}}]}]}]}}`,

	"360dialog declined": `{"id":"evt-2","event":"history","data":{"id":"102290129340398","messaging_product":"whatsapp",
		"metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},
		"history":[{"errors":[{"code":"2593109","title":"off"}]}]}}`,

	"media follow-up": `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"history","value":{"messaging_product":"whatsapp",
		"metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},
		"messages":[{"from":"16505551234","id":"wamid.A2","timestamp":"1738796547","type":"image","image":{"caption":"c","mime_type":"image/jpeg","sha256":"x","id":"24230790383178626"}}],
		"message_echoes":[{"from":"15550783881","to":"16505551234","id":"wamid.A9","timestamp":"1738796548","type":"video","video":{"id":"2"}}]}}]}]}`,

	"contacts": `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp",
		"metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"state_sync":[
		{"type":"contact","contact":{"full_name":"Pablo Morales","first_name":"Pablo","phone_number":"16505551234"},"action":"add","metadata":{"timestamp":"1739321024"}},
		{"type":"contact","contact":{"phone_number":"16505551235","user_id":"US.1","parent_user_id":"US.ENT.1","username":"p"},"action":"remove","metadata":{"timestamp":1739321024123,"version":3}},
		{"type":"contact","contact":{"full_name":"J\u00f6rg \ud83d\ude0a\ud83d\ude0a!","first_name":"\"\\\/\b\f\n\r\t\u0000"},"action":"add","metadata":{"timestamp":1739321025,"version":"4"}}]},"field":"smb_app_state_sync"}]}]}`,

	"people": `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"2"},
		"contacts":[{"profile":{"name":"J\u00f6rg","username":"joerg"},"wa_id":"16505550100","user_id":"US.1","parent_user_id":"US.ENT.1","country_code":"US"},
			null,{"username":"later","profile":null,"user_id":"US.2"},{"username":"x","profile":{"username":""}},{"profile":[]},null],
		"messages":[{"from":"16505550100","from_parent_user_id":"US.ENT.1","group_id":"G1","id":"w1","type":"text"},
			{"id":"w2","type":"system","system":{"type":"user_changed_user_id","wa_id":16505550101,"user_id":"US.4","previous_user_id":"US.3","parent_user_id":"US.ENT.4","previous_parent_user_id":"US.ENT.3"}},
			{"id":"w3","type":"system","system":{"type":"customer_changed_number","new_wa_id":"16505550102","customer":"16505550103","previous_wa_id":""}},
			{"id":"w4","user_id_update":{"user_id":{"previous":"US.5","current":"US.6"},"parent_user_id":{"current":"US.ENT.6","previous":null}},"system":"odd"},
			{"id":"w5","system":null,"group_id":null,"user_id_update":[]}],
		"statuses":[{"id":"w6","status":"read","recipient_id":"G1","recipient_type":"group","recipient_participant_id":"16505550100","recipient_participant_user_id":"US.1","recipient_participant_parent_user_id":"US.ENT.1","recipient_logical_id":"244048631738500"},
			{"id":"w7","parent_recipient_user_id":"US.ENT.7","recipient_parent_user_id":"US.ENT.8","participant_recipient_id":"1","recipient_participant_id":null,"to_parent_user_id":"US.ENT.9"}]}},
		{"field":"messages","value":{"contacts":{"wa_id":"16505550104"},"messages":[]}},{"field":"messages","value":{"contacts":null,"messages":[]}}]}]}`,

	"echoes": `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp",
		"metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"message_echoes":[
		{"from":"15550783881","to":"16505551234","id":"wamid.E1","timestamp":"1700255121","type":"text","text":{"body":"hello"}},
		{"from":"15550783881","to":"16505551234","to_user_id":"US.1","id":"wamid.E2","timestamp":"1700255122","type":"revoke","revoke":{"original_message_id":"wamid.E1"}},
		{"from":"15550783881","to":"16505551234","id":"wamid.E3","timestamp":"1700255123","type":"edit","edit":{"original_message_id":"wamid.E0","message":{"type":"text","text":{"body":"new"}}},"message_creation_type":"created_by_1p_bot"}]},
		"field":"smb_message_echoes"}]}]}`,

	"messages and statuses": `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp",
		"metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},
		"contacts":[{"profile":{"name":"Kerry"},"wa_id":"16505551234","user_id":"US.2"}],
		"messages":[{"from":"16505551234","from_user_id":"US.2","id":"wamid.M1","timestamp":"1700255121","type":"unsupported","errors":[{"code":131060,"title":"This message is unavailable."}]}],
		"statuses":[{"id":"wamid.M0","status":"delivered","timestamp":"1700255120","recipient_id":"16505551234","recipient_user_id":"US.2","conversation":{"id":"c"}}],
		"errors":[{"code":130429}]},"field":"messages"}]}]}`,

	"account": `{"object":"whatsapp_business_account","entry":[{"id":"9998887776","time":1739212624,"changes":[{"value":{
		"phone_number":"15550783881","event":"PARTNER_REMOVED","waba_info":{"waba_id":"102290129340398","owner_business_id":"9998887776"}},"field":"account_update"}]}]}`,

	"mixed fields": `{"entry":[{"changes":[{"field":"history","value":{"metadata":{"phone_number_id":"1"},"history":[{"metadata":{"phase":2,"chunk_order":0,"progress":100}}]}},
		{"field":"smb_message_echoes","value":{"metadata":{"phone_number_id":"1"},"message_echoes":[{"id":"wamid.X"}]}}],"id":"W1"},
		{"id":"W2","changes":[{"field":"template_category_update","value":{"messages":7,"new_category":"MARKETING"}}]},{"id":"W3","changes":[]}],"object":"whatsapp_business_account"}`,

	"ycloud inbound": `{"id":"evt_y1","type":"whatsapp.smb.history","apiVersion":"v2","createTime":"2026-03-02T14:31:00.000Z","phase":"1","progress":"40",
		"whatsappInboundMessage":{"id":"63f8","wamid":"wamid.Y1","wabaId":"W9","from":"+573001112233","fromUserId":"CO.1","to":"+573009998877","type":"text","text":{"body":"Hola"},"sendTime":"2026-03-02T14:30:00Z","customerProfile":{"name":"Andrea","username":"andrea"}}}`,

	"ycloud sent": `{"type":"whatsapp.smb.history","id":"evt_y2","whatsappMessage":{"wamid":"wamid.Y2","wabaId":"W9","from":"+573009998877","to":"+573001112233","toUserId":"CO.1","toParentUserId":"CO.ENT.1",
		"type":"text","status":"read","createTime":"2026-03-02T14:30:01.500Z"},"phase":0,"progress":100}`,

	"ycloud progress only": `{"id":"evt_y3","type":"whatsapp.smb.history","phase":2,"progress":100,"errors":[{"code":2593109}]}`,
	"ycloud other":         `{"id":"evt_y4","type":"whatsapp.smb.app.state.sync","whatsappSmbAppStateSync":{"wabaId":"W9","phoneNumber":"+573009998877","stateSync":[]}}`,

	"two answers": `{"object":"whatsapp_business_account","entry":[{"id":"W","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"1"},
		"statuses":[{"id":"a","status":"sent","history_context":{"status":"READ","from_me":true}}],
		"messages":[{"id":"b","status":"sent","history_context":{"status":"READ"}},{"id":"c","edit":{"original_message_id":"e"},"revoke":{"original_message_id":"r"}},
		{"id":"d","edit":{"original_message_id":"e"},"revoke":{"original_message_id":null}}]}}]}]}`,

	"ycloud two answers": `{"id":"evt_y5","type":"whatsapp.smb.history","phase":1,"whatsappOther":{"wabaId":"B"},"whatsappThing":{"wabaId":"A"},
		"whatsappMessage":{"wamid":"wamid.Y5","id":"x","from":"+1","to":"+2","toUserId":"U1","recipientUserId":"U2","toParentUserId":"P1","parentRecipientUserId":"P2","sendTime":"2026-03-02T14:30:01+02:00","createTime":"2026-03-02T14:30:02Z"},
		"whatsappInboundMessage":{"id":"y","from":"+2","to":"+3"}}`,

	"numbers for ids": `{"object":"whatsapp_business_account","entry":[{"id":102290129340398,"time":"1739212624","changes":[{"field":"messages","value":{
		"metadata":{"display_phone_number":15550783881,"phone_number_id":106540352242922},"messages":[{"id":5,"from":16505551234,"to":1,"timestamp":1739230955,"type":"text"}]}}]}]}`,

	"odd kinds": `{"object":"whatsapp_business_account","entry":[{"id":null,"time":{},"changes":[{"field":"history","value":{"metadata":[],"contacts":null,"errors":null,"event":4,
		"history":[{"metadata":{"phase":-1,"chunk_order":1.5,"progress":1e2},"threads":null,"errors":"x"},{"metadata":"y"},
		{"threads":[{"id":{},"context":[],"messages":[{"id":[],"type":1,"timestamp":"soon","history_context":"READ","edit":null,"revoke":[]},{"history_context":{"status":1,"from_me":"true"}}]}]}],
		"messages":null}},{"field":7,"value":"v"},{"value":null}]}]}`,

	"field of another name": `{"object":"whatsapp_business_account","entry":[{"id":"W","changes":[{"field":"message_echoes","value":{"metadata":{"phone_number_id":"1"},
		"smb_message_echoes":[{"id":"a","from":"1","to":"2"}]}},{"field":"statuses","value":{"statuses":[{"id":"b","status":"sent"}]}},
		{"field":"account_offboarded","value":{"waba_id":"W7","reason":"USER_INITIATED"}}]}]}`,

	"errors without changes":  `{"object":"whatsapp_business_account","entry":[{"time":7},{"id":"W","time":1739321024},{"id":"V","changes":null}],"errors":[{"code":2593109}]}`,
	"errors beside no change": `{"object":"whatsapp_business_account","error":{"code":1},"entry":[{"id":"W","time":1739321024,"changes":[]},{"id":"V"}]}`,
	"errors and no entry":     `{"object":"whatsapp_business_account","errors":[{"code":1}],"entry":[]}`,
	"errors beside a wrapped value": `{"id":"e","event":"history","data":{"id":"W","metadata":{"phone_number_id":"1"},"history":[{"threads":[{"id":"2","messages":[{"id":"m"}]}]}],"errors":[{"code":3}]},
		"errors":[{"code":1}],"error":{"code":2}}`,
	"no error beside a wrapped value": `{"event":"messages","errors":[],"data":{"id":"W","metadata":{"phone_number_id":"1"},"messages":[{"id":"m"}]}}`,
	"errors outside": `{"object":"whatsapp_business_account","errors":[{"code":1}],"entry":[{"id":"W","time":1739321024,"errors":[{"code":2593109}],"changes":[
		{"field":"account_update","value":{"event":"PARTNER_ADDED"}},{"field":"history","value":{"metadata":{"display_phone_number":"15550783881","phone_number_id":"1"},
		"history":{"metadata":{"phase":0,"errors":{"code":2}},"threads":[],"errors":[{"code":3}]}}}]},{"id":"V","error":{"code":4},"errors":[]}]}`,

	"values": `{"object":"whatsapp_business_account","entry":[{"id":"W","changes":[{"error":{"code":7},"value":[{"metadata":{"phone_number_id":"1"},"messages":[{"id":"a","from":"2"}]},
		{"metadata":{"phone_number_id":"3"},"messages":[{"id":"b"}]}],"field":"messages"},{"field":"flows","value":[{}]},
		{"field":"history","value":null},{"field":"messages","value":{"messages":[{"id":"c"}]}}]}]}`,

	"standby": `{"object":"whatsapp_business_account","entry":[{"id":"W","changes":[{"field":"standby","value":{"messaging_product":"whatsapp",
		"metadata":{"display_phone_number":"15550783881","phone_number_id":"1"},"standby":{"contacts":[{"wa_id":"2"}],"messages":[{"id":"a","from":"2","timestamp":"1750101000","type":"text"}],
		"message_echoes":[{"id":"b","timestamp":"1750101001","message":{"messaging_product":"whatsapp","to":"2","recipient":"US.1","type":"template"},"template":{"messages":7}},
		{"id":"c","to":"3","type":"text","message":{"to":"2","type":"image"}},{"id":"d","message":"to"},
		{"id":"g","message":{"to":"G1","recipient_type":"group"}},{"id":"h","message":{"to":"2","recipient_type":"individual"}},{"id":"i","recipient_type":"individual","message":{"recipient_type":"group"}}],"statuses":[{"id":"e","status":"read","recipient_id":"2"}]}}},
		{"field":"standby","value":{"metadata":{"phone_number_id":"1"},"messages":[{"id":"f","from":"2"}]}},{"field":"standby","value":{"standby":[]}},
		{"field":"flows","value":{"standby":{"messages":7}}}]}]}`,

	"handovers": `{"object":"whatsapp_business_account","entry":[{"id":"W","changes":[{"field":"messaging_handovers","value":{"messaging_product":"whatsapp",
		"recipient":{"phone_number_id":1,"display_phone_number":"15550783881"},"sender":{"phone_number":"16505551234","user_id":"US.1"},"timestamp":"1750101000",
		"type":"control_passed","control_passed":{"previous_owner_role":"ai_agent","new_owner_role":"escalation","conversation_context":{"type":"history","history":{"items":[]}}}}},
		{"field":"messaging_handovers","value":{"recipient":{"wa_id":"2"},"sender":{"phone_number_id":"1"},"type":"control_taken","messages":[]}},{"field":"messaging_handovers"},
		{"field":"messages","value":{"type":"x","timestamp":5,"sender":7,"recipient":{"phone_number_id":"9"}}}]}]}`,

	"bare handover": `{"messaging_product":"whatsapp","recipient":{"phone_number_id":"1"},"sender":{"wa_id":"2"},"timestamp":1750101000,"type":"control_taken","control_taken":{}}`,
	"bare standby":  `{"metadata":{"phone_number_id":"1"},"standby":{"messages":[{"id":"a","from":"2"}]}}`,
	"bare echoes":   `{"waba_id":"W5","metadata":{"phone_number_id":"1"},"smb_message_echoes":[{"id":"a","to":"2"}]}`,

	"ycloud echo": `{"id":"evt_y6","type":"whatsapp.smb.message.echoes","createTime":"2026-03-02T14:31:00.000Z","whatsappMessage":{"id":"6","wamid":"wamid.Y6","wabaId":"W9",
		"from":"+573009998877","to":"+573001112233","recipientUserId":"CO.1","type":"text","sendTime":"2026-03-02T14:30:00Z"}}`,
	"ycloud message": `{"id":"evt_y7","type":"whatsapp.inbound_message.received","whatsappInboundMessage":{"id":"7","wabaId":"W9","from":"+573001112233","fromUserId":"CO.1",
		"to":"+573009998877","type":"text","createTime":"2026-03-02T14:30:00Z"}}`,
	"ycloud status": `{"id":"evt_y8","type":"whatsapp.message.updated","whatsappMessage":{"id":"8","wamid":"wamid.Y8","wabaId":"W9","status":"delivered","from":"+573009998877",
		"to":"+573001112233","sendTime":"2026-03-02T14:30:00Z","deliverTime":"2026-03-02T14:30:05Z","readTime":"2026-03-02T14:30:09Z","createTime":"2026-03-02T14:29:59Z"}}`,
	"ycloud status without a time": `{"type":"whatsapp.message.updated","whatsappMessage":{"wamid":"wamid.Y9","status":"failed","to":"+573001112233","createTime":"2026-03-02T14:29:59Z"}}`,
	"ycloud group status":          `{"type":"whatsapp.message.updated","whatsappGroup":{"wabaId":"W9","status":"delivered"}}`,
	"ycloud contacts": `{"id":"evt_y10","type":"whatsapp.smb.app.state.sync","whatsappSmbAppStateSync":{"wabaId":"W9","phoneNumber":"+573009998877","stateSync":[
		{"action":"add","contact":{"phoneNumber":"+573001112233","fullName":"N","firstName":"F","userId":"CO.1","parentUserId":"CO.ENT.1","username":"u"},"timestamp":"2026-03-02T14:30:00.000Z"},
		{"action":"remove","contact":{"phoneNumber":"+573001112234"},"timestamp":"1739321024123"},{"action":"add","contact":{"userId":"CO.2"},"timestamp":1739321024}]}}`,
	"ycloud account":          `{"id":"evt_y11","type":"whatsapp.business_account.updated","createTime":"2026-03-02T14:31:00Z","whatsappBusinessAccount":{"id":"W9","updateEvent":"PARTNER_REMOVED"}}`,
	"ycloud account deleted":  `{"id":"evt_y12","type":"whatsapp.business_account.deleted","whatsappBusinessAccount":{"id":"W9"}}`,
	"ycloud offboarded":       `{"id":"evt_y14","type":"whatsapp.phone_number.quality_updated","createTime":"2026-03-02T14:31:00Z","whatsappPhoneNumber":{"id":"1","wabaId":"W9","phoneNumber":"+573009998877","updateEvent":"ACCOUNT_OFFBOARDED"}}`,
	"ycloud account reviewed": `{"id":"evt_y21","type":"whatsapp.business_account.reviewed","whatsappBusinessAccount":{"id":"W9","accountReviewStatus":"APPROVED"}}`,
	"ycloud quality":          `{"id":"evt_y15","type":"whatsapp.phone_number.quality_updated","whatsappPhoneNumber":{"wabaId":"W9","phoneNumber":"+1","qualityUpdateEvent":"FLAGGED"}}`,
	"ycloud echo status": `{"id":"evt_y16","type":"whatsapp.echo_message.updated","whatsappMessage":{"id":"9","wamid":"wamid.Y16","wabaId":"W9","status":"read","from":"+573009998877",
		"recipientUserId":"CO.1","readTime":"2026-03-02T14:30:09Z"}}`,
	"ycloud group": `{"id":"evt_y17","type":"whatsapp.group.inbound_message.received","whatsappInboundMessage":{"wamid":"wamid.Y17","wabaId":"W9","groupId":"G1","from":"573001112233",
		"to":"573009998877","type":"text","sendTime":"2026-03-02T14:30:00Z"}}`,
	"ycloud group member": `{"id":"evt_y18","type":"whatsapp.group.message.updated","whatsappMessage":{"wamid":"wamid.Y18","wabaId":"W9","groupId":"G1","statusScope":"member",
		"from":"+573009998877","to":"+573001112233","status":"delivered","deliverTime":"2026-03-02T14:30:05Z"}}`,
	"ycloud group status by its documented key": `{"type":"whatsapp.group.message.updated","whatsappGroupMessage":{"id":"9","wamid":"wamid.Y22","wabaId":"W9","phoneNumberId":"77",
		"groupId":"G1","statusScope":"group","status":"sent","statusTime":"2026-03-02T14:30:05Z","sendTime":"2026-03-02T14:30:01Z"}}`,
	"ycloud two messages of the business": `{"type":"whatsapp.group.message.updated","whatsappGroupMessage":{"id":"9","wabaId":"W9","phoneNumberId":"77","to":"+1","status":"read"},
		"whatsappMessage":{"id":"8","wabaId":"W8","from":"+2","status":"sent","customerProfile":{"name":"N"}}}`,
	"ycloud history of a group": `{"type":"whatsapp.smb.history","whatsappMessage":"x","whatsappGroupMessage":{"id":"9","phoneNumberId":"77","to":"+1","groupId":"G1"},"whatsappInboundMessage":{"id":"8","from":"+1","phoneNumberId":"78"}}`,
	"ycloud camel case": `{"type":"whatsapp.smb.message.echoes","whatsappMessage":{"wamid":"a","from":"+1","to":"+2","type":"edit","edit":{"originalMessageId":"b","message":{"type":"text"}},
		"revoke":{"originalMessageId":"d","original_message_id":"c"}}}`,
	"ycloud contents": `{"id":"evt_y19","type":"whatsapp.smb.message.echoes","whatsappMessage":{"wamid":"a","from":"+1","to":"+2","type":"edit","edit":{"original_message_id":"b","message":{"type":"text"}},
		"revoke":[],"errors":[],"system":"x"}}`,
	"ycloud two contents": `{"type":"whatsapp.inbound_message.received","whatsappInboundMessage":{"wamid":"a","from":"+1","to":"+2","type":"unsupported","errors":[{"code":131051}],
		"revoke":{"original_message_id":"c"},"edit":{"original_message_id":"b"},"system":{"type":"user_changed_number","wa_id":"3"}}}`,
	"ycloud not of WhatsApp": `{"id":"evt_y20","type":"contact.created","apiVersion":"v2","createTime":"2026-03-02T14:31:00Z","contact":{"id":"1","phoneNumber":"+2"}}`,
	"ycloud version alone":   `{"type":"x","apiVersion":{},"metadata":{"phone_number_id":"1"},"messages":[{"id":"a"}]}`,
	"ycloud number":          `{"id":"evt_y13","type":"whatsapp.phone_number.deleted","whatsappPhoneNumber":{"id":"1","wabaId":"W9","phoneNumber":"+1","stateSync":[7]}}`,
}

// looseSamples have parts that are odd, of every kind and at every level.
var looseSamples = map[string]string{
	"messages": "{\"object\":\"whatsapp_business_account\",\"entry\":[{\"id\":\"W\",\"changes\":[{\"field\":\"messages\",\"value\":{\"metadata\":{\"phone_number_id\":\"1\"},\"messages\":[" +
		"{\"id\":\"a\",\"text\":{\"body\":\"caf\xc3\"}},null,{\"id\":\"b\",\"id\":\"c\"},{\"id\":\"d\",\"text\":\"\\ud83d\"}],\"statuses\":[7,{\"id\":\"s\"}]}}]}]}",
	"history": `{"object":"whatsapp_business_account","entry":[{"id":"W","changes":[{"field":"history","value":{"history":[{"threads":{}},7,{"threads":[{"id":"1","messages":[{"id":"a","x":1,"x":2},{"id":"b"}]}]},` +
		`{"threads":[{"id":"1","messages":[{"id":"a","x":1,"x":2}],"id":"2"}]}]}},{"field":"history","value":{"history":"x"}},3,{"field":"flows","value":{"messages":[7]}},` +
		`{"field":"flows","value":{"messages":[7,{"a":1,"a":2}]}},{"field":"messages","value":{"a":1,"a":2}}]}]}`,
	"360dialog":                  `{"event":"smb_app_state_sync","data":{"id":"W","state_sync":[null,{"contact":{"a":1,"a":2}},{"action":"add"}]}}`,
	"bare":                       `{"metadata":{"phone_number_id":"1"},"messages":[null,{"id":"a"},{"id":"b","x":{"y":1,"y":1}}]}`,
	"errors beside odd entries":  `{"object":"whatsapp_business_account","errors":[{"code":1}],"entry":[7,{"id":"W"},{"id":"V","changes":[7]}]}`,
	"errors beside an odd entry": `{"object":"whatsapp_business_account","errors":[{"code":1}],"entry":[{"id":"W","id":"V"},{"id":"U"}]}`,
	"errors beside odd parts":    `{"event":"messages","errors":[{"code":1}],"data":{"id":"W","metadata":{"phone_number_id":"1"},"messages":[7,{"id":"m"}]}}`,
	"ycloud contacts":            `{"type":"whatsapp.smb.app.state.sync","whatsappSmbAppStateSync":{"wabaId":"W9","stateSync":[7,{"action":"add"},{"a":1,"a":1}]},"messages":7}`,
}
