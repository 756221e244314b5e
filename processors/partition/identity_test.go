package partition_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

func body(name string) string { return string(fixtures.Named(name).Body) }

// twice delivers a golden webhook, and again after a restart, and gives the events of a topic.
func twice(t *testing.T, name string, topic schemas.Topic) ([]schemas.Message, *harness) {
	t.Helper()
	p := newPartition(t)
	p.webhook(body(name))
	p.restart()
	p.webhook(body(name))
	return events[schemas.Message](p, topic), p
}

// distinct checks that all events of a topic have ids of their own.
func distinct(t *testing.T, p *harness, topic schemas.Topic) {
	t.Helper()
	ids := map[string]bool{}
	for _, r := range p.topics[topic] {
		ids[r.headers[schemas.HeaderCEID]] = true
	}
	if len(ids) != len(p.topics[topic]) {
		t.Errorf("%d ids for %d events of %s", len(ids), len(p.topics[topic]), topic)
	}
}

func TestStatusesOfOneSecondOfAGroupAllLeave(t *testing.T) {
	got, p := twice(t, "statuses-group-one-second", schemas.TopicMessages)
	if len(got) != 4 {
		t.Fatalf("%d statuses, want one for each of 4 participants", len(got))
	}
	distinct(t, p, schemas.TopicMessages)
	for _, m := range got {
		if m.Kind != schemas.KindStatus || m.Rank != nil || m.Status != "delivered" {
			t.Errorf("kind %q, rank %v, status %q", m.Kind, m.Rank, m.Status)
		}
	}
}

func TestStatusesOfOneSecondThatSayOtherThingsAllLeave(t *testing.T) {
	got, p := twice(t, "statuses-other-content", schemas.TopicMessages)
	var statuses []string
	for _, m := range got {
		statuses = append(statuses, m.Status)
	}
	if want := []string{"failed", "failed", "captured", "captured", "played"}; !slices.Equal(statuses, want) {
		t.Errorf("statuses are %v, want %v", statuses, want)
	}
	distinct(t, p, schemas.TopicMessages)
}

func TestRealMessageFollowsErrorsAndUnknown(t *testing.T) {
	kinds := []string{"placeholder", "placeholder", "placeholder", "placeholder", "message", "message", "message", "message"}
	got, p := twice(t, "history-placeholder-types", schemas.TopicHistory)
	var is []string
	for _, m := range got {
		is = append(is, m.Kind)
		if (m.Kind == "message") != (*m.Rank == schemas.RankConcrete) {
			t.Errorf("a %s has rank %d", m.Kind, *m.Rank)
		}
	}
	if !slices.Equal(is, kinds) {
		t.Errorf("history is %v, want %v", is, kinds)
	}
	distinct(t, p, schemas.TopicHistory)

	// Live, and as the media follow-up of a placeholder.
	p = newPartition(t)
	ghost := `"from":"` + user + `","id":"w1","timestamp":"1772366400","errors":[{"code":131060}]`
	content := `{"from":"` + user + `","id":"w1","timestamp":"1772366400","type":"image","image":{"id":"1"}}`
	for _, field := range []string{"messages", "history"} {
		if field == "history" {
			p.webhook(strings.Replace(chunk(0, 1, 100, "w1"), `"type":"text"`, `"type":"media_placeholder"`, 1))
		}
		for _, m := range []string{`{` + ghost + `,"type":"unknown"}`, `{` + ghost + `,"type":"errors"}`, `{` + ghost + `}`, content, content} {
			p.webhook(envelope(field, value(`"messages":[`+m+`]`)))
		}
	}
	var live, media []string
	for _, m := range events[schemas.Message](p, schemas.TopicMessages) {
		live = append(live, m.Type)
	}
	for _, m := range events[schemas.Message](p, schemas.TopicMedia) {
		media = append(media, m.Type+" "+m.Kind)
	}
	if want := []string{"unknown", "image"}; !slices.Equal(live, want) {
		t.Errorf("messages are %v, want %v", live, want)
	}
	if want := []string{"unknown media", "image media"}; !slices.Equal(media, want) {
		t.Errorf("media is %v, want %v", media, want)
	}
}

// A type that nobody documents, or that lacks its content, stands for a message where it has errors, as `unsupported` does.
func TestRealMessageFollowsErrorsOfAnyTypeWithoutContent(t *testing.T) {
	for _, ghost := range []string{"ephemeral", "of_the_future", "UNSUPPORTED", "image", "edit", "revoke"} {
		p := newPartition(t)
		item := func(id, messageType, rest string) string {
			return `{"from":"` + user + `","id":"` + id + `","timestamp":"1772366400","type":"` + messageType + `"` + rest + `}`
		}
		errors := `,"errors":[{"code":131060}]`
		for range 2 {
			p.webhook(envelope("messages", value(`"messages":[`+item("w1", ghost, errors)+`]`)))
			p.webhook(envelope("messages", value(`"messages":[`+item("w1", "text", `,"text":{"body":"b"}`)+`]`)))
		}
		p.webhook(envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":100},"threads":[{"id":"`+user+`","messages":[`+
			item("w2", ghost, errors)+`,`+item("w2", "text", "")+`]}]}]`)))
		for topic, wamid := range map[schemas.Topic]string{schemas.TopicMessages: "w1", schemas.TopicHistory: "w2"} {
			want := ghost + " text"
			var types []string
			for _, m := range events[schemas.Message](p, topic) {
				types = append(types, m.Type)
				if m.WAMID != wamid || (m.Type == ghost) != (*m.Rank == schemas.RankPlaceholder) {
					t.Errorf("%s: %s of type %s has rank %d", topic, m.WAMID, m.Type, *m.Rank)
				}
			}
			if got := strings.Join(types, " "); got != want {
				t.Errorf("%s behind %s: %s, want %s", topic, ghost, got, want)
			}
		}
		distinct(t, p, schemas.TopicMessages)
	}
}

