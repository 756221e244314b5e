package schematest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
	"github.com/coexstream/coexstream/schemas/schematest"
)

func ptr[T any](v T) *T { return &v }

// sample is a good record of every type of event.
type sample struct {
	topic   schemas.Topic
	headers map[string]string
	value   []byte
}

func samples() map[string]sample {
	at := time.Date(2025, 2, 10, 23, 42, 35, 0, time.UTC)
	base := schemas.Message{
		WABAID: "102290129340398", PhoneNumberID: "106540352242922", DisplayPhoneNumber: "15550783881",
		WAMID: "wamid.HBgLMTY1MDU1NTEyMzQ=", Thread: "16505551234", Contact: &schemas.Contact{WaID: "16505551234"},
		Direction: schemas.DirectionInbound, From: "16505551234", Timestamp: at.Unix(), Type: "text",
		Profiles: json.RawMessage(`[{"wa_id":"16505551234"}]`), Original: json.RawMessage(`{"id":"wamid.HBgLMTY1MDU1NTEyMzQ="}`),
	}
	message := func(change func(*schemas.Message)) []byte {
		m := base
		change(&m)
		return m.AppendJSON(nil)
	}
	values := map[string][]byte{
		schemas.TypeHistory: message(func(m *schemas.Message) {
			m.Historical, m.Status = true, "READ"
			m.Sync = &schemas.SyncPosition{Window: 1, Phase: ptr(int32(0)), ChunkOrder: ptr(int32(1)), Progress: ptr(int32(55)), Late: true}
		}),
		schemas.TypeMedia:   message(func(m *schemas.Message) { m.Historical, m.Joined, m.Type = true, ptr(false), "image" }),
		schemas.TypeEcho:    message(func(m *schemas.Message) { m.Direction, m.To = schemas.DirectionOutbound, "16505551234" }),
		schemas.TypeMessage: message(func(*schemas.Message) {}),
		schemas.TypeStatus:  message(func(m *schemas.Message) { m.Direction, m.Status, m.Type = schemas.DirectionOutbound, "sent", "" }),
		schemas.TypeError: message(func(m *schemas.Message) {
			m.Direction, m.WAMID, m.Thread, m.Type = schemas.DirectionUnknown, "", "", ""
		}),
		schemas.TypeHandover: message(func(m *schemas.Message) {
			m.Direction, m.WAMID, m.Type, m.Kind = schemas.DirectionUnknown, "", "", schemas.KindHandover
		}),
		schemas.TypeContact: (&schemas.ContactState{WABAID: "1", PhoneNumberID: "2", ID: "16505551234", PhoneNumber: "16505551234",
			FullName: "Pablo Morales", TimestampMS: at.UnixMilli(), Version: 3, Original: json.RawMessage(`{"action":"add"}`)}).AppendJSON(nil),
		schemas.TypeContactRemoved: nil,
		schemas.TypeSyncRemoved:    nil,
		schemas.TypeAccount: (&schemas.Account{WABAID: "1", EntryID: "9", Event: "PARTNER_REMOVED", Time: at.Unix(),
			Original: json.RawMessage(`{"event":"PARTNER_REMOVED"}`)}).AppendJSON(nil),
		schemas.TypeOther: (&schemas.Other{WABAID: "1", Field: "flows", Original: json.RawMessage(`{"field":"flows"}`)}).AppendJSON(nil),
		schemas.TypeAsset: (&schemas.Asset{WABAID: "1", PhoneNumberID: "2", EventID: "e", EventType: schemas.TypeMessage, MediaID: "3", Type: "image",
			State: schemas.AssetMissing, Reason: schemas.AssetExpired, ExpiresAt: at, At: at}).AppendJSON(nil),
		schemas.TypeSync: (&schemas.Sync{WABAID: "1", PhoneNumberID: "2", Window: 1, State: schemas.SyncDone, EndReason: schemas.SyncEndQuiet,
			OrderKnown: true, Phases: []schemas.SyncPhase{{Next: 4, Left: 3, Gaps: []schemas.SyncGap{{From: 2, To: 2, Since: at, GivenUp: true}}}},
			Progress: 100, Chunks: 3, OpenedAt: at, LastAt: at, EndedAt: &at}).AppendJSON(nil),
	}
	all := map[string]sample{}
	for _, e := range schemas.EventTypes() {
		headers := map[string]string{
			schemas.HeaderCESpecVersion: schemas.CESpecVersion, schemas.HeaderCEType: e.Type, schemas.HeaderCEID: "9f2c4e7a1b3d5f60718293a4b5c6d7e8",
			schemas.HeaderCESource: "/coexstream/102290129340398/106540352242922", schemas.HeaderCETime: at.Format(time.RFC3339Nano),
			schemas.HeaderOrigin: "coex.raw.bulk/3/1138#/entry/0/changes/0", "coex-x": "headers may be added",
		}
		if e.Type == schemas.TypeContactRemoved {
			headers[schemas.HeaderContactAction] = "remove"
			headers[schemas.HeaderContactTimestamp] = "1739321099000"
		}
		all[e.Type] = sample{e.Topic, headers, values[e.Type]}
	}
	return all
}

