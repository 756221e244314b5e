package merge_test

import (
	"encoding/json"
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

func TestAssetUnderTheOtherWAMIDJoinsItsPlaceholder(t *testing.T) {
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