// Errors without the content that the type names announce the message. With the content they are the message's own.
func TestRealMessageFollowsErrorsOfATypeWhoseContentIsMissing(t *testing.T) {
	const errors = `,"errors":[{"code":131060}]`
	contents := map[string]string{
		"text": `{"body":"b"}`, "image": `{"id":"1"}`, "video": `{"id":"1"}`, "audio": `{"id":"1"}`, "document": `{"id":"1"}`, "sticker": `{"id":"1"}`,
		"location": `{"latitude":1,"longitude":2}`, "contacts": `[{"name":{}}]`, "reaction": `{"message_id":"w0"}`, "interactive": `{"type":"x"}`,
		"button": `{"text":"b"}`, "order": `{"text":"o"}`, "system": `{"body":"s"}`, "template": `{"name":"t"}`,
		"revoke": `{"original_message_id":"w0"}`, "edit": `{"original_message_id":"w0","message":{"type":"text"}}`,
	}
	shapes := map[string]struct {
		topic schemas.Topic
		post  func(p *harness, message string)
	}{
		"messages": {schemas.TopicMessages, func(p *harness, message string) { p.webhook(envelope("messages", value(`"messages":[`+message+`]`))) }},
		"echoes": {schemas.TopicEchoes, func(p *harness, message string) {
			p.webhook(envelope("smb_message_echoes", value(`"message_echoes":[`+message+`]`)))
		}},
		"history": {schemas.TopicHistory, func(p *harness, message string) {
			p.webhook(envelope("history", value(fmt.Sprintf(`"history":[{"metadata":{"phase":0,"chunk_order":%d,"progress":100},"threads":[{"id":"%s","messages":[%s]}]}]`,
				len(p.raw)+1, user, message))))
		}},
		"standby": {schemas.TopicMessages, func(p *harness, message string) {
			p.webhook(envelope("standby", value(`"standby":{"messages":[`+message+`]}`)))
		}},
		"YCloud message": {schemas.TopicMessages, func(p *harness, message string) {
			p.webhook(`{"id":"e","type":"whatsapp.inbound_message.received","apiVersion":"v2","whatsappInboundMessage":` +
				strings.Replace(message, "{", `{"wabaId":"`+waba+`","to":"+`+biz+`",`, 1) + `}`)
		}},
		"YCloud history": {schemas.TopicHistory, func(p *harness, message string) {
			p.webhook(`{"id":"e","type":"whatsapp.smb.history","apiVersion":"v2","phase":0,"progress":50,"whatsappInboundMessage":` +
				strings.Replace(message, "{", `{"wabaId":"`+waba+`","to":"+`+biz+`",`, 1) + `}`)
		}},
	}
	for shape, s := range shapes {
		for messageType, content := range contents {
			for _, missing := range []string{errors, errors + `,"` + messageType + `":null`, `,"` + messageType + `":null` + errors} {
				p := newPartition(t)
				item := func(rest string) string {
					return `{"wamid":"w1","id":"w1","from":"` + user + `","timestamp":"1772366400","type":"` + messageType + `"` + rest + `}`
				}
				for range 2 {
					s.post(p, item(missing))
					s.post(p, item(`,"`+messageType+`":`+content))
				}
				var got []string
				for _, m := range events[schemas.Message](p, s.topic) {
					got = append(got, fmt.Sprint(m.Kind == schemas.KindPlaceholder, *m.Rank == schemas.RankPlaceholder))
				}
				if want := []string{"true true", "false false"}; !slices.Equal(got, want) {
					t.Errorf("%s: %s: placeholders are %v, want %v", shape, item(missing), got, want)
				}
				distinct(t, p, s.topic)
			}
			// With its content, the message is what it says.
			p := newPartition(t)
			s.post(p, `{"wamid":"w1","id":"w1","from":"`+user+`","timestamp":"1772366400","type":"`+messageType+`"`+errors+`,"`+messageType+`":`+content+`}`)
			if got := events[schemas.Message](p, s.topic); len(got) != 1 || *got[0].Rank == schemas.RankPlaceholder {
				t.Errorf("%s: %s with content and errors: %+v", shape, messageType, got)
			}
		}
	}
}

// A copy of an echo has its type and its content in the request that sent it.
func TestCopyOfAnEchoHasItsContentInItsRequest(t *testing.T) {
	for content, want := range map[string]schemas.Rank{`"image":{"id":"1"}`: schemas.RankConcrete, `"image":null`: schemas.RankPlaceholder} {
		p := newPartition(t)
		p.webhook(envelope("standby", value(`"standby":{"message_echoes":[{"id":"w1","timestamp":"1772366400","errors":[{"code":131060}],"message":{"to":"`+user+`","type":"image",`+content+`}}]}`)))
		if got := events[schemas.Message](p, schemas.TopicEchoes); len(got) != 1 || *got[0].Rank != want {
			t.Errorf("%s: %+v, want rank %d", content, got, want)
		}
	}
}

func edit(id, content, at string) string {
	return `{"from":"` + biz + `","to":"` + user + `","id":"` + id + `","timestamp":"` + at + `","type":"edit","edit":{"original_message_id":"w0","message":{"type":"text","text":{"body":"` + content + `"}}}}`
}

