package merge_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"testing"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks/merge"
)

func TestPeopleOfAnEventAreThoseWhoseDataItHas(t *testing.T) {
	ada := &schemas.Contact{WaID: "491701", UserID: "DE.1"}
	sent := "wamid." + base64.StdEncoding.EncodeToString(append([]byte{0x1c, 0x18, 6}, "491701\x15\x02\x00\x12\x18\x143EB0C5F4A1B2C3D4E5F6\x00"...))
	for name, tt := range map[string]struct {
		message schemas.Message
		want    string
	}{
		"a chat":                    {schemas.Message{Thread: "491701", Contact: ada, Direction: "inbound"}, "[491701 DE.1]"},
		"what the business writes":  {schemas.Message{Thread: "491701", Direction: "outbound", From: "15550001"}, "[491701]"},
		"a participant of a group":  {schemas.Message{Thread: "g", GroupID: "g", Contact: ada, Direction: "inbound", From: "491701"}, "[491701 DE.1]"},
		"one that is named by From": {schemas.Message{Thread: "g", GroupID: "g", Direction: "inbound", From: "491701"}, "[491701]"},
		"the business in a group":   {schemas.Message{Thread: "g", GroupID: "g", Direction: "outbound", From: "15550001"}, "[]"},
		"who received, in a group":  {schemas.Message{Thread: "g", GroupID: "g", Direction: "outbound", Kind: schemas.KindStatus, Contact: ada}, "[491701 DE.1]"},
		"nothing but a wamid":       {schemas.Message{WAMID: sent, Direction: "outbound", Kind: schemas.KindStatus}, "[491701]"},
		"control characters":        {schemas.Message{Thread: "4917\x0001"}, "[491701]"},
		"nobody":                    {schemas.Message{}, "[]"},
	} {
		tt.message.PhoneNumberID = "n"
		p := merge.PeopleOf(&event.Event{Topic: schemas.TopicMessages, Message: &tt.message})
		if got := fmt.Sprint(p.IDs); got != tt.want || p.Number != "n" {
			t.Errorf("%s: %s at %q, want %s", name, got, p.Number, tt.want)
		}
	}
	removed := &event.Event{Topic: schemas.TopicContacts, Key: []byte("n/DE.1")}
	removed.Headers.Contact = event.ContactHeaders{TimestampMS: 5000, Phone: "491701", Linked: "491701"}
	if p := merge.PeopleOf(removed); p.Number != "n" || !slices.Equal(p.IDs, []string{"DE.1", "491701"}) || p.At != 5000 {
		t.Errorf("a removed entry: %+v", p)
	}
	entry := &event.Event{Topic: schemas.TopicContacts, Key: []byte("n/x"), Contact: &schemas.ContactState{PhoneNumberID: "n", ID: "491701", UserID: "DE.1", TimestampMS: 7000}}
	if p := merge.PeopleOf(entry); p.Number != "n" || !slices.Contains(p.IDs, "491701") || !slices.Contains(p.IDs, "DE.1") || p.At != 7000 {
		t.Errorf("an entry: %+v", p)
	}
	if p := merge.PeopleOf(&event.Event{Topic: schemas.TopicAccount, Account: &schemas.Account{PhoneNumberID: "n"}}); len(p.IDs) > 0 {
		t.Errorf("an account event: %+v", p)
	}
}

