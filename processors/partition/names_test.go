package partition_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

// One field, array or event is known by several names: each is taken for what it is.

func TestEchoesAreEchoesUnderEveryNameOfTheirFieldAndArray(t *testing.T) {
	for _, field := range []string{"smb_message_echoes", "message_echoes", "messages", "standby"} {
		arrays := []string{"message_echoes", "smb_message_echoes"}
		if strings.HasSuffix(field, "echoes") {
			arrays = append(arrays, "messages")
		}
		for _, array := range arrays {
			p := newPartition(t)
			p.webhook(changes(change(field, `"`+array+`":[{"from":"`+biz+`","to":"`+user+`","id":"e","timestamp":"1772366000","type":"text"}]`)))
			got := events[schemas.Message](p, schemas.TopicEchoes)
			if len(got) != 1 || got[0].Direction != schemas.DirectionOutbound || got[0].Thread != user || got[0].Standby != (field == "standby") {
				t.Errorf("%s of the field %s: %+v", array, field, got)
			}
			if key := p.topics[schemas.TopicEchoes][0].key; key != phone+"/"+user {
				t.Errorf("key is %q", key)
			}
		}
	}
}

func TestEchoesOf360DialogAreEchoesUnderTheNameOfMessages(t *testing.T) {
	for _, event := range []string{"smb_message_echoes", "message_echoes"} {
		p := newPartition(t)
		p.webhook(`{"id":"e","event":"` + event + `","data":{"id":"` + waba + `",` + tenant + `,"messages":[{"from":"` + biz + `","to":"` + user + `","id":"e","timestamp":"1772366000","type":"text"}]}}`)
		got := events[schemas.Message](p, schemas.TopicEchoes)
		if len(got) != 1 || got[0].Direction != schemas.DirectionOutbound || got[0].Thread != user || len(p.topics[schemas.TopicMessages]) != 0 {
			t.Errorf("%s: %+v", event, got)
		}
	}
}

func TestCopiesOnStandbyLeaveAsTheirKindsAndAreMarked(t *testing.T) {
	for _, name := range []string{"standby", "standby-flat"} {
		p := newPartition(t)
		p.webhook(string(fixtures.Named(name).Body))
		var kinds []string
		for _, topic := range []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes} {
			for i, m := range events[schemas.Message](p, topic) {
				if !m.Standby || m.Thread != user || m.WAMID == "" {
					t.Errorf("%s: %+v", name, m)
				}
				kinds = append(kinds, p.topics[topic][i].headers[schemas.HeaderCEType]+" "+m.Type)
			}
		}
		want := []string{schemas.TypeMessage + " text", schemas.TypeStatus + " ", schemas.TypeEcho + " text"}
		if name == "standby-flat" {
			want = []string{schemas.TypeMessage + " text", schemas.TypeEcho + " text"}
		}
		if !slices.Equal(kinds, want) {
			t.Errorf("%s gives %q, want %q", name, kinds, want)
		}
		if profile := string(events[schemas.Message](p, schemas.TopicMessages)[0].Profiles); !strings.Contains(profile, "Sheena Nelson") {
			t.Errorf("%s: profiles are %s", name, profile)
		}
	}
	p := newPartition(t)
	p.webhook(string(fixtures.Named("message-text").Body))
	if got := events[schemas.Message](p, schemas.TopicMessages); len(got) != 1 || got[0].Standby {
		t.Errorf("a message of this application: %+v", got)
	}
}