func TestEveryEditOfAMessageLeaves(t *testing.T) {
	got, p := twice(t, "echo-edited-twice", schemas.TopicEchoes)
	if len(got) != 2 || got[0].Kind != schemas.KindEdit || *got[1].Rank != schemas.RankEdit {
		t.Fatalf("echoes are %+v", got)
	}
	distinct(t, p, schemas.TopicEchoes)

	items := []string{
		edit("w1", "a", "1772366401"), edit("w1", "b", "1772366402"), edit("w1", "a", "1772366403"), edit("w1", "b", "1772366402"),
		strings.Replace(text("w1"), `"from":"`+user, `"from":"`+biz, 1), // what it replaces is older
		`{"from":"` + biz + `","to":"` + user + `","id":"w1","timestamp":"1772366404","type":"revoke","revoke":{"original_message_id":"w0"}}`,
		edit("w1", "c", "1772366405"),
	}
	want := []string{"edit 1772366401", "edit 1772366402", "edit 1772366403", "revoke 1772366404"}
	for topic, webhook := range map[schemas.Topic]func(i int) string{
		schemas.TopicMessages: func(i int) string { return envelope("messages", value(`"messages":[`+items[i]+`]`)) },
		schemas.TopicEchoes:   func(i int) string { return envelope("smb_message_echoes", value(`"message_echoes":[`+items[i]+`]`)) },
		schemas.TopicHistory: func(i int) string {
			return strings.Replace(chunk(0, i+1, 10*i, "m"), text("m"), items[i], 1)
		},
	} {
		p := newPartition(t)
		for i := range items {
			p.webhook(webhook(i))
			p.restart()
		}
		var got []string
		for _, m := range events[schemas.Message](p, topic) {
			got = append(got, fmt.Sprint(m.Type, " ", m.Timestamp))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", topic, got, want)
		}
		distinct(t, p, topic)
	}
}

const (
	wamidOfPhone = "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQTAxMDIwMzA0MDUwNjA3MDgwOQA="
	wamidOfBSUID = "wamid.HBgLVVMuQ0FTRTM4MDAVAgASGBQzQTAxMDIwMzA0MDUwNjA3MDgwOQA="
	// The same token in a chat with somebody else: a message to a broadcast list.
	wamidOfOther = "wamid.HBgLMTIxMjU1NTc4OTAVAgASGBQzQTAxMDIwMzA0MDUwNjA3MDgwOQA="
)

func TestFollowUpUnderTheOtherWamidJoinsItsPlaceholder(t *testing.T) {
	placeholder := func(order int, thread, wamid string) string {
		c := strings.Replace(chunk(0, order, 10*order, wamid), `"type":"text"`, `"type":"media_placeholder"`, 1)
		return strings.Replace(c, `"id":"`+user+`"`, `"id":"`+thread+`"`, 1)
	}
	followUp := func(wamid string) string {
		return envelope("history", value(`"messages":[{"from_user_id":"US.CASE3800","id":"`+wamid+`","timestamp":"1772300007","type":"image","image":{"id":"1"}}]`))
	}
	for _, pair := range [][2]string{{wamidOfPhone, wamidOfBSUID}, {wamidOfBSUID, wamidOfPhone}} {
		for _, first := range []string{"placeholder", "follow-up"} {
			p := newPartition(t)
			webhooks := []string{placeholder(1, user, pair[0]), followUp(pair[1])}
			if first == "follow-up" {
				slices.Reverse(webhooks)
			}
			for _, w := range webhooks {
				p.webhook(w)
				p.restart()
			}
			if n := len(p.topics[schemas.TopicMedia]); n != 1 {
				t.Errorf("%s first: %d media when both are there", first, n)
			}
			p.tick(p.cfg.Media.Hold + time.Minute)
			p.webhook(followUp(pair[0])) // the same media follow-up
			got := events[schemas.Message](p, schemas.TopicMedia)
			if len(got) != 1 || got[0].Joined == nil || !*got[0].Joined || got[0].Thread != user || got[0].Timestamp != 1772300000 {
				t.Errorf("%s first: media is %+v", first, got)
			}
			const token = "3A010203040506070809"
			placeholders := events[schemas.Message](p, schemas.TopicHistory)
			if len(placeholders) != 1 || placeholders[0].WAMIDToken != token || got[0].WAMIDToken != token {
				t.Errorf("%s first: placeholders are %+v, media %+v: both need the token of their wamids", first, placeholders, got)
			}
		}
	}

}

// Two media follow-ups of one message wait for its placeholder. The one that was received first leaves, for any order
// of processing.
func TestOfTwoFollowUpsThatWaitTheOneReceivedFirstLeaves(t *testing.T) {
	followUp := func(wamid string) string {
		return envelope("history", value(`"messages":[{"from_user_id":"US.CASE3800","id":"`+wamid+`","timestamp":"1772300007","type":"image","image":{"id":"1"}}]`))
	}
	for _, overtaken := range []bool{false, true} {
		p := newPartition(t)
		first, second := p.clock, p.clock.Add(time.Millisecond)
		if overtaken {
			p.clock = second
			p.webhook(followUp(wamidOfBSUID))
			p.clock = first
			p.webhook(followUp(wamidOfPhone))
		} else {
			p.webhook(followUp(wamidOfPhone))
			p.clock = second
			p.webhook(followUp(wamidOfBSUID))
		}
		p.restart()
		p.clock = second.Add(time.Minute)
		p.webhook(strings.Replace(chunk(0, 1, 10, wamidOfPhone), `"type":"text"`, `"type":"media_placeholder"`, 1))
		if got := wamids(events[schemas.Message](p, schemas.TopicMedia)); !slices.Equal(got, []string{wamidOfPhone}) {
			t.Errorf("overtaken %v: media is %v, want that of the asset that was received first", overtaken, got)
		}
	}
}

