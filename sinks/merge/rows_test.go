package merge_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks/merge"
)

func rowsOf(t *testing.T, ceType string, topic schemas.Topic, messages ...*schemas.Message) *merge.Rows {
	t.Helper()
	rows := merge.NewRows()
	for i, m := range messages {
		e, err := event.Value(ceType, m.AppendJSON(nil))
		if err != nil {
			t.Fatal(err)
		}
		e.Topic, e.ID, e.ReceivedAt = topic, "id", 1_772_366_400_000
		rows.Add(&e, merge.Place{Offset: int64(i)})
	}
	return rows
}

func TestMediaFollowUpUnderTheOtherWAMIDJoinsItsPlaceholder(t *testing.T) {
	const (
		placeholder = "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQTAxMDIwMzA0MDUwNjA3MDgwOQA="
		followUp    = "wamid.HBgXVVMuMTM0OTEyMDg2NTUzMDI3NDE5MTgVAgASGBQzQTAxMDIwMzA0MDUwNjA3MDgwOQA="
	)
	yes, no := true, false
	for _, tt := range []struct {
		name   string
		thread string
		joined *bool
		want   string
	}{
		{"joined", "16505551234", &yes, placeholder},
		{"not joined", "16505551234", &no, followUp},
		{"joined in a chat without a number", "US.13491208655302741918", &yes, followUp},
	} {
		rows := rowsOf(t, schemas.TypeMedia, schemas.TopicMedia, &schemas.Message{
			WABAID: "1", PhoneNumberID: "2", WAMID: followUp, Thread: tt.thread, Direction: "inbound", Historical: true, Joined: tt.joined, Type: "image", Original: json.RawMessage(`{}`),
		})
		if m := rows.Messages[merge.MessageKey{Number: "2", WAMID: tt.want}]; m == nil || m.Media.Type != "image" {
			t.Errorf("%s: rows %+v", tt.name, rows.Messages)
		}
	}
}

func TestOlderRecordsWithoutAKindAreUnderstood(t *testing.T) {
	for messageType, want := range map[string]string{"text": schemas.KindMessage, "unsupported": schemas.KindPlaceholder, "media_placeholder": schemas.KindPlaceholder, "system": schemas.KindSystem} {
		rows := rowsOf(t, schemas.TypeMessage, schemas.TopicMessages, &schemas.Message{WABAID: "1", PhoneNumberID: "2", WAMID: "w", Direction: "inbound", Type: messageType, Original: json.RawMessage(`{}`)})
		if m := rows.Messages[merge.MessageKey{Number: "2", WAMID: "w"}]; m == nil || m.Content.Kind != want {
			t.Errorf("type %s: %+v, want kind %s", messageType, m, want)
		}
	}
}

func TestAnUnknownKindIsShown(t *testing.T) {
	rows := rowsOf(t, schemas.TypeMessage, schemas.TopicMessages, &schemas.Message{WABAID: "1", PhoneNumberID: "2", WAMID: "w", Kind: "poll", Direction: "inbound", Original: json.RawMessage(`{}`)})
	if m := rows.Messages[merge.MessageKey{Number: "2", WAMID: "w"}]; m == nil || !m.Visible() || m.Content.Kind != "poll" {
		t.Errorf("row %+v", m)
	}
}

func TestTextsAreCleanAndOriginalsVerbatim(t *testing.T) {
	const original = `{"type":"text","text":{"body":"a\u0000b\u001bc\n\ud800"}}`
	rows := rowsOf(t, schemas.TypeMessage, schemas.TopicMessages, &schemas.Message{
		WABAID: "1", PhoneNumberID: "2", WAMID: "w\x00", Direction: "inbound", Thread: "5511987654321", Type: "text", Original: json.RawMessage(original),
	})
	m := rows.Messages[merge.MessageKey{Number: "2", WAMID: "w"}]
	if m == nil || m.Content.Text != "abc\n\ufffd" || m.Content.Original != original {
		t.Fatalf("row %+v", m)
	}
	if m.Content.Chat != "551187654321" || m.Content.Thread != "5511987654321" {
		t.Errorf("chat %s of thread %s", m.Content.Chat, m.Content.Thread)
	}
	if m.Content.At != 0 || m.Content.SortAt != 1_772_366_400 {
		t.Errorf("at %d, sorted at %d", m.Content.At, m.Content.SortAt)
	}
}

