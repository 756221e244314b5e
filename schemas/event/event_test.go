package event_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

type header struct {
	Key   string
	Value []byte
}

func headersOf(ceType string, more ...string) []header {
	hs := []header{
		{"ce_specversion", []byte("1.0")}, {"ce_id", []byte("id")}, {"ce_type", []byte(ceType)}, {"ce_source", []byte("/x")},
		{"ce_time", []byte("2026-03-01T12:00:00Z")}, {"coex-received-at", []byte("1772366400000")}, {"unknown", nil},
	}
	for i := 0; i < len(more); i += 2 {
		hs = append(hs, header{more[i], []byte(more[i+1])})
	}
	return hs
}

func TestAllTypesAreRead(t *testing.T) {
	for _, typ := range valued() {
		for _, value := range examples(t, typ.Schema) {
			e, err := event.Read(typ.Topic, []byte("key"), headersOf(typ.Type), value)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, typ.Type, &e)
			if e.ID != "id" || e.Type != typ.Type || e.Topic != typ.Topic || string(e.Key) != "key" || e.ReceivedAt != 1772366400000 {
				t.Errorf("read %+v", e)
			}
		}
	}
}

func TestTombstonesHaveTheirHeaders(t *testing.T) {
	e, err := event.Read(schemas.TopicContacts, []byte("2/3"), headersOf(schemas.TypeContactRemoved,
		"coex-contact-action", "merge", "coex-contact-timestamp", "-5", "coex-contact-phone", "1", "coex-contact-user-id", "2", "coex-contact-linked", "3"), nil)
	if err != nil || !e.Tombstone() || e.Headers.Contact != (event.ContactHeaders{Action: "merge", TimestampMS: -5, Phone: "1", User: "2", Linked: "3"}) {
		t.Errorf("read %+v, err %v", e, err)
	}
	if e, err = event.Read(schemas.TopicSyncs, []byte("2"), headersOf(schemas.TypeSyncRemoved), []byte{}); err != nil || !e.Tombstone() {
		t.Errorf("read %+v, err %v", e, err)
	}
}