// A message to a broadcast list has one token in all chats. The token alone does not say whose a follow-up is, but
// the whole wamid does.
func TestMediaOfABroadcastListJoinsEachChatsPlaceholder(t *testing.T) {
	placeholder := func(order int, thread, wamid string) string {
		c := strings.Replace(chunk(0, order, 10*order, wamid), `"type":"text"`, `"type":"media_placeholder"`, 1)
		return strings.Replace(c, `"id":"`+user+`"`, `"id":"`+thread+`"`, 1)
	}
	followUp := func(wamid string) string {
		return envelope("history", value(`"messages":[{"from_user_id":"US.CASE3800","id":"`+wamid+`","timestamp":"1772300007","type":"image","image":{"id":"1"}}]`))
	}
	one, two := placeholder(1, user, wamidOfPhone), placeholder(2, other, wamidOfOther)
	f1, f2, f3 := followUp(wamidOfPhone), followUp(wamidOfOther), followUp(wamidOfBSUID)
	for i, webhooks := range [][]string{{one, two, f3, f1, f2}, {f2, f1, one, two, f3}, {one, f2, f1, two, f3}, {f1, f2, one, two, f3}} {
		for _, restarts := range []bool{false, true} {
			p := newPartition(t)
			for _, w := range webhooks {
				p.webhook(w)
				if restarts {
					p.restart()
				}
			}
			p.tick(p.cfg.Media.Hold + time.Minute)
			got := map[string]string{}
			for _, m := range events[schemas.Message](p, schemas.TopicMedia) {
				got[m.WAMID] = fmt.Sprint(m.Thread, " ", *m.Joined)
			}
			want := map[string]string{wamidOfPhone: user + " true", wamidOfOther: other + " true", wamidOfBSUID: "US.CASE3800 false"}
			if !maps.Equal(got, want) || len(p.topics[schemas.TopicMedia]) != 3 {
				t.Errorf("order %d: media is %v, want %v", i, got, want)
			}
		}
	}

	// A chat that is named otherwise than in the wamid: the whole wamid joins all the same.
	for _, thread := range []string{"US.CASE3800", "12125550000"} {
		p := newPartition(t)
		p.webhook(placeholder(1, thread, wamidOfPhone))
		p.restart()
		p.webhook(f1)
		if got := events[schemas.Message](p, schemas.TopicMedia); len(got) != 1 || !*got[0].Joined || got[0].Thread != thread {
			t.Errorf("thread %s: media is %+v", thread, got)
		}
	}
}

func TestLiveMessageUnderItsOtherWamidIsADuplicate(t *testing.T) {
	p := newPartition(t)
	message := func(wamid, kind string) string {
		return envelope("messages", value(`"messages":[{"from":"`+user+`","id":"`+wamid+`","timestamp":"1772366400","type":"`+kind+`"}]`))
	}
	p.webhook(message(wamidOfPhone, "unsupported"))
	p.webhook(message(wamidOfBSUID, "text"))
	p.restart()
	p.webhook(message(wamidOfPhone, "text"))
	if got := typesOf(events[schemas.Message](p, schemas.TopicMessages)); !slices.Equal(got, []string{"unsupported", "text"}) {
		t.Errorf("messages are %v", got)
	}
	p.webhook(echo(wamidOfPhone, "text", `"text":{"body":"a"}`, p.clock))
	p.webhook(echo(wamidOfBSUID, "text", `"text":{"body":"a"}`, p.clock))
	if got := len(p.topics[schemas.TopicEchoes]); got != 1 {
		t.Errorf("%d echoes, want 1", got)
	}
}

// A message to a broadcast list has one token in all chats. In the past there may be any number of them.
func TestMessagesOfThePastWithOneTokenAllLeave(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 1, 100, wamidOfPhone, wamidOfOther))
	p.webhook(chunk(0, 2, 100, wamidOfOther, wamidOfPhone))
	if got := wamids(events[schemas.Message](p, schemas.TopicHistory)); !slices.Equal(got, []string{wamidOfPhone, wamidOfOther}) {
		t.Errorf("history is %v", got)
	}
}

func TestKindSaysHowToReadAnEvent(t *testing.T) {
	want := map[string]string{
		"text": "message", "reaction": "reaction", "edit": "edit", "revoke": "revoke", "system": "system", "unsupported": "placeholder",
		"media_placeholder": "placeholder", "a_type_of_tomorrow": "message",
	}
	ranks := map[string]schemas.Rank{"edit": schemas.RankEdit, "revoke": schemas.RankRevoke, "unsupported": 0, "media_placeholder": 0}
	p := newPartition(t)
	for kind := range want {
		p.webhook(envelope("messages", value(`"messages":[{"from":"`+user+`","id":"w-`+kind+`","timestamp":"1772366400","type":"`+kind+`"}]`)))
		p.webhook(echo("e-"+kind, kind, `"x":1`, p.clock))
	}
	for _, topic := range []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes} {
		got := events[schemas.Message](p, topic)
		if len(got) != len(want) {
			t.Errorf("%s has %d events", topic, len(got))
		}
		for _, m := range got {
			rank, ok := ranks[m.Type]
			if !ok {
				rank = schemas.RankConcrete
			}
			if m.Kind != want[m.Type] || m.Rank == nil || *m.Rank != rank {
				t.Errorf("%s: a %s is a %q of rank %v", topic, m.Type, m.Kind, m.Rank)
			}
		}
	}
	p.webhook(envelope("messages", value(`"errors":[{"code":131000}]`)))
	all := events[schemas.Message](p, schemas.TopicMessages)
	if last := all[len(all)-1]; last.Kind != schemas.KindError || last.Rank != nil {
		t.Errorf("an error is a %q of rank %v", last.Kind, last.Rank)
	}
}