// docs/webhooks.md, E12: the copy says "do not answer", the real one is to be answered.
func TestCopyOnStandbyAndTheRealOneAreToldApart(t *testing.T) {
	at := unixText(start)
	edit := func(id, text string) string {
		return `"message_echoes":[{"from":"` + biz + `","to":"` + user + `","id":"` + id + `","timestamp":"` + at + `","type":"edit","edit":{"original_message_id":"o","message":{"type":"text","text":{"body":"` + text + `"}}}}]`
	}
	for name, parts := range map[string]string{
		"message":       `"messages":[{"from":"` + user + `","id":"x","timestamp":"` + at + `","type":"text","text":{"body":"a"}}]`,
		"placeholder":   `"messages":[{"from":"` + user + `","id":"x","timestamp":"` + at + `","type":"unsupported","errors":[{"code":131051}]}]`,
		"scoped wamid":  `"messages":[{"from":"` + user + `","id":"wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQTg3RjVCNzlGNEQ5RjY3QjdFRAA=","timestamp":"` + at + `","type":"text"}]`,
		"echo":          `"message_echoes":[{"from":"` + biz + `","to":"` + user + `","id":"x","timestamp":"` + at + `","type":"text","text":{"body":"a"}}]`,
		"edit":          edit("x", "a"),
		"revoke":        `"message_echoes":[{"from":"` + biz + `","to":"` + user + `","id":"x","timestamp":"` + at + `","type":"revoke","revoke":{"original_message_id":"o"}}]`,
		"status":        `"statuses":[{"id":"x","status":"sent","timestamp":"` + at + `","recipient_id":"` + user + `"}]`,
		"error":         `"errors":[{"code":130429}]`,
		"media":         `"messages":[{"from":"` + user + `","id":"p","timestamp":"1772300000","type":"image","image":{"id":"1"}}]`,
		"media, echoed": `"message_echoes":[{"from":"` + biz + `","to":"` + user + `","id":"p","timestamp":"1772300000","type":"image","image":{"id":"1"}}]`,
	} {
		itself := envelope("messages", value(parts))
		flat := envelope("standby", value(parts))
		for _, copied := range []string{flat, envelope("standby", value(`"standby":{`+parts+`}`))} {
			play := func(bodies ...string) (marks []bool) {
				p := newPartition(t)
				p.webhook(strings.Replace(chunk(0, 1, 100, "p"), `"type":"text"`, `"type":"media_placeholder"`, 1))
				for _, body := range bodies {
					p.webhook(body)
					p.restart()
				}
				ids := map[string]bool{}
				for _, topic := range []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes, schemas.TopicMedia} {
					for i, m := range events[schemas.Message](p, topic) {
						marks = append(marks, m.Standby)
						ids[p.topics[topic][i].headers[schemas.HeaderCEID]] = true
					}
				}
				if len(ids) != len(marks) {
					t.Errorf("%s: %d events have %d ids", name, len(marks), len(ids))
				}
				return marks
			}
			if got := play(copied, itself, copied, itself); !slices.Equal(got, []bool{true, false}) {
				t.Errorf("%s, the copy first: standby is %v", name, got)
			}
			if name == "error" && copied != flat {
				continue // nothing but the value's bytes tells errors apart
			}
			if got := play(itself, copied, itself); !slices.Equal(got, []bool{false}) {
				t.Errorf("%s, the real one first: standby is %v", name, got)
			}
		}
	}
	p := newPartition(t)
	for _, body := range []string{envelope("messages", value(edit("x", "a"))), envelope("standby", value(edit("x", "b")))} {
		p.webhook(body)
	}
	if got := events[schemas.Message](p, schemas.TopicEchoes); len(got) != 2 || !got[1].Standby {
		t.Errorf("a copy of another edit: %+v", got)
	}
}

func TestHandoverNamesItsThreadAndWhoHasTheControl(t *testing.T) {
	bare := `{"messaging_product":"whatsapp","recipient":{"phone_number_id":"` + phone + `"},"sender":{"wa_id":"+1 650-555-1234","user_id":"US.1"},"timestamp":1772366390,"type":"control_taken","control_taken":{}}`
	for _, c := range []struct{ name, body, kind, thread, key, userID string }{
		{"passed", string(fixtures.Named("handover-passed").Body), "control_passed", user, phone + "/" + user, ""},
		{"taken, of nobody", string(fixtures.Named("handover-taken").Body), "control_taken", "", "", ""},
		{"bare", bare, "control_taken", user, phone + "/" + user, "US.1"},
		{"by its BSUID", envelope("messaging_handovers", strings.Replace(bare, `"wa_id":"+1 650-555-1234",`, "", 1)), "control_taken", "US.1", phone + "/US.1", "US.1"},
		{"turned round", envelope("messaging_handovers", strings.NewReplacer("recipient", "sender", "sender", "recipient").Replace(bare)), "control_taken", user, phone + "/" + user, "US.1"},
	} {
		p := newPartition(t)
		p.webhook(c.body)
		p.webhook(c.body)
		got := events[schemas.Message](p, schemas.TopicMessages)
		if len(got) != 1 {
			t.Errorf("%s: messages are %+v", c.name, got)
			continue
		}
		m, r := got[0], p.topics[schemas.TopicMessages][0]
		if r.headers[schemas.HeaderCEType] != schemas.TypeHandover || m.Kind != schemas.KindHandover || m.Direction != schemas.DirectionUnknown ||
			m.Type != c.kind || m.Thread != c.thread || m.PhoneNumberID != phone || m.Timestamp/1000 != 1772366 || !strings.Contains(string(m.Original), c.kind) {
			t.Errorf("%s: %+v", c.name, m)
		}
		if (m.Contact == nil) != (c.thread == "") || m.Contact != nil && m.Contact.UserID != c.userID {
			t.Errorf("%s: contact is %+v", c.name, m.Contact)
		}
		want := c.key
		if want == "" {
			want = phone + "/" + r.headers[schemas.HeaderCEID]
		}
		if r.key != want {
			t.Errorf("%s: key is %q, want %q", c.name, r.key, want)
		}
	}
}

