package partition_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

// ycloudMessage plays one golden webhook of YCloud and returns its event, which has to be the only one.
func ycloudMessage(t *testing.T, name string, topic schemas.Topic) schemas.Message {
	t.Helper()
	p := newPartition(t)
	p.webhook(string(fixtures.Named(name).Body))
	got := events[schemas.Message](p, topic)
	if len(got) != 1 {
		t.Fatalf("%s: %s has %d events", name, topic, len(got))
	}
	return got[0]
}

func TestYCloudGroupIsTheThreadAndTheMemberTheContact(t *testing.T) {
	const group = "Y2FwaV9ncm91cDoxOTUwNTU1MDA3OToxMjAzNjMzOTQzMjdZD"
	for name, want := range map[string]schemas.Message{
		"ycloud-group-message": {Direction: schemas.DirectionInbound, Kind: schemas.KindMessage, Timestamp: 1772366390},
		"ycloud-group-status":  {Direction: schemas.DirectionOutbound, Kind: schemas.KindStatus, Status: "delivered", Timestamp: 1772366395},
	} {
		m := ycloudMessage(t, name, schemas.TopicMessages)
		if m.Thread != group || m.GroupID != group || m.Contact == nil || m.Contact.WaID != user || m.Direction != want.Direction || m.Kind != want.Kind ||
			m.Status != want.Status || m.Timestamp != want.Timestamp || m.PhoneNumberID != biz || m.WABAID != waba {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// Groups have no history by the documents. A history that arrives still belongs to the group.
func TestYCloudMessageOfAGroupInTheHistoryIsTheGroups(t *testing.T) {
	const group = "Y2FwaV9ncm91cDoxOTUwNTU1MDA3OToxMjAzNjMzOTQzMjdZD"
	m := ycloudMessage(t, "ycloud-history-group", schemas.TopicHistory)
	if m.Thread != group || m.GroupID != group || m.Contact == nil || m.Contact.WaID != user || m.Direction != schemas.DirectionInbound {
		t.Errorf("%+v", m)
	}
}

// The documented key of a status in a group is another one than that of other statuses. That of the whole group names no
// member, and may name the business by the id of its number alone.
func TestYCloudStatusOfAGroupIsReadFromItsDocumentedKey(t *testing.T) {
	const group = "Y2FwaV9ncm91cDoxOTUwNTU1MDA3OToxMjAzNjMzOTQzMjdZD"
	member := ycloudMessage(t, "ycloud-group-status-member", schemas.TopicMessages)
	if member.Contact == nil || member.Contact.WaID != user || member.Contact.UserID != "US.13491208655302741918" || member.Contact.ProfileName != "Sheena Nelson" ||
		member.Status != "read" || member.Timestamp != 1772366397 || member.PhoneNumberID != biz {
		t.Errorf("member: %+v", member)
	}
	whole := ycloudMessage(t, "ycloud-group-status-whole", schemas.TopicMessages)
	if whole.Contact != nil || whole.Status != "sent" || whole.Timestamp != 1772366391 || whole.PhoneNumberID != "106540352242922" {
		t.Errorf("whole: %+v", whole)
	}
	for _, m := range []schemas.Message{member, whole} {
		if m.Kind != schemas.KindStatus || m.Direction != schemas.DirectionOutbound || m.Thread != group || m.GroupID != group || m.WABAID != waba {
			t.Errorf("%+v", m)
		}
	}
}

func TestYCloudEchoesOfAnAgentAndTheirStatusesAreTheUsers(t *testing.T) {
	echo, status := ycloudMessage(t, "ycloud-echo-created", schemas.TopicEchoes), ycloudMessage(t, "ycloud-echo-status", schemas.TopicMessages)
	for name, m := range map[string]schemas.Message{"echo": echo, "status": status} {
		if m.Direction != schemas.DirectionOutbound || m.Thread != user || m.Contact == nil || m.Contact.UserID != "US.13491208655302741918" || m.PhoneNumberID != biz {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if status.Kind != schemas.KindStatus || status.Status != "delivered" || status.Timestamp != 1772366395 || status.WAMID != echo.WAMID {
		t.Errorf("status: %+v", status)
	}
}

// The real message has the same wamid: the unavailable one must not take its place.
func TestYCloudMessageThatWasUnavailableLeavesWhenItComes(t *testing.T) {
	for _, kind := range []string{"unsupported", "of_tomorrow"} {
		unavailable := strings.Replace(string(fixtures.Named("ycloud-message-unsupported").Body), `"unsupported"`, `"`+kind+`"`, 1)
		p := newPartition(t)
		p.webhook(unavailable)
		p.webhook(string(fixtures.Named("ycloud-message").Body))
		p.webhook(unavailable)
		var kinds []string
		for _, m := range events[schemas.Message](p, schemas.TopicMessages) {
			kinds = append(kinds, m.Kind+" "+m.Type)
		}
		if want := []string{schemas.KindPlaceholder + " " + kind, schemas.KindMessage + " text"}; !slices.Equal(kinds, want) {
			t.Errorf("messages are %q, want %q", kinds, want)
		}
	}
}

func TestYCloudEditAndRevokeNameTheirMessage(t *testing.T) {
	echo := func(id, more string) string {
		return `{"id":"e","type":"whatsapp.smb.message.echoes","whatsappMessage":{"wamid":"` + id + `","wabaId":"` + waba + `","from":"+` + biz + `","to":"+` + user + `","sendTime":"2026-03-01T11:59:50.000Z",` + more + `}}`
	}
	p := newPartition(t)
	p.webhook(echo("b", `"type":"edit","edit":{"original_message_id":"a","message":{"type":"text","text":{"body":"x"}}}`))
	p.webhook(echo("c", `"type":"revoke","revoke":{"original_message_id":"a"}`))
	got := events[schemas.Message](p, schemas.TopicEchoes)
	p = newPartition(t)
	p.webhook(echo("b", `"type":"edit","edit":{"originalMessageId":"a","message":{"type":"text","text":{"body":"x"}}}`))
	p.webhook(echo("c", `"type":"revoke","revoke":{"originalMessageId":"a"}`))
	if camel := events[schemas.Message](p, schemas.TopicEchoes); len(camel) != 2 || camel[0].OriginalWAMID != "a" || camel[1].OriginalWAMID != "a" {
		t.Errorf("echoes in camel case are %+v", camel)
	}
	if len(got) != 2 || got[0].Kind != schemas.KindEdit || got[1].Kind != schemas.KindRevoke || got[0].OriginalWAMID != "a" || got[1].OriginalWAMID != "a" {
		t.Errorf("echoes are %+v", got)
	}
}

// YCloud has no id for a number but the number itself. Its spelling is kept, as everywhere: two spellings are two numbers.
func TestYCloudNumberInAnotherSpellingIsAnotherNumber(t *testing.T) {
	p := newPartition(t)
	for i, number := range []string{"+5521998765432", "+552198765432", "5521998765432"} {
		p.webhook(fmt.Sprintf(`{"id":"e%d","type":"whatsapp.inbound_message.received","whatsappInboundMessage":{"wamid":"w%d","wabaId":"%s","from":"+%s","to":"%s","type":"text","text":{"body":"x"}}}`, i, i, waba, user, number))
	}
	var ids []string
	for _, m := range events[schemas.Message](p, schemas.TopicMessages) {
		ids = append(ids, m.PhoneNumberID)
	}
	if want := []string{"5521998765432", "552198765432", "5521998765432"}; !slices.Equal(ids, want) {
		t.Errorf("numbers are %v, want %v", ids, want)
	}
}

// A change of the business-scoped id names the user in system alone, as Meta's does.
func TestYCloudSystemMessageIsAboutItsUser(t *testing.T) {
	m := ycloudMessage(t, "ycloud-message-system", schemas.TopicMessages)
	if m.Kind != schemas.KindSystem || m.Thread != user || m.Direction != schemas.DirectionInbound {
		t.Errorf("%+v", m)
	}
	p := newPartition(t)
	p.webhook(`{"id":"e","type":"whatsapp.inbound_message.received","whatsappInboundMessage":{"wamid":"w","wabaId":"` + waba + `","to":"+` + biz + `","type":"system",` +
		`"system":{"type":"user_changed_user_id","user_id":"US.2","previous_user_id":"US.1"}}}`)
	got := events[schemas.Message](p, schemas.TopicMessages)
	if len(got) != 1 || got[0].Kind != schemas.KindSystem || got[0].Thread != "US.2" || got[0].Contact == nil || got[0].Contact.UserID != "US.2" {
		t.Errorf("%+v", got)
	}
}

func TestSystemMessageOfThePastIsKeyedByItsUser(t *testing.T) {
	const system = `"type":"system","system":{"type":"user_changed_user_id","user_id":"US.2","previous_user_id":"US.1","parent_user_id":"US.ENT.2"}`
	for sender, body := range map[string]string{
		"Meta": envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":100},"threads":[{"messages":[{"id":"w",`+system+`}]}]}]`)),
		"YCloud": `{"id":"e","type":"whatsapp.smb.history","apiVersion":"v2","phase":0,"progress":50,"whatsappInboundMessage":{"wamid":"w","wabaId":"` + waba +
			`","to":"+` + biz + `",` + system + `}}`,
	} {
		p := newPartition(t)
		p.webhook(body)
		got := events[schemas.Message](p, schemas.TopicHistory)
		if len(got) != 1 || got[0].Direction != schemas.DirectionInbound || got[0].Thread != "US.2" || got[0].Contact == nil ||
			got[0].Contact.UserID != "US.2" || got[0].Contact.ParentUserID != "US.ENT.2" {
			t.Errorf("%s: %+v", sender, got)
			continue
		}
		if key := p.topics[schemas.TopicHistory][0].key; key != got[0].PhoneNumberID+"/US.2" {
			t.Errorf("%s: key is %q", sender, key)
		}
	}
}

// YCloud tells the end of an onboarding as a change of the number's quality.
func TestYCloudOffboardingOfANumberPartsOnboardings(t *testing.T) {
	history := func() string { return string(fixtures.Named("ycloud-history-inbound").Body) }
	for name, c := range map[string]struct {
		event string
		left  int
	}{
		"ycloud-number-offboarded":  {"ACCOUNT_OFFBOARDED", 2},
		"ycloud-number-reconnected": {"ACCOUNT_RECONNECTED", 2},
		"ycloud-number-quality":     {"", 1},
	} {
		p := newPartition(t)
		p.webhook(history())
		p.tick(30e9)
		p.webhook(strings.Replace(string(fixtures.Named(name).Body), "2026-03-01T11:59:58", "2026-03-01T12:00:30", 1))
		p.tick(30e9)
		p.webhook(history())
		got := events[schemas.Account](p, schemas.TopicAccount)
		switch {
		case c.event == "" && len(got) != 0:
			t.Errorf("%s: account has %+v", name, got)
		case c.event != "" && (len(got) != 1 || got[0].Event != c.event || got[0].PhoneNumber != biz || got[0].WABAID != waba):
			t.Errorf("%s: account has %+v", name, got)
		}
		if n := len(p.topics[schemas.TopicHistory]); n != c.left {
			t.Errorf("%s: the same message before and after it gives %d events, want %d", name, n, c.left)
		}
	}
}

func TestYCloudEventWithoutAMeaningGoesToOtherUnderItsType(t *testing.T) {
	for name, field := range map[string]string{
		"ycloud-number-quality":     "whatsapp.phone_number.quality_updated",
		"ycloud-number-deleted":     "whatsapp.phone_number.deleted",
		"ycloud-account-reviewed":   "whatsapp.business_account.reviewed",
		"ycloud-template":           "whatsapp.template.reviewed",
		"ycloud-preferences":        "whatsapp.user.preferences",
		"ycloud-payment":            "whatsapp.payment.updated",
		"ycloud-group-participants": "whatsapp.group.participants_update",
	} {
		p := newPartition(t)
		p.webhook(string(fixtures.Named(name).Body))
		if got := events[schemas.Other](p, schemas.TopicOther); len(got) != 1 || got[0].Field != field || got[0].WABAID != waba {
			t.Errorf("%s: other has %+v", name, got)
		}
	}
}

// Events of an account at YCloud, such as those of its address book and of its text messages, name no business.
func TestYCloudEventThatNamesNoBusinessIsALetterThatSaysSo(t *testing.T) {
	for _, kind := range []string{"contact.created", "sms.message.updated", "whatsapp.of.tomorrow"} {
		body := `{"id":"evt_1","type":"` + kind + `","apiVersion":"v2","createTime":"2026-03-01T11:59:58.000Z","contact":{"id":"1"}}`
		p := newPartition(t)
		p.webhook(body)
		dead := p.topics[schemas.TopicDLQ]
		if len(dead) != 1 || dead[0].headers[schemas.HeaderDLQReason] != string(schemas.ReasonNoBusiness) || string(dead[0].value) != body {
			t.Errorf("%s: dlq has %+v", kind, dead)
		}
	}
}