func TestTimestampsOfAnyUnitAreSeconds(t *testing.T) {
	got, p := twice(t, "message-timestamp-microseconds", schemas.TopicMessages)
	if len(got) != 2 || got[0].Timestamp != 1739230955 || got[1].Timestamp != 1739230956 {
		t.Fatalf("messages are %+v", got)
	}
	if at := p.topics[schemas.TopicMessages][0].headers[schemas.HeaderCETime]; at != "2025-02-10T23:42:35Z" {
		t.Errorf("ce_time is %s", at)
	}
}

func TestTimeOfAnEventIsRFC3339WhateverTheWebhookSays(t *testing.T) {
	for _, stamp := range []string{`"1739230955123456"`, `1739230955123456789`, `"9223372036854775807"`, `"99999999999999999999"`, `-1`, `"-1739230955"`, `0`, `99999999999`, `"x"`, `null`, `1.5`, `253402300800`} {
		p := newPartition(t)
		p.webhook(envelope("messages", value(`"messages":[{"from":"`+user+`","id":"w1","timestamp":`+stamp+`,"type":"text"}],"statuses":[{"id":"w2","status":"sent","timestamp":`+stamp+`,"recipient_id":"`+user+`"}]`)))
		p.webhook(envelope("smb_app_state_sync", value(`"state_sync":[{"type":"contact","contact":{"phone_number":"`+user+`"},"action":"add","metadata":{"timestamp":`+stamp+`}}]`)))
		p.webhook(`{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","time":` + stamp + `,"changes":[{"field":"account_update","value":{"event":"VERIFIED_ACCOUNT"}},{"field":"flows","value":{}}]}]}`)
		n := 0
		for topic, rs := range p.topics {
			for _, r := range rs {
				at, ok := r.headers[schemas.HeaderCETime]
				if !ok {
					continue
				}
				n++
				when, err := time.Parse(time.RFC3339, at)
				if err != nil || when.Year() < 1970 || when.Year() > 9999 {
					t.Errorf("%s: ce_time of %s is %q: %v", stamp, topic, at, err)
				}
			}
		}
		if n != 5 {
			t.Errorf("%s: %d events, want 5", stamp, n)
		}
	}
	// A receipt that no calendar has.
	p := newPartition(t)
	p.clock = time.UnixMilli(1 << 58)
	p.webhook(envelope("messages", value(`"messages":[{"from":"`+user+`","id":"w1","type":"text"}]`)))
	if at := p.topics[schemas.TopicMessages][0].headers[schemas.HeaderCETime]; at != "9999-12-31T23:59:59Z" {
		t.Errorf("ce_time is %s", at)
	}
}

// Every event has the time and the source of its webhook's receipt: also those that waited, and those of a replay.
func TestReceiptAndSourceAreOnEveryEvent(t *testing.T) {
	for _, f := range fixtures.All() {
		p := newPartition(t)
		p.send(string(f.Body))
		p.commit()
		p.restart()
		p.tick(p.cfg.Media.Hold + time.Minute)
		p.tick(p.cfg.History.GapTimeout)
		received := fmt.Sprint(start.UnixMilli())
		p.clock = start.Add(400 * time.Hour)
		p.again("r", 0, p.clock)
		p.commit()
		p.endOfAgain("r", p.clock)
		for topic, rs := range p.topics {
			switch topic {
			case schemas.TopicState, schemas.TopicSyncs, schemas.TopicDLQ, schemas.TopicRerouted:
				continue
			}
			for _, r := range rs {
				if at, source := r.headers[schemas.HeaderReceivedAt], r.headers[schemas.HeaderSource]; at != received || source != "meta" {
					t.Errorf("%s: an event of %s was received at %q by %q, want %s and meta", f.Name, topic, at, source, received)
				}
			}
		}
	}
}

func undatedEvent(event, phone string) string {
	if phone != "" {
		phone = `,"phone_number":"` + phone + `"`
	}
	return `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","changes":[{"field":"account_update","value":{"event":"` + event + `"` + phone + `}}]}]}`
}

func TestAccountEventsWithoutATimeAreToldFromTheirRepetitions(t *testing.T) {
	const otherNumber = "15550009999"
	removed, added := undatedEvent("PARTNER_REMOVED", biz), undatedEvent("PARTNER_ADDED", biz)
	all := undatedEvent("VERIFIED_ACCOUNT", "")
	dated := strings.Replace(added, `"changes"`, `"time":1772366400,"changes"`, 1)
	for name, c := range map[string]struct {
		bodies []string
		want   int
	}{
		"repeated":                    {[]string{removed, removed, removed}, 1},
		"added between":               {[]string{removed, removed, added, added, removed, removed}, 3},
		"with a time between":         {[]string{removed, dated, removed, removed}, 3},
		"of another number between":   {[]string{removed, undatedEvent("PARTNER_REMOVED", otherNumber), removed}, 2},
		"of all numbers between":      {[]string{removed, all, removed}, 3},
		"of a number between others":  {[]string{all, removed, all, all}, 3},
		"with a time, repeated":       {[]string{dated, removed, dated, removed}, 2},
		"of the number in other form": {[]string{removed, undatedEvent("PARTNER_ADDED", "+1 555-078-3881"), removed}, 3},
	} {
		var first []string
		for _, restarts := range []bool{false, true} {
			p := newPartition(t)
			for _, b := range c.bodies {
				p.webhook(b)
				if restarts {
					p.restart()
				}
			}
			var ids []string
			for _, r := range p.topics[schemas.TopicAccount] {
				ids = append(ids, r.headers[schemas.HeaderCEID])
			}
			if len(ids) != c.want {
				t.Errorf("%s: %d events, want %d", name, len(ids), c.want)
			}
			distinct(t, p, schemas.TopicAccount)
			if restarts && !slices.Equal(ids, first) {
				t.Errorf("%s: other ids after restarts", name)
			}
			first = ids

			// A replay of the whole log gives the same ids.
			p.clock = start.Add(time.Hour)
			for i := range c.bodies {
				p.again("r", i, p.clock)
				p.commit()
			}
			p.endOfAgain("r", p.clock)
			var again []string
			for _, r := range p.topics[schemas.TopicAccount][len(ids):] {
				again = append(again, r.headers[schemas.HeaderCEID])
			}
			if !slices.Equal(again, ids) {
				t.Errorf("%s: a replay gives the ids %v, want %v", name, again, ids)
			}
		}
	}
}