func TestAccountEventAsAFieldOfItsOwnPartsOnboardings(t *testing.T) {
	for _, c := range []struct {
		name, body, event string
		parts             bool
	}{
		{"account_update", `{"field":"account_update","value":{"event":"ACCOUNT_OFFBOARDED"}}`, "ACCOUNT_OFFBOARDED", true},
		{"lower case", `{"field":"account_update","value":{"event":"account_offboarded"}}`, "ACCOUNT_OFFBOARDED", true},
		{"account_offboarded", `{"field":"account_offboarded","value":{"waba_id":"` + waba + `","reason":"USER_INITIATED"}}`, "ACCOUNT_OFFBOARDED", true},
		{"account_reconnected", `{"field":"account_reconnected","value":{"waba_id":"` + waba + `"}}`, "ACCOUNT_RECONNECTED", true},
		{"partner_removed", `{"field":"partner_removed","value":{}}`, "PARTNER_REMOVED", true},
		{"partner_added", `{"field":"partner_added","value":{}}`, "PARTNER_ADDED", false}, // alone it ends no sync
		{"partner_app_installed", `{"field":"partner_app_installed","value":{}}`, "PARTNER_APP_INSTALLED", false},
		{"its own event", `{"field":"account_offboarded","value":{"event":"ACCOUNT_RECONNECTED"}}`, "ACCOUNT_RECONNECTED", true},
		{"unknown event", `{"field":"account_update","value":{"event":"an_event_of_tomorrow"}}`, "an_event_of_tomorrow", false},
	} {
		p := newPartition(t)
		p.webhook(chunk(0, 1, 100, "h"))
		p.tick(30e9)
		p.webhook(strings.Replace(changes(c.body), `"changes"`, `"time":1772366430,"changes"`, 1))
		p.tick(30e9)
		p.webhook(chunk(0, 1, 100, "h"))
		got := events[schemas.Account](p, schemas.TopicAccount)
		if len(got) != 1 || got[0].Event != c.event || got[0].WABAID != waba {
			t.Errorf("%s: account has %+v", c.name, got)
		}
		want := map[bool]int{true: 2, false: 1}[c.parts]
		if n := len(p.topics[schemas.TopicHistory]); n != want {
			t.Errorf("%s: the same chunk before and after it gives %d events, want %d", c.name, n, want)
		}
	}
	p := newPartition(t)
	p.webhook(changes(`{"field":"account_offboarded","value":{}}`, `{"field":"account_reconnected","value":{}}`, `{"field":"account_review_update","value":{"decision":"APPROVED"}}`, `{"field":"account_offboarded"}`))
	if n, m := len(p.topics[schemas.TopicAccount]), len(p.topics[schemas.TopicOther]); n != 2 || m != 2 {
		t.Errorf("%d account events and %d others, want 2 and 2", n, m)
	}
}

// YCloud says who the user is in the message itself: its names and ids are the contact's, on every topic.
func TestYCloudCustomerIsTheContact(t *testing.T) {
	message := func(from, to, more string) string {
		return `{"wamid":"wamid.Y","wabaId":"` + waba + `",` + from + to + `"type":"text","sendTime":"2026-03-01T11:59:50.000Z",` + more + `"customerProfile":{"name":"Joe","username":"joe"}}`
	}
	inbound := `"whatsappInboundMessage":` + message(`"from":"+`+user+`","fromUserId":"US.1","fromParentUserId":"US.ENT.1",`, `"to":"+`+biz+`",`, "")
	sent := `"whatsappMessage":` + message(`"from":"+`+biz+`",`, `"to":"+`+user+`","recipientUserId":"US.1","parentRecipientUserId":"US.ENT.1",`, `"status":"read",`)
	want := schemas.Contact{WaID: user, UserID: "US.1", ParentUserID: "US.ENT.1", Username: "joe", ProfileName: "Joe"}
	for kind, c := range map[string]struct {
		topic schemas.Topic
		about string
	}{
		"whatsapp.inbound_message.received": {schemas.TopicMessages, inbound},
		"whatsapp.message.updated":          {schemas.TopicMessages, sent},
		"whatsapp.smb.message.echoes":       {schemas.TopicEchoes, sent},
		"whatsapp.smb.history":              {schemas.TopicHistory, inbound},
		"whatsapp.smb.history ":             {schemas.TopicHistory, sent},
	} {
		p := newPartition(t)
		p.webhook(`{"id":"e","type":"` + strings.TrimSpace(kind) + `","phase":0,"progress":1,` + c.about + `}`)
		got := events[schemas.Message](p, c.topic)
		if len(got) != 1 || got[0].Contact == nil || *got[0].Contact != want || string(got[0].Profiles) != `[{"name":"Joe","username":"joe"}]` {
			t.Errorf("%s of %s: %+v", c.topic, kind, got)
		}
	}
	p := newPartition(t)
	p.webhook(`{"type":"whatsapp.inbound_message.received","whatsappInboundMessage":` + message(`"fromUserId":"US.1","fromParentUserId":"US.ENT.1",`, `"to":"+`+biz+`",`, "") + `}`)
	want.WaID = ""
	if got := events[schemas.Message](p, schemas.TopicMessages); len(got) != 1 || got[0].Thread != "US.1" || *got[0].Contact != want {
		t.Errorf("without a number: %+v", got)
	}
}

