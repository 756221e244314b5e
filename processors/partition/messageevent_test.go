package partition_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

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

func TestUnsupportedIsFollowedByTheRealMessageWithTheSameWamid(t *testing.T) {
	p := newPartition(t)
	message := func(body string) string {
		return envelope("messages", value(`"contacts":[{"profile":{"name":"P"},"wa_id":"`+user+`"}],"messages":[{"from":"`+user+`","id":"w1","timestamp":"1772366400",`+body+`}]`))
	}
	unsupported := message(`"type":"unsupported","errors":[{"code":131060,"title":"This message is currently unavailable"}]`)
	real := message(`"type":"text","text":{"body":"hello"}`)
	p.webhook(unsupported)
	p.webhook(real)
	p.webhook(unsupported)
	p.webhook(real)
	got := events[schemas.Message](p, schemas.TopicMessages)
	if len(got) != 2 || got[0].Type != "unsupported" || got[1].Type != "text" || len(got[1].Profiles) == 0 {
		t.Fatalf("messages are %+v", got)
	}
}

// An item that lacks what its kind always has leaves, as an event that the schemas take.
func TestItemWithoutItsPropertiesIsAValidEvent(t *testing.T) {
	for _, item := range []string{`{}`, `{"status":7,"type":7,"id":7,"from":{},"timestamp":{},"action":7}`, `{"status":"","type":"","id":"","from":"","recipient_id":"","timestamp":"","action":""}`} {
		p := newPartition(t) // which holds each event against its schema
		p.webhook(envelope("messages", value(`"messages":[`+item+`],"statuses":[`+item+`],"errors":[`+item+`],"contacts":[`+item+`]`)))
		p.webhook(envelope("smb_message_echoes", value(`"message_echoes":[`+item+`]`)))
		p.webhook(envelope("history", value(`"history":[{"threads":[{"messages":[`+item+`]}]}],"messages":[`+item+`]`)))
		p.webhook(envelope("smb_app_state_sync", value(`"state_sync":[`+item+`]`)))
		p.webhook(envelope("account_update", item))
		p.webhook(envelope("messaging_handovers", value(`"x":1`)))
		p.tick(time.Hour)
		p.tick(time.Hour)
		for topic, want := range map[schemas.Topic]int{schemas.TopicMessages: 4, schemas.TopicEchoes: 1, schemas.TopicHistory: 1, schemas.TopicMedia: 1, schemas.TopicOther: 1, schemas.TopicAccount: 1, schemas.TopicDLQ: 0} {
			if n := len(p.topics[topic]); n != want {
				t.Errorf("%s: %d events on %s, want %d", item, n, topic, want)
			}
		}
	}
}
