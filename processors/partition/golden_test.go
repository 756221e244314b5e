package partition_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

var update = flag.Bool("update", false, "rewrite testdata/golden.txt; read the difference before it is kept")

// TestEveryGoldenWebhookYieldsItsEvents pins how many records of each topic result from each golden webhook, except
// `state`. None may vanish, and none may appear twice or elsewhere.
func TestEveryGoldenWebhookYieldsItsEvents(t *testing.T) {
	const file = "testdata/golden.txt"
	var got strings.Builder
	for _, f := range fixtures.All() {
		p := newPartition(t)
		p.webhook(string(f.Body))
		p.tick(p.cfg.Media.Hold + time.Minute) // follow-ups without a placeholder leave
		got.WriteString(f.Name + ":")
		for _, topic := range schemas.Topics() {
			if n := len(p.topics[topic]); n > 0 && topic != schemas.TopicState {
				fmt.Fprintf(&got, " %s=%d", topic, n)
			}
		}
		got.WriteString("\n")
	}
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, lines := strings.Split(string(golden), "\n"), strings.Split(got.String(), "\n")
	for _, line := range lines {
		if !slices.Contains(want, line) {
			t.Errorf("%s has no line %q", file, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(lines, line) {
			t.Errorf("%s has %q, which did not come", file, line)
		}
	}
}

// played returns the events of a topic that result from one golden webhook, received when its echoes were written.
// Older echoes may be media of the past, which wait for their placeholder. A later phase is waited for.
func played(t *testing.T, name string, topic schemas.Topic) []schemas.Message {
	t.Helper()
	p := newPartition(t)
	p.clock = time.Unix(1739400300, 0)
	p.webhook(string(fixtures.Named(name).Body))
	p.tick(historyOf(&p.cfg).GapTimeout)
	return events[schemas.Message](p, topic)
}

func typesOf(ms []schemas.Message) []string {
	out := make([]string, len(ms))
	for i := range ms {
		out[i] = ms[i].Type
	}
	return out
}

func TestEchoesOfEveryTypeLeave(t *testing.T) {
	want := []string{"text", "image", "video", "audio", "document", "sticker", "location", "contacts"}
	if got := typesOf(played(t, "echo-message-types", schemas.TopicEchoes)); !slices.Equal(got, want) {
		t.Errorf("echoes are of types %v, want %v", got, want)
	}
}

func TestHistoryOfEveryTypeLeaves(t *testing.T) {
	want := []string{"text", "image", "video", "audio", "document", "sticker", "location", "contacts", "reaction",
		"interactive", "template", "media_placeholder", "unsupported", "revoke", "edit"}
	if got := typesOf(played(t, "history-message-types", schemas.TopicHistory)); !slices.Equal(got, want) {
		t.Errorf("history is of types %v, want %v", got, want)
	}
}

func TestErrorsAndCreationTypeOfAnEchoStayVerbatim(t *testing.T) {
	const name = "echo-errors-and-creation-type"
	got := played(t, name, schemas.TopicEchoes)
	if len(got) != 1 || got[0].Type != "unsupported" {
		t.Fatalf("echoes are %+v", got)
	}
	body := string(fixtures.Named(name).Body)
	original := string(got[0].Original)
	for _, part := range []string{`"message_creation_type": "created_by_1p_bot"`, `"code": 131060`, `"title": "This message is currently unavailable."`,
		`"details": "This message is unavailable because the sender or recipient is using an unsupported companion device."`} {
		if !strings.Contains(original, part) {
			t.Errorf("original lacks %s:\n%s", part, original)
		}
	}
	if !strings.Contains(body, original) {
		t.Errorf("original is not a piece of the webhook, byte for byte:\n%s", original)
	}
}

// 360dialog sends history and contacts to the partner URL, in an envelope of its own. The URL of a number receives
// Meta's envelope.
func TestEchoAtTheNumberURLOf360DialogIsAnEcho(t *testing.T) {
	p := newPartition(t)
	p.webhook(string(fixtures.Named("360dialog-echo-number-url").Body))
	got := events[schemas.Message](p, schemas.TopicEchoes)
	if len(got) != 1 {
		t.Fatalf("echoes are %+v", got)
	}
	e := got[0]
	if e.WABAID != waba || e.PhoneNumberID != phone || e.Direction != schemas.DirectionOutbound || e.From != biz || e.To != user ||
		e.Thread != user || e.Type != "text" || e.Timestamp != 1739400000 || e.Historical || !strings.Contains(string(e.Original), `"On my way"`) {
		t.Errorf("echo is %+v", e)
	}
	if key := p.topics[schemas.TopicEchoes][0].key; key != phone+"/"+user {
		t.Errorf("key is %q", key)
	}
}

func TestUserWithoutAPhoneNumberIsKeyedByItsBSUIDOnLiveTopics(t *testing.T) {
	const bsuid = "US.13491208655302741918"
	for _, c := range []struct {
		fixture   string
		topic     schemas.Topic
		direction string
		from, to  string
		contact   bool
	}{
		{"message-bsuid", schemas.TopicMessages, schemas.DirectionInbound, bsuid, "", true},
		{"echo-bsuid", schemas.TopicEchoes, schemas.DirectionOutbound, biz, bsuid, true}, // to is empty, to_user_id is there
		{"status-bsuid", schemas.TopicMessages, schemas.DirectionOutbound, "", bsuid, false},
	} {
		p := newPartition(t)
		p.webhook(string(fixtures.Named(c.fixture).Body))
		got := events[schemas.Message](p, c.topic)
		if len(got) != 1 {
			t.Errorf("%s: %s has %+v", c.fixture, c.topic, got)
			continue
		}
		m := got[0]
		if m.Thread != bsuid || m.Direction != c.direction || m.From != c.from || m.To != c.to {
			t.Errorf("%s: thread %q, direction %s, from %q, to %q", c.fixture, m.Thread, m.Direction, m.From, m.To)
		}
		if c.contact && (m.Contact == nil || m.Contact.UserID != bsuid || m.Contact.WaID != "") {
			t.Errorf("%s: contact is %+v", c.fixture, m.Contact)
		}
		if key := p.topics[c.topic][0].key; key != phone+"/"+bsuid {
			t.Errorf("%s: key is %q", c.fixture, key)
		}
	}
}
