package partition_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

// sideOf writes what an event says of its other side on one line, behind the second part of its key.
func sideOf(t *testing.T, r record) string {
	t.Helper()
	var m schemas.Message
	if err := json.Unmarshal(r.value, &m); err != nil {
		t.Fatal(err)
	}
	key, ok := strings.CutPrefix(r.key, m.PhoneNumberID+"/")
	if !ok {
		t.Errorf("key %q is not of number %s", r.key, m.PhoneNumberID)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", key, m.Direction)
	c := schemas.Contact{}
	if m.Contact != nil {
		c = *m.Contact
	}
	var profiles []json.RawMessage
	if len(m.Profiles) > 0 {
		if err := json.Unmarshal(m.Profiles, &profiles); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []struct{ name, value string }{
		{"thread", m.Thread}, {"group", m.GroupID}, {"wa_id", c.WaID}, {"user_id", c.UserID}, {"parent", c.ParentUserID},
		{"username", c.Username}, {"country", c.CountryCode}, {"name", c.ProfileName}, {"profiles", strings.Trim(fmt.Sprint(len(profiles)), "0")},
	} {
		if f.value != "" {
			fmt.Fprintf(&b, " %s=%s", f.name, strings.ReplaceAll(f.value, " ", "_"))
		}
	}
	return b.String()
}

const (
	sheena = "US.13491208655302741918"
	parent = "US.ENT.506847293015824"
	group  = "Y2FwaV9ncm91cDox"
)

// The other side of every golden webhook whose point is who that is.
func TestEveryEventSaysWhoIsOnTheOtherSide(t *testing.T) {
	for _, test := range []struct {
		fixture string
		topic   schemas.Topic
		want    []string
	}{
		{"history-business-other-spelling", schemas.TopicHistory, []string{
			"5531955500002: outbound thread=5531955500002 wa_id=5531955500002", "5531955500002: inbound thread=5531955500002 wa_id=5531955500002"}},
		{"history-without-display-number", schemas.TopicHistory, []string{
			user + ": outbound thread=" + user + " wa_id=" + user, user + ": inbound thread=" + user + " wa_id=" + user}},
		{"history-to-without-from", schemas.TopicHistory, []string{
			user + ": outbound thread=" + user + " wa_id=" + user, user + ": inbound thread=" + user + " wa_id=" + user}},
		{"history-thread-without-id", schemas.TopicHistory, []string{
			user + ": outbound thread=" + user + " wa_id=" + user, user + ": inbound thread=" + user + " wa_id=" + user}},
		{"history-group", schemas.TopicHistory, []string{
			group + ": inbound thread=" + group + " group=" + group + " wa_id=" + user,
			group + ": inbound thread=" + group + " group=" + group + " wa_id=" + other + " name=Kerry profiles=1",
			group + ": outbound thread=" + group + " group=" + group}},
		{"history-bsuid-context", schemas.TopicHistory, []string{
			sheena + ": inbound thread=" + sheena + " user_id=" + sheena + " username=realsheenanelson country=US",
			sheena + ": outbound thread=" + sheena + " user_id=" + sheena + " username=realsheenanelson country=US",
			"447700900555: inbound thread=447700900555 wa_id=447700900555 user_id=GB.21815799212886844830 parent=GB.ENT.11815799212886844830 country=GB"}},
		{"history-bsuid-in-from", schemas.TopicHistory, []string{sheena + ": inbound thread=" + sheena + " user_id=" + sheena}},
		{"group-message", schemas.TopicMessages, []string{
			group + ": inbound thread=" + group + " group=" + group + " wa_id=" + user + " name=Sheena_Nelson profiles=1",
			group + ": inbound thread=" + group + " group=" + group + " wa_id=" + other}},
		{"group-status", schemas.TopicMessages, []string{
			group + ": outbound thread=" + group + " group=" + group + " wa_id=" + user + " user_id=" + sheena + " parent=" + parent + " name=Sheena_Nelson profiles=1",
			group + ": outbound thread=" + group + " group=" + group + " wa_id=" + other + " user_id=US.2 name=Kerry profiles=1"}},
		{"echo-plus", schemas.TopicEchoes, []string{user + ": outbound thread=" + user + " wa_id=" + user}},
		{"echo-bsuid", schemas.TopicEchoes, []string{
			sheena + ": outbound thread=" + sheena + " user_id=" + sheena + " parent=" + parent + " username=realsheenanelson profiles=1"}},
		{"echo-without-to", schemas.TopicEchoes, []string{user + ": outbound thread=" + user + " wa_id=" + user + " user_id=" + sheena + " profiles=1"}},
		{"status-recipient", schemas.TopicMessages, []string{
			user + ": outbound thread=" + user + " wa_id=" + user + " user_id=" + sheena + " parent=" + parent,
			sheena + ": outbound thread=" + sheena + " user_id=" + sheena}},
		{"status-bsuid", schemas.TopicMessages, []string{sheena + ": outbound thread=" + sheena + " user_id=" + sheena + " parent=" + parent + " profiles=1"}},
		{"status-failed-contact", schemas.TopicMessages, []string{user + ": outbound thread=" + user + " wa_id=" + user + " profiles=1"}},
		{"messages-of-several-users", schemas.TopicMessages, []string{
			user + ": inbound thread=" + user + " wa_id=" + user + " user_id=" + sheena + " parent=" + parent + " username=realsheenanelson name=Sheena_Nelson profiles=1",
			other + ": inbound thread=" + other + " wa_id=" + other + " user_id=US.2 name=Kerry profiles=1",
			"551155504321: inbound thread=551155504321 wa_id=551155504321 user_id=BR.3 name=Jo profiles=1",
			"US.4: inbound thread=US.4 user_id=US.4 username=four profiles=1",
			"447700900555: inbound thread=447700900555 wa_id=447700900555"}},
		{"message-bsuid", schemas.TopicMessages, []string{
			sheena + ": inbound thread=" + sheena + " user_id=" + sheena + " parent=" + parent + " username=realsheenanelson name=Sheena_Nelson profiles=1"}},
		{"message-without-from", schemas.TopicMessages, []string{sheena + ": inbound thread=" + sheena + " user_id=" + sheena + " name=Sheena_Nelson profiles=1"}},
		{"message-from-business", schemas.TopicMessages, []string{user + ": outbound thread=" + user + " wa_id=" + user}},
		{"message-reaction", schemas.TopicMessages, []string{user + ": inbound thread=" + user + " wa_id=" + user + " name=Sheena_Nelson profiles=1"}},
		{"message-unsupported-131060", schemas.TopicMessages, []string{user + ": inbound thread=" + user + " wa_id=" + user + " name=Sheena_Nelson profiles=1"}},
		{"message-system", schemas.TopicMessages, []string{user + ": inbound thread=" + user + " wa_id=" + user}},
		{"system-customer-changed-number", schemas.TopicMessages, []string{user + ": inbound thread=" + user + " wa_id=" + user}},
		{"system-user-changed-user-id", schemas.TopicMessages, []string{
			"US.23491208655302741919: inbound thread=US.23491208655302741919 user_id=US.23491208655302741919",
			sheena + ": inbound thread=" + sheena + " user_id=" + sheena,
			"US.23491208655302741919: inbound thread=US.23491208655302741919 user_id=US.23491208655302741919"}},
		{"value-errors", schemas.TopicMessages, []string{"errors: unknown"}},
		{"value-errors-contact", schemas.TopicMessages, []string{user + ": unknown thread=" + user + " wa_id=" + user + " name=Sheena_Nelson profiles=1"}},
	} {
		p := newPartition(t)
		p.clock = time.Unix(1739400300, 0)
		p.webhook(string(fixtures.Named(test.fixture).Body))
		p.tick(historyOf(&p.cfg).GapTimeout)
		got := p.topics[test.topic]
		if len(got) != len(test.want) {
			t.Errorf("%s: %d events on %s, want %d", test.fixture, len(got), test.topic, len(test.want))
			continue
		}
		for i, r := range got {
			if s := sideOf(t, r); s != test.want[i] {
				t.Errorf("%s, event %d:\ngot  %s\nwant %s", test.fixture, i, s, test.want[i])
			}
		}
	}
}

// A key that all messages without a named user shared would put strangers into one chat and on one partition.
func TestNoKeyEndsWithASlash(t *testing.T) {
	bodies := []string{
		envelope("messages", value(`"messages":[{"type":"text"},{"id":"w2","type":"text"}],"statuses":[{"status":"read"},{"id":"w3","status":"read"}],"errors":[{"code":1}]`)),
		envelope("smb_message_echoes", value(`"message_echoes":[{"type":"text"},{"id":"w4","from":"`+biz+`","type":"text"}]`)),
		envelope("history", value(`"messages":[{"type":"image"},{"from":"","id":"w5","type":"image"}]`)),
		envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":100},"threads":[{"id":"","messages":[{"type":"text"},{"id":"w6","type":"text","from":""}]},{"messages":[{"id":"w7"}]}]}]`)),
	}
	for _, f := range fixtures.All() {
		if f.Name != "ycloud-history-progress" {
			bodies = append(bodies, string(f.Body))
		}
	}
	events := 0
	for _, body := range bodies {
		p := newPartition(t)
		p.webhook(body)
		p.tick(p.cfg.Media.Hold + time.Minute)
		for _, topic := range []schemas.Topic{schemas.TopicHistory, schemas.TopicMedia, schemas.TopicContacts, schemas.TopicEchoes, schemas.TopicMessages} {
			for _, r := range p.topics[topic] {
				events++
				if _, rest, ok := strings.Cut(r.key, "/"); !ok || rest == "" {
					t.Errorf("%s: key %q of %s", topic, r.key, r.value)
				}
			}
		}
	}
	if events < 150 {
		t.Fatalf("%d events", events)
	}
}

func TestWhatNamesNobodyIsKeyedByItself(t *testing.T) {
	p := newPartition(t)
	p.webhook(envelope("messages", value(`"messages":[{"id":"w1","type":"text"},{"type":"text"}],"statuses":[{"id":"w2","status":"read"}]`)))
	for i, want := range []string{"w1", "", "w2"} {
		r := p.topics[schemas.TopicMessages][i]
		if want == "" {
			want = r.headers[schemas.HeaderCEID]
		}
		if r.key != phone+"/"+want {
			t.Errorf("event %d: key %q, want %s", i, r.key, want)
		}
	}
}

// One chat has one thread and one key, for every spelling of its number.
func TestEchoMessageStatusAndHistoryOfOneUserShareTheirKey(t *testing.T) {
	p := newPartition(t)
	p.webhook(envelope("messages", value(`"messages":[{"from":"16505551234","id":"w1","type":"text"}]`)))
	p.webhook(envelope("smb_message_echoes", value(`"message_echoes":[{"from":"+15550783881","to":"+1 650 555 1234","id":"w2","timestamp":"1772366400","type":"text"}]`)))
	p.webhook(envelope("messages", value(`"statuses":[{"recipient_id":"+16505551234","id":"w3","status":"read"}]`)))
	p.webhook(envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":1},"threads":[{"id":"+16505551234","messages":[{"from":"+16505551234","id":"w4","type":"text"}]}]}]`)))
	for _, topic := range []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes, schemas.TopicHistory} {
		for _, r := range p.topics[topic] {
			if r.key != phone+"/"+user {
				t.Errorf("%s: key %q of %s", topic, r.key, r.value)
			}
		}
	}
	if len(p.topics[schemas.TopicMessages]) != 2 || len(p.topics[schemas.TopicEchoes]) != 1 || len(p.topics[schemas.TopicHistory]) != 1 {
		t.Error("an event is missing")
	}
}

// The two spellings of a number are one person in every comparison of ids, and remain two in events.
func TestOtherSpellingIsComparedAndNotRewritten(t *testing.T) {
	p := newPartition(t)
	p.webhook(envelope("messages", value(`"contacts":[{"wa_id":"5511955504321","profile":{"name":"Jo"}}],"messages":[{"from":"551155504321","id":"w1","type":"text"}]`)))
	p.webhook(envelope("smb_message_echoes", value(`"message_echoes":[{"from":"`+biz+`","to":"5511955504321","id":"w2","timestamp":"1772366400","type":"text"}]`)))
	if got, want := sideOf(t, p.topics[schemas.TopicMessages][0]), "551155504321: inbound thread=551155504321 wa_id=551155504321 name=Jo profiles=1"; got != want {
		t.Errorf("message: %s", got)
	}
	if got, want := sideOf(t, p.topics[schemas.TopicEchoes][0]), "5511955504321: outbound thread=5511955504321 wa_id=5511955504321"; got != want {
		t.Errorf("echo: %s", got)
	}
}

// A webhook that names a user by its BSUID alone goes under that id; one that names both ids is what joins the two.
func TestUserIsKeyedByItsNumberWhereverOneIsNamedElseByItsBSUID(t *testing.T) {
	p := newPartition(t)
	p.webhook(envelope("messages", value(`"contacts":[{"wa_id":"`+user+`","user_id":"US.39"}],"messages":[{"from":"`+user+`","from_user_id":"US.39","id":"w1","type":"text"}]`)))
	p.webhook(envelope("messages", value(`"contacts":[{"user_id":"US.39"}],"messages":[{"from_user_id":"US.39","id":"w2","type":"text"}]`)))
	p.webhook(envelope("messages", value(`"contacts":[{"wa_id":"`+user+`","user_id":"US.39"}],"messages":[{"from_user_id":"US.39","id":"w3","type":"text"}]`)))
	for i, want := range []string{
		user + ": inbound thread=" + user + " wa_id=" + user + " user_id=US.39 profiles=1",
		"US.39: inbound thread=US.39 user_id=US.39 profiles=1",
		user + ": inbound thread=" + user + " wa_id=" + user + " user_id=US.39 profiles=1",
	} {
		if got := sideOf(t, p.topics[schemas.TopicMessages][i]); got != want {
			t.Errorf("message %d:\ngot  %s\nwant %s", i, got, want)
		}
	}
}

func TestMediaFollowUpHasTheChatOfItsPlaceholderAndItsOwnContact(t *testing.T) {
	placeholder := func(thread, more string) string {
		return envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":1},"threads":[{`+thread+
			`,"messages":[{"from":"`+biz+`","id":"p1","timestamp":"1772300007","type":"media_placeholder"`+more+`}]}]}]`))
	}
	for _, test := range []struct{ name, placeholder, asset, want string }{
		{"a spelling with a plus", placeholder(`"id":"+16505551234"`, ""), `"messages":[{"from":"+16505551234","from_user_id":"US.1","id":"p1","type":"image"}]`,
			"p1: outbound thread=16505551234 wa_id=16505551234 user_id=US.1"},
		{"contacts", placeholder(`"id":"16505551234"`, ""), `"contacts":[{"wa_id":"16505551234","profile":{"name":"n"}}],"messages":[{"from":"16505551234","id":"p1","type":"image"}]`,
			"p1: outbound thread=16505551234 wa_id=16505551234 name=n profiles=1"},
		{"nobody", placeholder(`"id":"16505551234"`, ""), `"messages":[{"id":"p1","type":"image"}]`, "p1: outbound thread=16505551234 wa_id=16505551234"},
		{"another sender, as in Meta's sample", placeholder(`"id":"16505551234"`, ""), `"messages":[{"from":"12125557890","id":"p1","type":"image"}]`,
			"p1: outbound thread=16505551234 wa_id=16505551234"},
		{"a group", placeholder(`"id":"G1"`, `,"group_id":"G1"`), `"messages":[{"from":"16505551234","group_id":"G1","id":"p1","type":"image"}]`,
			"p1: outbound thread=G1 group=G1 wa_id=16505551234"},
		{"a group that the asset does not name", placeholder(`"id":"G1"`, `,"group_id":"G1"`), `"messages":[{"from":"16505551234","id":"p1","type":"image"}]`,
			"p1: outbound thread=G1 group=G1 wa_id=16505551234"},
		{"a group by its id alone", strings.Replace(placeholder(`"id":"120363043211234567@g.us"`, ""), `"from":"`+biz, `"from":"`+user, 1),
			`"messages":[{"from":"16505551234","id":"p1","type":"image"}]`, "p1: inbound thread=120363043211234567@g.us group=120363043211234567@g.us wa_id=16505551234"},
		{"a group by to alone", strings.Replace(placeholder(`"id":"GRP"`, `,"to":"GRP"`), `"from":"`+biz, `"from":"`+user, 1),
			`"messages":[{"from":"16505551234","id":"p1","type":"image"}]`, "p1: inbound thread=GRP group=GRP wa_id=16505551234"},
		{"the business to a group", placeholder(`"id":"120363043211234567@g.us"`, ""), `"contacts":[{"wa_id":"16505551234"}],"messages":[{"from":"` + biz + `","id":"p1","type":"image"}]`,
			"p1: outbound thread=120363043211234567@g.us group=120363043211234567@g.us"},
	} {
		asset := envelope("history", value(test.asset))
		for _, order := range [][]string{{test.placeholder, asset}, {asset, test.placeholder}} {
			p := newPartition(t)
			for _, body := range order {
				p.webhook(body)
				p.restart()
			}
			got := p.topics[schemas.TopicMedia]
			if len(got) != 1 {
				t.Errorf("%s: %d assets", test.name, len(got))
				continue
			}
			if s := sideOf(t, got[0]); s != test.want {
				t.Errorf("%s, placeholder first %v:\ngot  %s\nwant %s", test.name, order[0] == test.placeholder, s, test.want)
			}
		}
	}
}