func validator(t *testing.T) *schematest.Validator {
	t.Helper()
	v, err := schematest.New()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAGoodRecordOfEveryTypePasses(t *testing.T) {
	for _, s := range samples() {
		schematest.Event(t, s.topic, s.headers, s.value)
	}
}

func TestAPropertyMayBeAddedToEveryEvent(t *testing.T) {
	v := validator(t)
	for typ, s := range samples() {
		if s.value == nil {
			continue
		}
		value := append([]byte(`{"x_added_later":{"a":[1]},`), s.value[1:]...)
		if err := v.Event(s.topic, s.headers, value); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func TestEveryMissingRequiredPropertyIsFound(t *testing.T) {
	v := validator(t)
	required := map[string][]string{
		schemas.TypeHistory:  {"waba_id", "phone_number_id", "direction", "timestamp", "historical", "sync", "original"},
		schemas.TypeMedia:    {"joined", "original"},
		schemas.TypeEcho:     {"direction", "original"},
		schemas.TypeMessage:  {"direction", "timestamp", "historical"},
		schemas.TypeStatus:   {"direction", "original"},
		schemas.TypeError:    {"original"},
		schemas.TypeHandover: {"original"},
		schemas.TypeContact:  {"waba_id", "phone_number_id", "id", "timestamp_ms", "original"},
		schemas.TypeAccount:  {"waba_id", "original"},
		schemas.TypeOther:    {"field", "original"},
		schemas.TypeSync:     {"window", "state", "end_reason", "ended_at", "order_known", "phases", "progress", "chunks", "messages", "opened_at", "last_chunk_at"},
	}
	for typ, names := range required {
		s := samples()[typ]
		for _, name := range names {
			value := without(t, s.value, name)
			if err := v.Event(s.topic, s.headers, value); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s without %s: %v", typ, name, err)
			}
		}
	}
}

func TestEveryWrongPropertyIsFound(t *testing.T) {
	v := validator(t)
	for _, tc := range []struct{ typ, property, value string }{
		{schemas.TypeHistory, "historical", "false"},
		{schemas.TypeHistory, "direction", `"sideways"`},
		{schemas.TypeHistory, "timestamp", `"1739230955"`},
		{schemas.TypeHistory, "status", `"read"`},
		{schemas.TypeHistory, "original", `"{}"`},
		{schemas.TypeHistory, "sync", `{"window":0}`},
		{schemas.TypeHistory, "sync", `{"window":1,"phase":"0"}`},
		{schemas.TypeHistory, "thread", `""`},
		{schemas.TypeMedia, "historical", "false"},
		{schemas.TypeEcho, "direction", `"inbound"`},
		{schemas.TypeMessage, "historical", "true"},
		{schemas.TypeStatus, "status", `"READ"`},
		{schemas.TypeContact, "id", `""`},
		{schemas.TypeContact, "version", `"3"`},
		{schemas.TypeAccount, "waba_id", `""`},
		{schemas.TypeSync, "state", `"paused"`},
		{schemas.TypeSync, "state", `"running"`}, // has an end_reason
		{schemas.TypeSync, "end_reason", `"tired"`},
		{schemas.TypeSync, "opened_at", `"yesterday"`},
		{schemas.TypeSync, "phases", "null"},
		{schemas.TypeSync, "phases", `[{"phase":0}]`},
		{schemas.TypeSync, "chunks", "-1"},
	} {
		s := samples()[tc.typ]
		value := with(t, s.value, tc.property, tc.value)
		if err := v.Event(s.topic, s.headers, value); err == nil {
			t.Errorf("%s with %s = %s passes", tc.typ, tc.property, tc.value)
		}
	}
}

func TestAnEventThatNamesNeitherBusinessNorNumberIsFound(t *testing.T) {
	v := validator(t)
	for typ, s := range samples() {
		if s.value == nil || typ == schemas.TypeAccount || typ == schemas.TypeOther {
			continue
		}
		for _, empty := range []string{"waba_id", "phone_number_id"} {
			if err := v.Event(s.topic, s.headers, with(t, s.value, empty, `""`)); err != nil {
				t.Errorf("%s with an empty %s: %v", typ, empty, err)
			}
		}
		if err := v.Event(s.topic, s.headers, with(t, with(t, s.value, "waba_id", `""`), "phone_number_id", `""`)); err == nil {
			t.Errorf("%s with an empty waba_id and an empty phone_number_id passes", typ)
		}
	}
}

func TestEveryWrongHeaderIsFound(t *testing.T) {
	v := validator(t)
	const absent = "\x00"
	for typ, s := range samples() {
		for name, wrong := range map[string]string{
			schemas.HeaderCESpecVersion: "0.3", schemas.HeaderCEID: "", schemas.HeaderCESource: "", schemas.HeaderCETime: "1739230955",
			schemas.HeaderCEType: "com.coexstream.history.v2", schemas.HeaderOrigin: "somewhere",
		} {
			for _, value := range []string{wrong, absent} {
				if name == schemas.HeaderOrigin && value == absent {
					continue // optional: what a passing hour has done has no origin
				}
				headers := map[string]string{}
				for k, h := range s.headers {
					headers[k] = h
				}
				headers[name] = value
				if value == absent {
					delete(headers, name)
				}
				if err := v.Event(s.topic, headers, s.value); err == nil {
					t.Errorf("%s with %s = %q passes", typ, name, value)
				}
			}
		}
	}
	s := samples()[schemas.TypeContactRemoved]
	s.headers[schemas.HeaderContactAction] = "add"
	if err := v.Event(s.topic, s.headers, nil); err == nil {
		t.Error("a tombstone that adds passes")
	}
	delete(s.headers, schemas.HeaderContactAction)
	if err := v.Event(s.topic, s.headers, nil); err == nil {
		t.Error("a tombstone that does not say what was removed passes")
	}
}

func TestAnEventOnTheWrongTopicIsFound(t *testing.T) {
	v := validator(t)
	for typ, s := range samples() {
		for _, topic := range schemas.Topics() {
			err := v.Event(topic, s.headers, s.value)
			if (err == nil) != (topic == s.topic) {
				t.Errorf("%s on %s: %v", typ, topic, err)
			}
		}
	}
}

func TestATombstoneHasNoValueAndNothingElseIsOne(t *testing.T) {
	v := validator(t)
	for typ, s := range samples() {
		value := []byte("{}")
		if typ != schemas.TypeContactRemoved && typ != schemas.TypeSyncRemoved {
			value = nil
		}
		if err := v.Event(s.topic, s.headers, value); err == nil {
			t.Errorf("%s with value %q passes", typ, value)
		}
	}
}

// recorder is a TB that only notes that it failed.
type recorder struct{ failed string }

func (r *recorder) Helper()                           {}
func (r *recorder) Fatalf(format string, args ...any) { r.failed = fmt.Sprintf(format, args...) }

func TestTheHelpersFailTheTest(t *testing.T) {
	var r recorder
	schematest.Event(&r, schemas.TopicHistory, nil, []byte("{}"))
	if r.failed == "" {
		t.Error("Event accepts a record without headers")
	}
	r.failed = ""
	schematest.Webhook(&r, fixtures.ProviderMeta, []byte(`{"object":"page","entry":[]}`))
	if r.failed == "" {
		t.Error("Webhook accepts a page's webhook")
	}
}

func TestAWebhookWithoutWhatItsFieldPromisesIsFound(t *testing.T) {
	v := validator(t)
	const metadata = `"metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"}`
	meta := func(field, value string) string {
		return `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"` + field + `","value":{` + value + `}}]}]}`
	}
	partner := func(event, data string) string {
		return `{"id":"e1","event":"` + event + `","data":{` + data + `}}`
	}
	for _, tc := range []struct{ provider, good, bad string }{
		{fixtures.ProviderMeta, meta("history", metadata+`,"history":[]`), meta("history", metadata)},
		{fixtures.ProviderMeta, meta("history", metadata+`,"message_echoes":[]`), meta("history", `"message_echoes":[]`)},
		{fixtures.ProviderMeta, meta("smb_app_state_sync", metadata+`,"state_sync":[]`), meta("smb_app_state_sync", metadata+`,"contacts":[]`)},
		{fixtures.ProviderMeta, meta("smb_message_echoes", metadata+`,"message_echoes":[]`), meta("smb_message_echoes", metadata+`,"statuses":[]`)},
		{fixtures.ProviderMeta, meta("messages", metadata+`,"statuses":[]`), meta("messages", metadata+`,"history":[]`)},
		{fixtures.ProviderMeta, meta("account_update", `"event":"PARTNER_REMOVED"`), meta("account_update", `"phone_number":"15550783881"`)},
		{fixtures.ProviderMeta, meta("history", metadata+`,"history":[{"metadata":{"phase":"1"}}]`), meta("history", metadata+`,"history":[{"metadata":{"phase":"one"}}]`)},
		{fixtures.ProviderMeta, meta("flows", `"anything":1`), `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"flows"}]}]}`},
		{fixtures.ProviderMeta, `{` + metadata + `,"history":[{"errors":[{"code":2593109}]}]}`, `{` + metadata + `,"history":[]}`},
		{fixtures.Provider360Dialog, partner("history", `"id":"1",`+metadata+`,"history":[]`), partner("history", `"id":"1",`+metadata)},
		{fixtures.Provider360Dialog, partner("smb_app_state_sync", `"id":"1",`+metadata+`,"state_sync":[]`), partner("smb_app_state_sync", metadata+`,"state_sync":[]`)},
		{fixtures.ProviderYCloud, `{"id":"e1","type":"whatsapp.smb.history","whatsappMessage":{"wamid":"w"}}`, `{"id":"e1","type":"whatsapp.smb.history","whatsappMessage":{"wamid":"w"},"whatsappInboundMessage":{"wamid":"w"}}`},
	} {
		if err := v.Webhook(tc.provider, []byte(tc.good)); err != nil {
			t.Errorf("%s: %v", tc.good, err)
		}
		if v.Webhook(tc.provider, []byte(tc.bad)) == nil {
			t.Errorf("%s passes", tc.bad)
		}
	}
}

func object(t *testing.T, value []byte) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(value, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func without(t *testing.T, value []byte, property string) []byte {
	t.Helper()
	m := object(t, value)
	if _, ok := m[property]; !ok {
		t.Fatalf("the sample has no %s: %s", property, value)
	}
	delete(m, property)
	return encode(t, m)
}

func with(t *testing.T, value []byte, property, is string) []byte {
	t.Helper()
	m := object(t, value)
	m[property] = json.RawMessage(is)
	return encode(t, m)
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