// The key of a record that is no event names the person, but for a group.
func TestTheKeyOfAnUnreadableRecordNamesThePerson(t *testing.T) {
	sent := "wamid." + base64.StdEncoding.EncodeToString(append([]byte{0x1c, 0x18, 6}, "491701\x15\x02\x00\x12\x18\x143EB0C5F4A1B2C3D4E5F6\x00"...))
	for _, tt := range []struct {
		topic     schemas.Topic
		key, want string
	}{
		{schemas.TopicMessages, "n/491701", "n [491701]"}, {schemas.TopicEchoes, "n/DE.1", "n [DE.1]"}, {schemas.TopicHistory, "n/", "n []"},
		{schemas.TopicContacts, "n/491701", "n [491701]"}, {schemas.TopicMedia, "n/" + sent, "n [491701]"}, {schemas.TopicMedia, "n/491701", "n []"},
		{schemas.TopicSyncs, "n", "n []"}, {schemas.TopicAccount, "1/2", "1 []"}, {schemas.TopicMessages, "", " []"},
	} {
		p := merge.PeopleOfKey(tt.topic, []byte(tt.key), 7)
		if got := fmt.Sprintf("%s %v", p.Number, p.IDs); got != tt.want || p.At != 7 {
			t.Errorf("%s of %s: %s at %d, want %s", tt.key, tt.topic, got, p.At, tt.want)
		}
	}
}

// An event is as old as what it reports, or as its receipt: a clock that is ahead makes nothing new of it.
func TestTheTimeOfAnEventIsTheEarlierOne(t *testing.T) {
	for _, tt := range []struct{ timestamp, received, want int64 }{
		{5, 9000, 5000}, {0, 9000, 9000}, {99, 9000, 9000}, {5, 0, 5000},
	} {
		e := &event.Event{Topic: schemas.TopicHistory, Message: &schemas.Message{Thread: "1", Timestamp: tt.timestamp}}
		e.ReceivedAt = tt.received
		if p := merge.PeopleOf(e); p.At != tt.want {
			t.Errorf("%+v: at %d", tt, p.At)
		}
	}
}

// Both spellings of a number are one person, and a person of one business is none of another.
func TestAPersonHasOneHashInEverySpelling(t *testing.T) {
	if merge.HashPerson("n", "5511987654321") != merge.HashPerson("n", merge.ChatOf("5511987654321")) {
		t.Error("another spelling has another hash")
	}
	seen := map[merge.PersonHash]string{}
	for _, of := range [][2]string{{"n", "1"}, {"", "1"}, {"n", "2"}, {"n1", ""}, {"", "n1"}} {
		hash := merge.HashPerson(of[0], of[1])
		if other, twice := seen[hash]; twice {
			t.Errorf("%v has the hash of %s", of, other)
		}
		seen[hash] = fmt.Sprint(of)
	}
}

// The outcome of an asset is about whom its event is about, at the time of the event: it can come after an erasure that covers the event.
func TestAnAssetIsAboutThePeopleOfItsMessage(t *testing.T) {
	for _, c := range []struct{ more, ids, person string }{
		{`"thread":"5511987654321"`, "[5511987654321]", "551187654321"},
		{`"thread":"g","group_id":"g","contact":{"wa_id":"491701","user_id":"DE.1"}`, "[491701 DE.1]", "491701"},
		{`"thread":"g","group_id":"g"`, "[]", ""},
	} {
		e, err := event.Value(schemas.TypeAsset, []byte(`{"waba_id":"1","phone_number_id":"2","event_id":"e","event_type":"t",`+c.more+
			`,"timestamp":7,"historical":true,"media_id":"4","type":"image","state":"missing","expires_at":"2026-03-08T12:00:00Z","at":"2026-03-01T12:00:00Z"}`))
		if err != nil {
			t.Fatal(err)
		}
		e.Topic, e.ReceivedAt = schemas.TopicAssets, 1_772_366_400_000
		if p := merge.PeopleOf(&e); fmt.Sprint(p.IDs) != c.ids || p.Number != "2" || p.At != 7000 {
			t.Errorf("%s: %+v", c.more, p)
		}
		rows := merge.NewRows()
		rows.Add(&e, merge.Place{})
		if a := rows.Assets[merge.AssetKey{Number: "2", EventID: "e"}]; a == nil || a.Person != c.person {
			t.Errorf("%s: %+v", c.more, a)
		}
	}
}