// A follow-up that waits in `state` since an earlier version has no side, and the whole contacts[] as its profiles.
func TestFollowUpOfAnEarlierVersionIsRestored(t *testing.T) {
	p := newPartition(t)
	p.webhook(envelope("history", value(`"contacts":[{"wa_id":"`+user+`"}],"messages":[{"from":"+`+user+`","from_user_id":"US.1","id":"p1","timestamp":"1772300000","type":"image"}]`)))
	older := 0
	for i, r := range p.topics[schemas.TopicState] {
		head, text, ok := strings.Cut(string(r.value), `{"Key"`)
		if !strings.HasPrefix(r.key, "m|") || !ok {
			continue
		}
		var a map[string]any
		if err := json.Unmarshal([]byte(`{"Key"`+text), &a); err != nil {
			t.Fatal(err)
		}
		if a["Side"] == nil {
			t.Fatal("no side is stored")
		}
		delete(a, "Side")
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		p.topics[schemas.TopicState][i].value = append([]byte(head), b...)
		older++
	}
	if older != 1 {
		t.Fatalf("%d follow-ups in the state", older)
	}
	p.restart()
	p.tick(p.cfg.Media.Hold + time.Minute)
	got := p.topics[schemas.TopicMedia]
	if len(got) != 1 {
		t.Fatalf("%d assets", len(got))
	}
	if s, want := sideOf(t, got[0]), "p1: inbound thread="+user+" wa_id="+user+" user_id=US.1 profiles=1"; s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// docs/webhooks.md, W6: the request of a copy may name the group where it names users.
func TestCopyOfAnEchoToAGroupIsTheGroups(t *testing.T) {
	const group = "120363394327000001@g.us"
	p := newPartition(t)
	p.webhook(string(fixtures.Named("standby-echo-to-group").Body))
	got := events[schemas.Message](p, schemas.TopicEchoes)
	if len(got) != 1 || got[0].Thread != group || got[0].GroupID != group || got[0].Contact != nil || !got[0].Standby {
		t.Errorf("echoes are %+v", got)
	}
}