// An application may know an event as a field of its own beside account_update: the value names the event in both.
func TestAccountEventUnderTwoFieldsLeavesOnce(t *testing.T) {
	post := func(p *harness, field, at, value string) {
		p.webhook(`{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `"` + at + `,"changes":[{"field":"` + field + `","value":` + value + `}]}]}`)
	}
	const offboarded = `{"event":"ACCOUNT_OFFBOARDED","phone_number":"` + biz + `"}`
	for _, at := range []string{`,"time":1772366400`, ``} {
		for _, fields := range [][]string{{"account_update", "account_offboarded"}, {"account_offboarded", "account_update"}} {
			p := newPartition(t)
			for _, field := range fields {
				post(p, field, at, offboarded)
			}
			if got := events[schemas.Account](p, schemas.TopicAccount); len(got) != 1 {
				t.Errorf("%v at %q: %+v", fields, at, got)
			}
		}
	}
	// Where the field alone says it, it counts.
	p := newPartition(t)
	post(p, "account_offboarded", `,"time":1772366400`, `{"phone_number":"`+biz+`"}`)
	post(p, "account_reconnected", `,"time":1772366400`, `{"phone_number":"`+biz+`"}`)
	if got := events[schemas.Account](p, schemas.TopicAccount); len(got) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestAccountEventsWithoutATimeAreTheSameInEverySpellingOfTheirNumber(t *testing.T) {
	for _, numbers := range [][]string{
		{biz, "+1 555-078-3881"}, {"+" + biz, biz}, {"5521912345678", "552112345678"}, {"552112345678", "+55 21 91234-5678"},
	} {
		p := newPartition(t)
		for _, number := range numbers {
			p.webhook(undatedEvent("PARTNER_REMOVED", number))
		}
		if got := events[schemas.Account](p, schemas.TopicAccount); len(got) != 1 {
			t.Errorf("%v: %+v", numbers, got)
		}
		p.webhook(undatedEvent("PARTNER_REMOVED", "16505550199"))
		if got := events[schemas.Account](p, schemas.TopicAccount); len(got) != 2 {
			t.Errorf("another number behind %v: %+v", numbers, got)
		}
	}
}

func TestLastAccountEventsAreForgottenAfterAWhile(t *testing.T) {
	p := newPartition(t)
	p.webhook(undatedEvent("PARTNER_REMOVED", biz))
	p.webhook(undatedEvent("PARTNER_ADDED", biz))
	keys := func() (n int) {
		live := map[string]bool{}
		for _, r := range p.topics[schemas.TopicState] {
			if strings.HasPrefix(r.key, "e|") {
				live[r.key] = r.value != nil
			}
		}
		for _, there := range live {
			if there {
				n++
			}
		}
		return n
	}
	if keys() != 1 {
		t.Fatalf("%d keys, want 1", keys())
	}
	p.restart()
	p.tick(9 * 24 * time.Hour)
	if keys() != 0 {
		t.Errorf("%d keys after nine days", keys())
	}
}

func TestAccountEventNamesItsNumberWhereItIsKnown(t *testing.T) {
	first := changes(change("messages", `"messages":[`+incoming("m1", "")+`]`))
	second := strings.NewReplacer(phone, "106540352242933", biz, "5511955512345").Replace(first)
	for name, c := range map[string]struct {
		before []string
		lane   string
		event  string
		want   string
	}{
		"nothing known":       {nil, "", undatedEvent("PARTNER_ADDED", biz), ""},
		"by its number":       {[]string{first, second}, "raw.live", undatedEvent("PARTNER_REMOVED", "+1 555-078-3881"), phone},
		"in another spelling": {[]string{first, second}, "raw.live", undatedEvent("PARTNER_REMOVED", "551155512345"), "106540352242933"},
		"the whole account":   {[]string{second}, "raw.live", undatedEvent("PARTNER_REMOVED", ""), ""},
		"another number":      {[]string{second}, "raw.live", undatedEvent("PARTNER_REMOVED", biz), ""},
		// The lanes are read at different speeds: a replay would know the number sooner, or later.
		"by the other lane": {[]string{first, chunk(0, 1, 100, "m1")}, "raw.bulk", undatedEvent("PARTNER_REMOVED", biz), ""},
		"in the metadata": {nil, "", strings.Replace(undatedEvent("PARTNER_REMOVED", biz), `"event"`,
			`"metadata":{"phone_number_id":"`+phone+`"},"event"`, 1), phone},
	} {
		p := newPartition(t)
		for i, b := range c.before {
			p.labels[len(p.raw)] = fmt.Sprintf("%s/0/%d", c.lane, i)
			p.webhook(b)
		}
		p.restart()
		p.webhook(c.event)
		got := events[schemas.Account](p, schemas.TopicAccount)
		if len(got) != 1 || got[0].PhoneNumberID != c.want {
			t.Errorf("%s: account events are %+v, want phone_number_id %q", name, got, c.want)
		}
	}
}

// Two ids of one WABA may have one display number: Meta's, and YCloud's, which is that number. A restart must not decide.
func TestAccountEventOfTwoNumbersWithOneSpellingNamesTheSameAlways(t *testing.T) {
	for range 20 {
		p := newPartition(t)
		for i, id := range []string{biz, phone} {
			p.labels[i] = fmt.Sprintf("raw.live/0/%d", i)
			p.webhook(strings.ReplaceAll(changes(change("messages", `"messages":[`+incoming(id, "")+`]`)), phone, id))
		}
		p.restart()
		p.webhook(undatedEvent("PARTNER_REMOVED", biz))
		if got := events[schemas.Account](p, schemas.TopicAccount); len(got) != 1 || got[0].PhoneNumberID != phone {
			t.Fatalf("account events are %+v, want phone_number_id %q", got, phone)
		}
	}
}

// A webhook takes missing fields from webhooks that were received before it, for any order of the lanes.
func TestDisplayNumberOfAWebhookThatLacksItIsThatOfOneReceivedBefore(t *testing.T) {
	without := strings.Replace(chunk(0, 1, 50, "m1"), `"display_phone_number":"`+biz+`",`, "", 1)
	other := strings.Replace(chunk(0, 2, 100, "m2"), biz, "5511955512345", 1)
	for _, c := range []struct {
		name  string
		order []string
		at    []time.Duration
		want  string // of m1
	}{
		{"received before, read before", []string{other, without}, []time.Duration{0, time.Minute}, "5511955512345"},
		{"received later, read before", []string{other, without}, []time.Duration{time.Minute, 0}, ""},
		{"one of each", []string{chunk(1, 1, 100, "m3"), other, without}, []time.Duration{2 * time.Minute, 0, time.Minute}, "5511955512345"},
		{"two before", []string{chunk(1, 1, 100, "m3"), other, without}, []time.Duration{time.Minute, 0, 2 * time.Minute}, "5511955512345"},
	} {
		for _, restarts := range []bool{false, true} {
			p := newPartition(t)
			for i, b := range c.order {
				p.clock = start.Add(c.at[i])
				p.webhook(b)
				if restarts {
					p.restart()
				}
			}
			p.tick(2 * time.Hour)
			for _, m := range events[schemas.Message](p, schemas.TopicHistory) {
				want := map[string]string{"m1": c.want, "m2": "5511955512345", "m3": biz}[m.WAMID]
				if m.DisplayPhoneNumber != want {
					t.Errorf("%s: %s has the display number %q, want %q", c.name, m.WAMID, m.DisplayPhoneNumber, want)
				}
			}
			if n := len(p.topics[schemas.TopicHistory]); n != len(c.order) {
				t.Errorf("%s: %d events", c.name, n)
			}
		}
	}
}

// contactsAfter is the table after bodies that are delivered one after the other, and then again.
func contactsAfter(t *testing.T, restarts bool, bodies ...string) map[string]schemas.ContactState {
	t.Helper()
	p := newPartition(t)
	deliver := func(b string) {
		p.webhook(b)
		p.clock = p.clock.Add(time.Second)
		if restarts {
			p.restart()
		}
	}
	for _, b := range bodies {
		deliver(b)
	}
	table := p.table()
	for _, b := range bodies {
		deliver(b)
	}
	if again := p.table(); !maps.EqualFunc(again, table, func(a, b schemas.ContactState) bool { return string(a.Original) == string(b.Original) }) {
		t.Errorf("delivered again, the table is %v instead of %v", again, table)
	}
	// A replay into the same topics changes nothing either, nor does one into others.
	written := len(p.topics[schemas.TopicContacts])
	for i := range bodies {
		p.again("r", i, p.clock)
		p.commit()
	}
	p.endOfAgain("r", p.clock)
	if got := len(p.topics[schemas.TopicContacts]); got != written {
		t.Errorf("a replay wrote %d records", got-written)
	}
	return table
}

func TestLaterChangeOfOneSecondIsTheContact(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		table := contactsAfter(t, restarts, body("contacts-one-second"))
		if len(table) != 1 || table[phone+"/"+user].FirstName != "Pablo" {
			t.Errorf("contacts-one-second: the table is %v", table)
		}
		if table := contactsAfter(t, restarts, body("contacts-without-timestamp")); len(table) != 1 || table[phone+"/"+user].FirstName != "Paula" {
			t.Errorf("contacts-without-timestamp: the table is %v", table)
		}
		table = contactsAfter(t, restarts, body("contacts-other-spelling"))
		if len(table) != 1 || table[phone+"/525555551234"].FirstName != "Carla" {
			t.Errorf("contacts-other-spelling: the table is %v", table)
		}
		// In webhooks of their own, in the order of receipt.
		item := func(action, name string) string {
			return envelope("smb_app_state_sync", value(`"state_sync":[{"type":"contact","contact":{"full_name":"`+name+`","phone_number":"`+user+`"},"action":"`+action+`","metadata":{"timestamp":"1739321024"}}]`))
		}
		for last := range 4 {
			var bodies []string
			for i := range 4 {
				bodies = append(bodies, item([]string{"add", "remove"}[(i+last)%2], fmt.Sprint("Name ", i)))
			}
			table := contactsAfter(t, restarts, bodies...)
			if _, there := table[phone+"/"+user]; there != ((3+last)%2 == 0) || len(table) > 0 && table[phone+"/"+user].FullName != "Name 3" {
				t.Errorf("after %v the table is %v", bodies, table)
			}
		}
	}
}

// The order of arrival is the order of the webhooks' receipt, for any order of processing.
func TestContactThatOvertookAnotherGivesWayToIt(t *testing.T) {
	p := newPartition(t)
	item := func(name string) string {
		return envelope("smb_app_state_sync", value(`"state_sync":[{"type":"contact","contact":{"full_name":"`+name+`","phone_number":"`+user+`"},"action":"add","metadata":{"timestamp":"1739321024"}}]`))
	}
	p.raw = []rawRecord{{[]byte(item("Old")), start}, {[]byte(item("New")), start.Add(time.Second)}, {[]byte(item("Newest")), start.Add(time.Second)}}
	for _, i := range []int{1, 0, 2} {
		p.feed(i)
		p.commit()
		p.restart()
	}
	if got := p.table()[phone+"/"+user].FullName; got != "Newest" {
		t.Errorf("the contact is %q", got)
	}
}

// A change that was rerouted has the place in the body that the ingress wrote.
func TestReroutedContactsKeepTheirPlaceInTheOrder(t *testing.T) {
	for _, names := range [][2]string{{"first", "second"}, {"second", "first"}} {
		p := newPartition(t)
		for i, label := range []string{"raw.live/3/17#0.1", "raw.live/3/17#0.0"} {
			name := names[1-i]
			p.raw = append(p.raw, rawRecord{[]byte(envelope("smb_app_state_sync", value(`"state_sync":[{"type":"contact","contact":{"full_name":"`+name+`","phone_number":"`+user+`"},"action":"add","metadata":{"timestamp":"1739321024"}}]`))), start})
			p.labels[i] = label
			p.feed(i)
			p.commit()
		}
		if got := p.table()[phone+"/"+user].FullName; got != names[1] {
			t.Errorf("the contact is %q, want %q", got, names[1])
		}
	}
}

// docs/webhooks.md, D17: two WABAs are of one partition by chance.
func TestMessageOfANumberUnderTwoWABAsLeavesOfEach(t *testing.T) {
	const second = "102290129340399"
	for name, body := range map[string]string{
		"message": envelope("messages", value(`"messages":[{"from":"`+user+`","id":"x","timestamp":"1772366400","type":"text"}]`)),
		"echo":    envelope("messages", value(`"message_echoes":[{"to":"`+user+`","id":"x","timestamp":"1772366400","type":"text"}]`)),
		"status":  envelope("messages", value(`"statuses":[{"id":"x","status":"sent","timestamp":"1772366400","recipient_id":"`+user+`"}]`)),
		"error":   envelope("messages", value(`"errors":[{"code":1}]`)),
		"edit":    envelope("messages", value(`"message_echoes":[{"to":"`+user+`","id":"x","timestamp":"1772366400","type":"edit","edit":{}}]`)),
		"past":    chunk(0, 1, 100, "x"),
		"asset":   envelope("history", value(`"messages":[{"from":"`+user+`","id":"x","timestamp":"1772366400","type":"image"}]`)),
	} {
		p := newPartition(t)
		for range 2 {
			p.webhook(body)
			p.webhook(strings.Replace(body, waba, second, 1))
			p.restart()
		}
		p.tick(p.cfg.Media.Hold + time.Minute)
		var of []string
		for _, topic := range []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes, schemas.TopicHistory, schemas.TopicMedia} {
			for _, m := range events[schemas.Message](p, topic) {
				of = append(of, m.WABAID)
			}
		}
		slices.Sort(of)
		if !slices.Equal(of, []string{waba, second}) {
			t.Errorf("%s: events of %q", name, of)
		}
	}
}