func TestRecordsThatAreNoEventsAreRefused(t *testing.T) {
	good := string(examples(t, "message")[0])
	without := func(name string) []header {
		var rest []header
		for _, h := range headersOf(schemas.TypeMessage) {
			if h.Key != name {
				rest = append(rest, h)
			}
		}
		return rest
	}
	for _, tt := range []struct {
		name    string
		topic   schemas.Topic
		headers []header
		value   string
		want    string
	}{
		{"another topic", schemas.TopicEchoes, headersOf(schemas.TypeMessage), good, "does not carry"},
		{"an unknown type", schemas.TopicMessages, headersOf("com.coexstream.message.v2"), good, "does not carry"},
		{"no version", schemas.TopicMessages, without("ce_specversion"), good, "ce_specversion"},
		{"no id", schemas.TopicMessages, without("ce_id"), good, "ce_id"},
		{"no source", schemas.TopicMessages, without("ce_source"), good, "ce_source"},
		{"no time", schemas.TopicMessages, without("ce_time"), good, "ce_time"},
		{"a receipt that is none", schemas.TopicMessages, headersOf(schemas.TypeMessage, "coex-received-at", "x"), good, "coex-received-at"},
		{"a tombstone without action", schemas.TopicContacts, headersOf(schemas.TypeContactRemoved), "", "coex-contact-action"},
		{"a tombstone with a value", schemas.TopicSyncs, headersOf(schemas.TypeSyncRemoved), "{}", "tombstone"},
		{"no value", schemas.TopicMessages, headersOf(schemas.TypeMessage), "", "no object"},
		{"a property twice", schemas.TopicMessages, headersOf(schemas.TypeMessage), strings.Replace(good, `{`, `{"wamid":"x",`, 1), `"wamid" stands twice`},
		{"something behind it", schemas.TopicMessages, headersOf(schemas.TypeMessage), good + "x", "followed"},
		{"a NUL behind it", schemas.TopicMessages, headersOf(schemas.TypeMessage), good + "\x00", "followed"},
		{"not UTF-8", schemas.TopicMessages, headersOf(schemas.TypeMessage), strings.Replace(good, "Sheena", "\xff", 1), "UTF-8"},
		{"too deep", schemas.TopicMessages, headersOf(schemas.TypeMessage), strings.Replace(good, `{`, `{"x":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+",", 1), "nested"},
		{"a number that does not fit", schemas.TopicMessages, headersOf(schemas.TypeMessage), strings.Replace(good, `"timestamp":1739500000`, `"timestamp":9223372036854775808`, 1), "64 bits"},
		{"nobody", schemas.TopicMessages, headersOf(schemas.TypeMessage), strings.NewReplacer("102290129340398", "", "106540352242922", "").Replace(good), "both empty"},
	} {
		if _, err := event.Read(tt.topic, nil, tt.headers, []byte(tt.value)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestErrorsSayNothingOfTheContent(t *testing.T) {
	value := strings.Replace(string(examples(t, "message")[0]), `"direction":"inbound"`, `"direction":"secret"`, 1)
	if _, err := event.Value(schemas.TypeMessage, []byte(value)); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "direction") {
		t.Errorf("err %v", err)
	}
}

func TestTextsArePartsOfTheValue(t *testing.T) {
	value := examples(t, "message")[0]
	e, err := event.Value(schemas.TypeMessage, value)
	if err != nil {
		t.Fatal(err)
	}
	inside := func(p *byte) bool {
		at := uintptr(unsafe.Pointer(p))
		from := uintptr(unsafe.Pointer(unsafe.SliceData(value)))
		return at >= from && at < from+uintptr(len(value))
	}
	if !inside(unsafe.StringData(e.Message.WAMID)) || !inside(unsafe.SliceData(e.Message.Original)) {
		t.Error("a text, or the original, was copied")
	}
	if got := testing.AllocsPerRun(100, func() { _, _ = event.Value(schemas.TypeMessage, value) }); got > 1 {
		t.Errorf("%v allocations for an event, want 1", got)
	}
}

func TestEveryTypeHasItsTopic(t *testing.T) {
	for _, typ := range schemas.EventTypes() {
		value := []byte(nil)
		if typ.Schema != "" {
			value = examples(t, typ.Schema)[0]
		}
		hs := headersOf(typ.Type, "coex-contact-action", "remove")
		if _, err := event.Read(typ.Topic, nil, hs, value); err != nil {
			t.Error(err)
		}
	}
	for _, topic := range schemas.Topics() {
		ceType := event.TypeOf(topic)
		carries := topic != schemas.TopicDLQ && topic != schemas.TopicState && topic != schemas.TopicRerouted && !topic.Raw()
		if (ceType != "") != carries {
			t.Errorf("topic %s: type %q", topic, ceType)
		}
	}
}

// A history message as the benchmarks of sinks measured it: 712 bytes.
var benchValue = []byte(`{"waba_id":"102290129340398","phone_number_id":"106540352242922","display_phone_number":"15550783881","kind":"message","rank":1,"wamid":"wamid.HBgLMTY1MDU1NTEyMzQVAgARGBQzRUIwN0VDOUFGRjAwQTRFQjdEMgA=","thread":"16505551234","contact":{"wa_id":"16505551234"},"direction":"outbound","from":"15550783881","timestamp":1739200200,"type":"text","status":"READ","historical":true,"sync":{"window":1,"phase":0,"chunk_order":3,"progress":62},"original":{"from":"15550783881","id":"wamid.HBgLMTY1MDU1NTEyMzQVAgARGBQzRUIwN0VDOUFGRjAwQTRFQjdEMgA=","timestamp":"1739200200","type":"text","text":{"body":"Mine, and as long as what people write to each other on a normal day"},"history_context":{"status":"READ","from_me":true}}}`)

func BenchmarkValue(b *testing.B) {
	b.SetBytes(int64(len(benchValue)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Value(schemas.TypeHistory, benchValue); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodingJSON is the yardstick: Value takes at most half of its time.
func BenchmarkEncodingJSON(b *testing.B) {
	b.SetBytes(int64(len(benchValue)))
	b.ReportAllocs()
	for b.Loop() {
		var m schemas.Message
		if err := json.Unmarshal(benchValue, &m); err != nil {
			b.Fatal(err)
		}
	}
}
