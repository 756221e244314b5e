package app

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

func record(topic schemas.Topic, key, value string, headers ...string) *kgo.Record {
	r := &kgo.Record{Topic: topic.Name("coex."), Partition: 2, Offset: 7, Key: []byte(key), Timestamp: time.Unix(1700000000, 0)}
	if value != "" {
		r.Value = []byte(value)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

const messageValue = `{"waba_id":"1001","phone_number_id":"2001","display_phone_number":"+1 555-0100","thread":"15550002","direction":"inbound","timestamp":1700000000,"type":"text","historical":false,"original":{"type":"text","text":{"body":"Hello\nthere"}}}`

func TestTailFiltersByBusinessNumberAndThread(t *testing.T) {
	message := readEntry(record(schemas.TopicMessages, "2001/15550002", messageValue), "coex.")
	tombstone := readEntry(record(schemas.TopicContacts, "2001/15550002", ""), "coex.")
	raw := readEntry(record(schemas.TopicRawLive, "1001", `{"entry":[{"id":"1001","x":"2001 15550002"}]}`), "coex.")
	for _, tt := range []struct {
		name  string
		entry *entry
		f     tailFilter
		want  bool
	}{
		{"no filter", message, tailFilter{}, true},
		{"its business", message, tailFilter{waba: "1001"}, true},
		{"another business", message, tailFilter{waba: "1002"}, false},
		{"its number's id", message, tailFilter{number: "2001"}, true},
		{"its number's digits", message, tailFilter{number: "15550100"}, true},
		{"its number as shown", message, tailFilter{number: "+1 555-0100"}, true},
		{"another number", message, tailFilter{number: "2002"}, false},
		{"a number without digits", message, tailFilter{number: "abc"}, false},
		{"its thread", message, tailFilter{thread: "15550002"}, true},
		{"another thread", message, tailFilter{thread: "15550003"}, false},
		{"all at once", message, tailFilter{"1001", "2001", "15550002"}, true},
		{"one of them wrong", message, tailFilter{"1001", "2001", "15550003"}, false},
		{"tombstone by number", tombstone, tailFilter{number: "2001"}, true},
		{"tombstone by contact", tombstone, tailFilter{thread: "15550002"}, true},
		{"tombstone of another contact", tombstone, tailFilter{thread: "15550003"}, false},
		{"raw by key", raw, tailFilter{waba: "1001"}, true},
		{"raw by another key", raw, tailFilter{waba: "1"}, false},
		{"raw by bytes", raw, tailFilter{number: "2001", thread: "15550002"}, true},
		{"raw by bytes that are not there", raw, tailFilter{number: "2002"}, false},
	} {
		if got := tt.f.match(tt.entry); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTailLines(t *testing.T) {
	at := time.Unix(1700000000, 0).Local().Format("2006-01-02 15:04:05")
	for _, tt := range []struct {
		name   string
		record *kgo.Record
		want   string
	}{
		{"message", record(schemas.TopicMessages, "2001/15550002", messageValue), at + "  1001  +1 555-0100  <- 15550002  text  Hello there"},
		{
			"status", record(schemas.TopicMessages, "k", `{"waba_id":"1","phone_number_id":"2","thread":"3","direction":"outbound","status":"read","timestamp":1700000000,"historical":false,"original":{}}`, schemas.HeaderCEType, schemas.TypeStatus),
			at + "  1  2  -> 3  status read  ",
		},
		{"edit", record(schemas.TopicEchoes, "k", `{"waba_id":"1","phone_number_id":"2","thread":"3","direction":"outbound","type":"edit","timestamp":1700000000,"historical":false,"original":{"edit":{"message":{"text":{"body":"new"}}}}}`), at + "  1  2  -> 3  edit  new"},
		{"contact", record(schemas.TopicContacts, "2/3", `{"waba_id":"1","phone_number_id":"2","id":"3","full_name":"Ada","timestamp_ms":1700000000000,"original":{}}`), at + "  1  2  3  Ada"},
		{"removed contact", record(schemas.TopicContacts, "2/3", ""), at + "  -  2  removed  3"},
		{"sync", record(schemas.TopicSyncs, "2", `{"waba_id":"1","phone_number_id":"2","window":1,"state":"running","progress":40,"messages":9,"chunks_held":2,`+
			`"order_known":true,"phases":[],"chunks":0,"chunks_late":0,"chunks_duplicate":0,"duplicates":0,"opened_at":"2026-03-01T12:00:00Z","last_chunk_at":"2026-03-01T12:00:00Z"}`), at + "  1  2  window 1  running  progress 40  messages 9  held 2"},
		{"account", record(schemas.TopicAccount, "1", `{"waba_id":"1","event":"PARTNER_REMOVED","original":{}}`), at + "  1  -  PARTNER_REMOVED"},
		{"asset", record(schemas.TopicAssets, "2/w", `{"waba_id":"1","phone_number_id":"2","event_id":"e","event_type":"t","thread":"3","historical":false,"media_id":"4","type":"image",`+
			`"state":"missing","reason":"refused","detail":"why","expires_at":"2026-03-01T12:00:00Z","at":"2026-03-01T12:00:00Z"}`), at + "  1  2  3  image  refused  why"},
		{"raw", record(schemas.TopicRawBulk, "1", "{}", schemas.HeaderSource, "meta"), at + "  2@7  1  meta  2 bytes  {}"},
		{"dead letter", record(schemas.TopicDLQ, "1", "{", schemas.HeaderSource, "meta", schemas.HeaderDLQReason, "json_invalid", schemas.HeaderDLQMessage, "at byte 1"), at + "  2@7  1  json_invalid at byte 1  1 bytes  {"},
		{"no JSON", record(schemas.TopicHistory, "1", "no JSON"), at + "  2@7  1  -  7 bytes  no JSON"},
		{"no event", record(schemas.TopicHistory, "1", "{}"), at + "  2@7  1  -  2 bytes  {}"},
		{"a type of a later version", record(schemas.TopicHistory, "1", "{}", schemas.HeaderCEType, "com.coexstream.history.v2"), at + "  2@7  1  -  2 bytes  {}"},
	} {
		if got := readEntry(tt.record, "coex.").text(false); got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

// A message is somebody else's text: it must not move the cursor or pretend to be another line.
func TestTailShowsNoControlCharacters(t *testing.T) {
	values := map[schemas.Topic]map[string]any{}
	const bad = "x\x1b[2J\ny"
	for _, topic := range schemas.Topics() {
		values[topic] = map[string]any{
			"waba_id": bad, "phone_number_id": bad, "display_phone_number": bad, "thread": bad, "type": bad, "status": "X\x1b[2J\nY", "kind": bad, "event": bad,
			"field": bad, "id": bad, "full_name": bad, "direction": "outbound", "timestamp": 1, "timestamp_ms": 1, "joined": true,
			"historical": topic == schemas.TopicHistory || topic == schemas.TopicMedia, "sync": map[string]any{"window": 1}, "original": map[string]any{},
		}
	}
	for name, value := range map[string]any{
		"event_id": bad, "event_type": bad, "media_id": bad, "state": schemas.AssetMissing, "reason": bad, "detail": bad, "expires_at": "2026-03-01T12:00:00Z", "at": "2026-03-01T12:00:00Z",
	} {
		values[schemas.TopicAssets][name] = value
	}
	for _, topic := range schemas.Topics() {
		fields, err := json.Marshal(values[topic])
		if err != nil {
			t.Fatal(err)
		}
		// Ids and keys are as foreign as texts are.
		r := record(topic, bad, string(fields), schemas.HeaderSource, bad, schemas.HeaderDLQReason, bad, schemas.HeaderDLQMessage, bad)
		e := readEntry(r, "coex.")
		if line := e.text(true); strings.ContainsAny(line, "\x1b\n") {
			t.Errorf("%s: %q", topic, line)
		}
		if topic != schemas.TopicSyncs && e.isEvent != (event.TypeOf(topic) != "") {
			t.Errorf("%s: is an event: %v", topic, e.isEvent)
		}
	}
	text := values[schemas.TopicMessages]
	text["type"], text["original"] = "text", map[string]any{"text": map[string]any{"body": "a\x1b[2Jb\r\ncd\u202e\u0085" + strings.Repeat("é", 200)}}
	value, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	line := readEntry(record(schemas.TopicMessages, "k", string(value)), "coex.").text(false)
	if strings.ContainsAny(line, "\x1b\r\n\u202e\u0085") || !strings.Contains(line, "a[2Jb  cd") || len([]rune(line)) > 140 {
		t.Errorf("%q", line)
	}
}

func TestTailJSONHoldsTheWholeRecord(t *testing.T) {
	for value, want := range map[string]any{`{"a":1}`: map[string]any{"a": 1.0}, "no <JSON>": "no <JSON>", "": nil} {
		line, err := readEntry(record(schemas.TopicHistory, "k", value, "h", "v"), "coex.").json()
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if got["topic"] != "coex.history" || got["partition"] != 2.0 || got["offset"] != 7.0 || got["key"] != "k" || got["headers"].(map[string]any)["h"] != "v" {
			t.Errorf("%s", line)
		}
		a, _ := json.Marshal(got["value"])
		b, _ := json.Marshal(want)
		if string(a) != string(b) {
			t.Errorf("value %s, want %s", a, b)
		}
	}
}

// encoding/json takes invalid UTF-8 in a string for JSON, and would write it as it is.
func TestTailJSONIsUTF8WhateverTheRecordIs(t *testing.T) {
	for _, value := range []string{"{\"a\":\"\xff\"}", "\"\xc3\x28\"", "no JSON \xed\xa0\x80", "\xff"} {
		line, err := readEntry(record(schemas.TopicRawLive, "k\xff", value, "h", "v\xfe", "g\xff", "w"), "coex.").json()
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.ValidString(line) {
			t.Errorf("%q", line)
		}
		var got struct {
			Value any    `json:"value"`
			Bytes []byte `json:"value_base64"`
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.Value != nil || string(got.Bytes) != value {
			t.Errorf("%q became %+v, %v", value, got, err)
		}
	}
}

func TestTailStart(t *testing.T) {
	now := time.Unix(1700000000, 0)
	for _, tt := range []struct {
		o    tailOptions
		want kafka.Start
	}{
		{tailOptions{}, kafka.FromEnd()},
		{tailOptions{beginning: true}, kafka.FromStart()},
		{tailOptions{noFollow: true}, kafka.FromStart()},
		{tailOptions{since: "2d"}, kafka.FromTime(now.Add(-48 * time.Hour))},
		{tailOptions{since: "2023-11-14T00:00:00Z", noFollow: true}, kafka.FromTime(time.Date(2023, 11, 14, 0, 0, 0, 0, time.UTC))},
	} {
		if got, err := tt.o.start(now); err != nil || got != tt.want {
			t.Errorf("%+v: %+v, %v; want %+v", tt.o, got, err, tt.want)
		}
	}
}