// docs/webhooks.md, D21: a proxy, or a sender's second attempt, may format a body anew. It says the same.
func TestWhiteSpaceMakesNoOtherEvent(t *testing.T) {
	bodies := map[string]string{
		"a message without a wamid": envelope("messages", value(`"messages":[{"from":"`+user+`","timestamp":"1772366400","type":"text","text":{"body":"a  \" b"}}]`)),
		"an error":                  envelope("messages", value(`"errors":[{"code":131000,"title":"t"}]`)),
		"an error of a history":     envelope("history", value(`"errors":[{"code":131000,"title":"t"}]`)),
		"an error beside a value":   besideValue("history", value(`"history":[]`), `"error":{"code":131000,"title":"t"}`),
		"an error of a chunk":       envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":1},"errors":[{"code":131000}]}]`)),
		"a chunk without wamids":    envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":1},"threads":[{"id":"`+user+`","messages":[{"from":"`+user+`","timestamp":"1740000000","type":"text"}]}]}]`)),
	}
	for _, f := range fixtures.All() {
		bodies[f.Name] = string(f.Body)
	}
	for name, body := range bodies {
		text := []byte(strings.TrimPrefix(body, "\ufeff"))
		var compact, indented bytes.Buffer
		if err := errors.Join(json.Compact(&compact, text), json.Indent(&indented, text, "", " \t")); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ids := func(bodies ...string) map[string]int {
			p := newPartition(t)
			for _, b := range bodies {
				p.webhook(b)
				p.tick(time.Second)
			}
			p.tick(time.Hour)
			n := map[string]int{}
			for topic, rs := range p.topics {
				if topic == schemas.TopicState || topic == schemas.TopicSyncs || topic == schemas.TopicDLQ {
					continue // they tell again
				}
				for _, r := range rs {
					n[topic.String()+" "+r.headers[schemas.HeaderCEID]]++
				}
			}
			return n
		}
		want := ids(compact.String())
		if got := ids(indented.String()); !maps.Equal(got, want) {
			t.Errorf("%s: indented it has the ids %v, compact %v", name, got, want)
		}
		if got := ids(compact.String(), indented.String()); !maps.Equal(got, want) {
			t.Errorf("%s: delivered compact and indented it has the ids %v, want %v", name, got, want)
		}
	}
}
