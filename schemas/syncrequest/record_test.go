package syncrequest_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/schematest"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

func record() syncrequest.Record {
	return syncrequest.Record{
		WABAID: "102290129340398", PhoneNumberID: "106540352242922", SyncType: syncrequest.History, State: syncrequest.Accepted,
		RequestID: "b1a5", Attempt: "01JDZ5K9V7Q2X3Y4Z5A6B7C8D9", At: 1772366400000, OnboardedAt: 1772362800000,
		RequestedBy: "cli", Provider: "meta",
	}
}

func records() map[string]syncrequest.Record {
	all := map[string]syncrequest.Record{"accepted": record()}
	for _, state := range []syncrequest.State{syncrequest.Intended, syncrequest.Unknown, syncrequest.NotSent, syncrequest.Refused} {
		r := record()
		r.State, r.RequestID = state, ""
		all[string(state)] = r
		if state != syncrequest.Intended {
			r.Error = &syncrequest.Failure{Code: syncrequest.CodeTooLate, Subcode: 7, Message: "too \"late\" \u2028 \U0001F4F1"}
			all[string(state)+" with an error"] = r
		}
	}
	delete(all, "refused")
	r := record()
	r.SyncType, r.RequestID, r.OnboardedAt, r.Provider = syncrequest.Contacts, "", 0, "360dialog"
	all["contacts without a request id"] = r
	return all
}

func same(a, b syncrequest.Record) bool {
	if (a.Error == nil) != (b.Error == nil) || a.Error != nil && *a.Error != *b.Error {
		return false
	}
	a.Error, b.Error = nil, nil
	return a == b
}

func TestARecordIsReadAsItWasWrittenAndFitsItsSchema(t *testing.T) {
	v, err := schematest.New()
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range records() {
		body := r.Append(nil)
		got, err := syncrequest.Decode(body)
		if err != nil || !same(got, r) {
			t.Errorf("%s: read %+v, %v; written %+v", name, got, err, r)
		}
		if !syncrequest.Is(body) {
			t.Errorf("%s: not recognised", name)
		}
		if err := v.Value("sync-request", body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheExamplesOfTheSchemaAreRead(t *testing.T) {
	text, ok := schemas.JSONSchema("sync-request")
	var s struct{ Examples []json.RawMessage }
	if err := json.Unmarshal(text, &s); err != nil || !ok || len(s.Examples) == 0 {
		t.Fatalf("examples: %v", err)
	}
	for _, example := range s.Examples {
		if _, err := syncrequest.Decode(example); err != nil {
			t.Errorf("%s: %v", example, err)
		}
	}
}

func TestALongMessageOfAnErrorIsCutAtACharacter(t *testing.T) {
	r := record()
	r.State, r.RequestID = syncrequest.Refused, ""
	r.Error = &syncrequest.Failure{Code: 1, Message: "a" + strings.Repeat("\u00e9", syncrequest.MessageBytesMax) + "\xff"}
	got, err := syncrequest.Decode(r.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if m := got.Error.Message; len(m) != syncrequest.MessageBytesMax-1 || !utf8.ValidString(m) {
		t.Errorf("a message of %d bytes", len(m))
	}
}

func TestABodyThatIsNoRecordIsRefusedWithItsProperty(t *testing.T) {
	whole := string(record().Append(nil))
	cut := func(old, with string) string {
		if !strings.Contains(whole, old) {
			t.Fatalf("%s is not in %s", old, whole)
		}
		return strings.Replace(whole, old, with, 1)
	}
	for _, c := range []struct{ body, property, why string }{
		{"", "", "is no valid JSON at byte 0"},
		{"null", "object", "is missing"},
		{"[]", "", "is no object"},
		{whole[:40], "", "is no valid JSON at byte 40"},
		{whole + "{}", "", "is no valid JSON at byte " + itoa(len(whole))},
		{cut(syncrequest.Object, "whatsapp_business_account"), "object", "is not coexstream_sync_request"},
		{cut(`"waba_id":"102290129340398",`, ``), "waba_id", "is missing"},
		{cut(`"waba_id":"102290129340398"`, `"waba_id":""`), "waba_id", "is empty"},
		{cut(`"waba_id":"102290129340398"`, `"waba_id":102290129340398`), "waba_id", "has another type"},
		{cut(`"waba_id":"102290129340398"`, `"waba_id":"1","waba_id":"2"`), "", "is no valid JSON at byte 50"},
		{cut(`106540352242922`, strings.Repeat("1", 257)), "phone_number_id", "is longer than 256 bytes"},
		{cut(`"history"`, `"media"`), "sync_type", "is neither contacts nor history"},
		{cut(`"accepted"`, `"done"`), "state", "is none of intended, accepted, refused, unknown, not_sent"},
		{cut(`"accepted"`, `"intended"`), "request_id", "does not belong to the state intended"},
		{cut(`"accepted","request_id":"b1a5"`, `"refused"`), "error", "is missing"},
		{cut(`"accepted","request_id":"b1a5"`, `"refused","error":{}`), "error.code", "is missing"},
		{cut(`"provider":"meta"`, `"provider":"meta","error":{"code":1}`), "error", "does not belong to the state accepted"},
		{cut(`"request_id":"b1a5"`, `"request_id":null`), "request_id", "has another type"},
		{cut(`"accepted","request_id":"b1a5"`, `"unknown","error":null`), "error", "has another type"},
		{cut(`"accepted","request_id":"b1a5"`, `"unknown","error":{"code":"1"}`), "error.code", "has another type"},
		{cut(`"accepted","request_id":"b1a5"`, `"unknown","error":{"code":1,"message":"`+strings.Repeat("x", 1025)+`"}`), "error.message", "is longer than 1024 bytes"},
		{cut(`"at":1772366400000`, `"at":0`), "at", "is no time in Unix milliseconds"},
		{cut(`"at":1772366400000`, `"at":"1772366400000"`), "at", "has another type"},
		{cut(`"at":1772366400000`, `"at":253402300800000`), "at", "is no time in Unix milliseconds"},
		{cut(`"onboarded_at":1772362800000`, `"onboarded_at":-1`), "onboarded_at", "is no time in Unix milliseconds"},
		{cut(`"requested_by":"cli"`, `"requested_by":"`+strings.Repeat("x", 129)+`"`), "requested_by", "is longer than 128 bytes"},
	} {
		_, err := syncrequest.Decode([]byte(c.body))
		var e *syncrequest.Error
		if !errors.As(err, &e) || e.Property != c.property || e.Why != c.why {
			t.Errorf("%.90s…: %v, want %s: %s", c.body, err, c.property, c.why)
		}
	}
}

func TestUnknownPropertiesOfLaterVersionsAreSkipped(t *testing.T) {
	body := strings.Replace(string(record().Append(nil)), `"provider"`, `"later":{"a":[1]},"provider"`, 1)
	if got, err := syncrequest.Decode([]byte(body)); err != nil || !same(got, record()) {
		t.Errorf("%+v, %v", got, err)
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func FuzzDecode(f *testing.F) {
	for _, r := range records() {
		f.Add(r.Append(nil))
	}
	v, err := schematest.New()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := syncrequest.Decode(body)
		if err != nil {
			var e *syncrequest.Error
			if !errors.As(err, &e) {
				t.Fatalf("an error of another type: %v", err)
			}
			return
		}
		if err := v.Value("sync-request", body); err != nil {
			t.Fatalf("read, and not valid by the schema: %v", err)
		}
		again, err := syncrequest.Decode(r.Append(nil))
		if err != nil || !same(again, r) {
			t.Fatalf("read %+v, then %+v, %v", r, again, err)
		}
	})
}