func TestNothingWithoutAPlaceIsLost(t *testing.T) {
	rows := rowsOf(t, schemas.TypeMessage, schemas.TopicMessages,
		&schemas.Message{WABAID: "1", PhoneNumberID: "2", Kind: "message", Direction: "inbound", Type: "text", Original: json.RawMessage(`{"text":{"body":"x"}}`)})
	if n := rows.Notes["id"]; n == nil || n.Kind != "message" || n.Text != "x" || n.Topic != "messages" {
		t.Errorf("note %+v", n)
	}
	rows = rowsOf(t, schemas.TypeMessage, schemas.TopicMessages,
		&schemas.Message{WABAID: "1", PhoneNumberID: "2", WAMID: "w", Kind: "reaction", Direction: "inbound", Type: "reaction", Original: json.RawMessage(`{"reaction":{}}`)})
	if n := rows.Notes["id"]; n == nil || n.Kind != "reaction" {
		t.Errorf("note %+v", n)
	}
}

func TestControlCharactersLeaveTextsButForLineEndsAndTabs(t *testing.T) {
	text := "\t\n a\u007e" // stays
	for _, r := range []rune{0, 1, 8, 11, 13, 27, 31, 0x7f, 0x80, 0x85, 0x9f} {
		text += string(r)
	}
	text += "\u00a0é\u2028😀" // stays
	original, err := json.Marshal(map[string]any{"text": map[string]string{"body": text}})
	if err != nil {
		t.Fatal(err)
	}
	rows := rowsOf(t, schemas.TypeMessage, schemas.TopicMessages, &schemas.Message{WABAID: "1", PhoneNumberID: "2", WAMID: "w", Direction: "inbound", Type: "text", Original: original})
	if m := rows.Messages[merge.MessageKey{Number: "2", WAMID: "w"}]; m == nil || m.Content.Text != "\t\n a\u007e\u00a0é\u2028😀" {
		t.Errorf("row %+v", m)
	}
}

func TestAChangeOfAnUnknownFieldAndAnAccountEventAreNotes(t *testing.T) {
	const receivedMS = 1_772_366_400_123
	for _, tt := range []struct {
		name  string
		event event.Event
		want  merge.Note
	}{
		{"another field", event.Event{Topic: schemas.TopicOther, Other: &schemas.Other{WABAID: "1", PhoneNumberID: "2", Field: "new\x00", Original: json.RawMessage(`{"a":1}`)}},
			merge.Note{Topic: "other", Kind: "new", WABA: "1", Number: "2", At: receivedMS / 1000, Original: `{"a":1}`}},
		{"an account event", event.Event{Topic: schemas.TopicAccount, Account: &schemas.Account{WABAID: "1", PhoneNumber: "15550783881", Event: "PARTNER_REMOVED", Time: 1_700_000_000, Original: json.RawMessage(`{}`)}},
			merge.Note{Topic: "account", Kind: "PARTNER_REMOVED", WABA: "1", Display: "15550783881", At: 1_700_000_000, Original: `{}`}},
		{"an account event without a time", event.Event{Topic: schemas.TopicAccount, Account: &schemas.Account{WABAID: "1", Event: "PARTNER_ADDED", Original: json.RawMessage(`{}`)}},
			merge.Note{Topic: "account", Kind: "PARTNER_ADDED", WABA: "1", At: receivedMS / 1000, Original: `{}`}},
	} {
		tt.event.ID, tt.event.ReceivedAt = "id", receivedMS
		rows := merge.NewRows()
		rows.Add(&tt.event, merge.Place{})
		n := rows.Notes["id"]
		if n == nil {
			t.Errorf("%s: no note", tt.name)
			continue
		}
		tt.want.ID, tt.want.Order = "id", n.Order
		if *n != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, *n, tt.want)
		}
		if rows.Businesses["1"] == nil {
			t.Errorf("%s: the business is not known", tt.name)
		}
	}
}

// both adds two events in each order, and gives the rows, which have to be the same.
func both(t *testing.T, first, second *event.Event) *merge.Rows {
	t.Helper()
	one, other := merge.NewRows(), merge.NewRows()
	one.Add(first, merge.Place{Offset: 1})
	one.Add(second, merge.Place{Offset: 2})
	other.Add(second, merge.Place{Offset: 2})
	other.Add(first, merge.Place{Offset: 1})
	if !reflect.DeepEqual(one, other) {
		t.Errorf("two orders, two outcomes: %+v and %+v", one, other)
	}
	return one
}