func TestYCloudEventsHaveTheTopicsOfWhatTheyMean(t *testing.T) {
	for _, c := range []struct {
		name  string
		topic schemas.Topic
		want  schemas.Message
	}{
		{"ycloud-echo", schemas.TopicEchoes, schemas.Message{Direction: schemas.DirectionOutbound, From: biz, To: user, Type: "text", Timestamp: 1772366390}},
		{"ycloud-message", schemas.TopicMessages, schemas.Message{Direction: schemas.DirectionInbound, From: user, To: biz, Type: "text", Timestamp: 1772366390}},
		{"ycloud-status", schemas.TopicMessages, schemas.Message{Direction: schemas.DirectionOutbound, To: user, Status: "delivered", Timestamp: 1772366395}},
	} {
		p := newPartition(t)
		p.webhook(string(fixtures.Named(c.name).Body))
		got := events[schemas.Message](p, c.topic)
		if len(got) != 1 {
			t.Errorf("%s: %s has %+v", c.name, c.topic, got)
			continue
		}
		m := got[0]
		if m.Direction != c.want.Direction || m.From != c.want.From || m.To != c.want.To || m.Type != c.want.Type || m.Status != c.want.Status ||
			m.Timestamp != c.want.Timestamp || m.Thread != user || m.PhoneNumberID != biz || m.WABAID != waba || !strings.HasPrefix(m.WAMID, "wamid.") {
			t.Errorf("%s: %+v", c.name, m)
		}
	}
	p := newPartition(t)
	p.webhook(string(fixtures.Named("ycloud-contacts").Body))
	book := p.table()
	if c := book[biz+"/"+user]; len(book) != 1 || c.FullName != "Sheena Nelson" || c.FirstName != "Sheena" || c.PhoneNumber != user || c.TimestampMS != 1772366000000 {
		t.Errorf("the table of contacts is %+v", book)
	}
	p.webhook(string(fixtures.Named("ycloud-account-updated").Body))
	if got := events[schemas.Account](p, schemas.TopicAccount); len(got) != 1 || got[0].Event != "PARTNER_REMOVED" || got[0].WABAID != waba {
		t.Errorf("account is %+v", got)
	}
	for _, body := range []string{string(fixtures.Named("ycloud-number-deleted").Body), `{"type":"whatsapp.message.updated","whatsappGroup":{"wabaId":"` + waba + `"}}`} {
		p := newPartition(t)
		p.webhook(body)
		if got := events[schemas.Other](p, schemas.TopicOther); len(got) != 1 || !strings.HasPrefix(got[0].Field, "whatsapp.") {
			t.Errorf("an event without a field of Meta's: %+v", got)
		}
	}
}

// A follow-up that waits for its placeholder stays marked.
func TestMediaOfACopyOnStandbyStaysMarked(t *testing.T) {
	p := newPartition(t)
	p.webhook(strings.Replace(chunk(0, 1, 100, "m"), `"type":"text"`, `"type":"media_placeholder"`, 1))
	p.webhook(changes(change("standby", `"standby":{"messages":[{"from":"`+user+`","id":"m","timestamp":"1772300000","type":"image","image":{"id":"1"}}]}`)))
	if got := events[schemas.Message](p, schemas.TopicMedia); len(got) != 1 || !got[0].Standby {
		t.Errorf("media is %+v", got)
	}
}