// removal is a record of contacts that took a row away.
func removal(id, key string, h event.ContactHeaders) *event.Event {
	return &event.Event{Headers: event.Headers{ID: id, Type: schemas.TypeContactRemoved, Contact: h}, Topic: schemas.TopicContacts, Key: []byte(key)}
}

func TestARemovedContactKeepsItsLinks(t *testing.T) {
	for _, tt := range []struct {
		name, key   string
		headers     event.ContactHeaders
		phone, user string
	}{
		{"of both ids", "2/16505551234", event.ContactHeaders{Action: "remove", Phone: "16505551234", User: "US.1"}, "16505551234", "US.1"},
		{"of a number that is linked", "2/16505551234", event.ContactHeaders{Action: "merge", Phone: "16505551234", Linked: "US.1"}, "16505551234", "US.1"},
		{"of a user id that is linked", "2/US.1", event.ContactHeaders{Action: "merge", User: "US.1", Linked: "16505551234"}, "16505551234", "US.1"},
		{"of both ids, and another is linked", "2/16505551234", event.ContactHeaders{Action: "remove", Phone: "16505551234", User: "US.1", Linked: "US.2"}, "16505551234", "US.1"},
		{"of a number alone", "2/16505551234", event.ContactHeaders{Action: "remove", Phone: "16505551234"}, "16505551234", ""},
	} {
		rows := merge.NewRows()
		rows.Add(removal("id", tt.key, tt.headers), merge.Place{})
		link := func(id string) string {
			if c := rows.Contacts[merge.ContactKey{Number: "2", ID: id}]; c != nil {
				return c.Link.ID
			}
			return ""
		}
		want := tt.phone
		if tt.user == "" {
			want = ""
		}
		if link(tt.phone) != tt.user || link(tt.user) != want {
			t.Errorf("%s: %q is linked to %q, %q to %q", tt.name, tt.phone, link(tt.phone), tt.user, link(tt.user))
		}
		if removed := rows.Contacts[merge.ContactKey{Number: "2", ID: tt.key[2:]}]; removed == nil || !removed.Book.Removed {
			t.Errorf("%s: %+v is not removed", tt.name, removed)
		}
	}
}

func TestRemovalsOfOneTimeLinkTheSameInEachOrder(t *testing.T) {
	one := removal("one", "2/16505551234", event.ContactHeaders{Action: "remove", TimestampMS: 5000, Phone: "16505551234", User: "US.1"})
	two := removal("two", "2/16505551234", event.ContactHeaders{Action: "remove", TimestampMS: 5000, Phone: "16505551234", User: "US.2"})
	both(t, one, two)
}

func TestAnAssetThatCanBeShownStandsAgainstALaterOneThatCannot(t *testing.T) {
	asset := func(messageType string, rank schemas.Rank, at int64) *event.Event {
		m := &schemas.Message{WABAID: "1", PhoneNumberID: "2", WAMID: "w", Direction: "inbound", Historical: true, Type: messageType, Rank: &rank, Timestamp: at, Original: json.RawMessage(`{}`)}
		return &event.Event{Headers: event.Headers{ID: messageType, Type: schemas.TypeMedia}, Topic: schemas.TopicMedia, Message: m, Value: []byte(messageType)}
	}
	for _, tt := range []struct {
		one, two *event.Event
		want     string
	}{
		{asset("image", schemas.RankConcrete, 1000), asset("unsupported", schemas.RankPlaceholder, 2000), "image"},
		{asset("unsupported", schemas.RankPlaceholder, 1000), asset("image", schemas.RankConcrete, 2000), "image"},
		{asset("image", schemas.RankConcrete, 1000), asset("video", schemas.RankConcrete, 2000), "video"},
		{asset("unsupported", schemas.RankPlaceholder, 1000), asset("unknown", schemas.RankPlaceholder, 2000), "unknown"},
	} {
		rows := both(t, tt.one, tt.two)
		if m := rows.Messages[merge.MessageKey{Number: "2", WAMID: "w"}]; m == nil || m.Media.Type != tt.want {
			t.Errorf("%s and %s: %+v, want %s", tt.one.ID, tt.two.ID, m, tt.want)
		}
	}
}
