package people_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/cost"
	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors/people"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

const biz = "15550009001"

// scan cuts a value of a field.
func scan(t testing.TB, field, value string) *split.Change {
	t.Helper()
	body := `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"` + field + `","value":{` + value + `}}]}]}`
	b, err := split.NewScanner(split.Limits{}).Scan([]byte(body))
	if err != nil {
		t.Fatalf("scan of %s: %v", body, err)
	}
	return &b.Changes[0]
}

// show writes a side on one line, without empty fields.
func show(s *people.Side) string {
	var b strings.Builder
	b.WriteString(s.Direction)
	for _, f := range []struct{ name, value string }{
		{"thread", s.Thread}, {"group", s.GroupID}, {"wa_id", s.Contact.WaID}, {"user_id", s.Contact.UserID},
		{"parent", s.Contact.ParentUserID}, {"username", s.Contact.Username}, {"country", s.Contact.CountryCode},
		{"name", s.Contact.ProfileName}, {"profiles", string(s.Profiles)},
	} {
		if f.value != "" {
			fmt.Fprintf(&b, " %s=%s", f.name, f.value)
		}
	}
	return b.String()
}

type sideCase struct{ name, value, want string }

func checkSides(t *testing.T, cases []sideCase, side func(f *people.Finder, c *split.Change) *people.Side) {
	t.Helper()
	for _, test := range cases {
		var f people.Finder
		if got := show(side(&f, scan(t, "messages", test.value))); got != test.want {
			t.Errorf("%s: %s\ngot  %s\nwant %s", test.name, test.value, got, test.want)
		}
	}
}

func TestMessageIsFromItsUserHoweverItIsNamed(t *testing.T) {
	checkSides(t, []sideCase{
		{"phone", `"messages":[{"from":"16505550100"}]`, "inbound thread=16505550100 wa_id=16505550100"},
		{"phone as a number", `"messages":[{"from":16505550100}]`, "inbound thread=16505550100 wa_id=16505550100"},
		{"plus and blanks", `"messages":[{"from":"+1 650 555-0100"}]`, "inbound thread=16505550100 wa_id=16505550100"},
		{"phone and BSUIDs", `"messages":[{"from":"16505550100","from_user_id":"US.1","from_parent_user_id":"US.ENT.1"}]`,
			"inbound thread=16505550100 wa_id=16505550100 user_id=US.1 parent=US.ENT.1"},
		{"BSUID alone", `"messages":[{"from_user_id":"US.1"}]`, "inbound thread=US.1 user_id=US.1"},
		{"parent BSUID alone", `"messages":[{"from_parent_user_id":"US.ENT.1"}]`, "inbound thread=US.ENT.1 parent=US.ENT.1"},
		{"BSUID beside an empty phone", `"messages":[{"from":"","from_user_id":"US.1"}]`, "inbound thread=US.1 user_id=US.1"},
		{"BSUID in from", `"messages":[{"from":"US.1"}]`, "inbound thread=US.1 user_id=US.1"},
		{"a phone number in place of the BSUID", `"messages":[{"from_user_id":"+16505550100"}]`, "inbound thread=16505550100 wa_id=16505550100"},
		{"a phone number twice", `"messages":[{"from":"16505550100","from_user_id":"16505550101"}]`, "inbound thread=16505550100 wa_id=16505550100"},
		{"a form that nobody documents", `"messages":[{"from":"lid:7"}]`, "inbound thread=lid:7 user_id=lid:7"},
		{"only person of contacts", `"contacts":[{"wa_id":"16505550100","user_id":"US.1","profile":{"name":"n"}}],"messages":[{}]`,
			`inbound thread=16505550100 wa_id=16505550100 user_id=US.1 name=n profiles=[{"wa_id":"16505550100","user_id":"US.1","profile":{"name":"n"}}]`},
		{"only person of contacts, twice", `"contacts":[{"wa_id":"16505550100"},{"wa_id":"+16505550100","user_id":"US.1"}],"messages":[{"from":null}]`,
			`inbound thread=16505550100 wa_id=16505550100 user_id=US.1 profiles=[{"wa_id":"16505550100"},{"wa_id":"+16505550100","user_id":"US.1"}]`},
		{"only person beside the business", `"contacts":[{"wa_id":"` + biz + `"},{"user_id":"US.1"}],"messages":[{}]`,
			`inbound thread=US.1 user_id=US.1 profiles=[{"user_id":"US.1"}]`},
		{"one of two, nobody knows which", `"contacts":[{"user_id":"US.1"},{"user_id":"US.2"}],"messages":[{}]`, "inbound"},
		{"nobody", `"messages":[{"id":"w"}]`, "inbound"},
		{"blanks are nobody", `"messages":[{"from":"  ","from_user_id":" "}]`, "inbound"},
		{"a plus alone is nobody", `"messages":[{"from":"+"}]`, "inbound"},
		{"blanks beside a BSUID", `"messages":[{"from":" ","from_user_id":"US.1"}]`, "inbound thread=US.1 user_id=US.1"},
		{"blanks, one in contacts", `"contacts":[{"wa_id":"16505550100"}],"messages":[{"from":" "}]`,
			`inbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`},
		{"an international prefix", `"contacts":[{"wa_id":"16505550100","user_id":"US.1"}],"messages":[{"from":"0016505550100"}]`,
			`inbound thread=16505550100 wa_id=16505550100 user_id=US.1 profiles=[{"wa_id":"16505550100","user_id":"US.1"}]`},
	}, func(f *people.Finder, c *split.Change) *people.Side {
		return f.Message(c, []byte(biz), &c.Messages[0], false)
	})
}

func TestContactTakesTheMatchingEntriesOfContacts(t *testing.T) {
	const two = `"contacts":[{"profile":{"name":"other","username":"o"},"wa_id":"16505550199","user_id":"US.99"},` +
		`{"profile":{"name":"n","username":"u"},"wa_id":"16505550100","user_id":"US.1","parent_user_id":"US.ENT.1","country_code":"US"}],`
	const entry = `profiles=[{"profile":{"name":"n","username":"u"},"wa_id":"16505550100","user_id":"US.1","parent_user_id":"US.ENT.1","country_code":"US"}]`
	const all = " wa_id=16505550100 user_id=US.1 parent=US.ENT.1 username=u country=US name=n " + entry
	checkSides(t, []sideCase{
		{"by phone", two + `"messages":[{"from":"16505550100"}]`, "inbound thread=16505550100" + all},
		{"by phone with a plus", two + `"messages":[{"from":"+16505550100"}]`, "inbound thread=16505550100" + all},
		{"by BSUID", two + `"messages":[{"from_user_id":"US.1"}]`, "inbound thread=16505550100" + all},
		{"by BSUID in from", two + `"messages":[{"from":"US.1"}]`, "inbound thread=16505550100" + all},
		{"by parent BSUID", two + `"messages":[{"from_parent_user_id":"US.ENT.1"}]`, "inbound thread=16505550100" + all},
		{"what the message says goes first", `"contacts":[{"wa_id":"16505550100","user_id":"US.1"}],"messages":[{"from":"16505550100","from_user_id":"US.2"}]`,
			`inbound thread=16505550100 wa_id=16505550100 user_id=US.2 profiles=[{"wa_id":"16505550100","user_id":"US.1"}]`},
		{"in the other spelling", `"contacts":[{"wa_id":"5511987654321","user_id":"BR.1"}],"messages":[{"from":"551187654321"}]`,
			`inbound thread=551187654321 wa_id=551187654321 user_id=BR.1 profiles=[{"wa_id":"5511987654321","user_id":"BR.1"}]`},
		{"BSUID in wa_id", `"contacts":[{"wa_id":"US.1","profile":{"name":"n"}}],"messages":[{"from_user_id":"US.1"}]`,
			`inbound thread=US.1 user_id=US.1 name=n profiles=[{"wa_id":"US.1","profile":{"name":"n"}}]`},
		{"wa_id as a number", `"contacts":[{"wa_id":16505550100,"username":"u"}],"messages":[{"from":"16505550100"}]`,
			`inbound thread=16505550100 wa_id=16505550100 username=u profiles=[{"wa_id":16505550100,"username":"u"}]`},
		{"not the first one", `"contacts":[{"wa_id":"16505550199"}],"messages":[{"from":"16505550100"}]`, "inbound thread=16505550100 wa_id=16505550100"},
		{"without a profile", `"contacts":[{"wa_id":"16505550100"}],"messages":[{"from":"16505550100"}]`,
			`inbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`},
		{"empty strings", `"contacts":[{"wa_id":"","user_id":""},{"wa_id":"","user_id":"US.1"}],"messages":[{"from":"","from_user_id":"US.1"}]`,
			`inbound thread=US.1 user_id=US.1 profiles=[{"wa_id":"","user_id":"US.1"}]`},
		{"an object in place of the array", `"contacts":{"wa_id":"16505550100"},"messages":[{"from":"16505550100"}]`,
			`inbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`},
		{"odd elements", `"contacts":[7,"x",null,{"wa_id":"16505550100"}],"messages":[{"from":"16505550100"}]`,
			`inbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`},
		{"null", `"contacts":null,"messages":[{"from":"16505550100"}]`, "inbound thread=16505550100 wa_id=16505550100"},
	}, func(f *people.Finder, c *split.Change) *people.Side {
		return f.Message(c, []byte(biz), &c.Messages[0], false)
	})
}

// Several users in one webhook, contacts[] in another order than messages[]: a long one is sorted, with the same result.
func TestEachOfManyUsersOfAWebhookGetsItsOwnEntry(t *testing.T) {
	for _, n := range []int{2, 8, 9, 500} {
		var contacts, messages []string
		for i := range n {
			contacts = append(contacts, fmt.Sprintf(`{"wa_id":"1650%07d","user_id":"US.%d"}`, n-1-i, n-1-i))
			from := fmt.Sprintf(`{"from":"+1650%07d"}`, i)
			if i%3 == 1 {
				from = fmt.Sprintf(`{"from_user_id":"US.%d"}`, i)
			}
			messages = append(messages, from)
		}
		c := scan(t, "messages", `"contacts":[`+strings.Join(contacts, ",")+`],"messages":[`+strings.Join(messages, ",")+`]`)
		var f people.Finder
		for i := range n {
			want := fmt.Sprintf(`inbound thread=1650%07d wa_id=1650%07d user_id=US.%d profiles=[%s]`, i, i, i, contacts[n-1-i])
			if got := show(f.Message(c, []byte(biz), &c.Messages[i], false)); got != want {
				t.Fatalf("message %d of %d:\ngot  %s\nwant %s", i, n, got, want)
			}
		}
	}
}

// A body that names ten thousand people, all by one number at worst, costs no more for each of them than one of a hundred.
func TestManyPeopleInOneWebhookCostNoMoreEach(t *testing.T) {
	for _, alike := range []bool{false, true} {
		t.Run(fmt.Sprintf("alike=%v", alike), func(t *testing.T) {
			cost.Linear(t, 10_000, func(n int) func() {
				var contacts, messages []string
				for i := range n {
					who := i
					if alike {
						who = 0
					}
					contacts = append(contacts, fmt.Sprintf(`{"wa_id":"1650%07d"}`, who))
					messages = append(messages, fmt.Sprintf(`{"from":"1650%07d"}`, i))
				}
				c := scan(t, "messages", `"contacts":[`+strings.Join(contacts, ",")+`],"messages":[`+strings.Join(messages, ",")+`]`)
				return func() {
					var f people.Finder
					bytes := 0
					for i := range c.Messages {
						bytes += len(f.Message(c, []byte(biz), &c.Messages[i], false).Profiles)
					}
					if bytes > 1<<20 {
						t.Errorf("%d bytes of profiles", bytes)
					}
				}
			})
		})
	}
}

func TestMessageThatTheBusinessSentElsewhereIsOutbound(t *testing.T) {
	check := func(display string, cases []sideCase) {
		checkSides(t, cases, func(f *people.Finder, c *split.Change) *people.Side {
			return f.Message(c, []byte(display), &c.Messages[0], false)
		})
	}
	check("+1 555-000-9001", []sideCase{
		{"from the business", `"messages":[{"from":"15550009001","to":"16505550100"}]`, "outbound thread=16505550100 wa_id=16505550100"},
		{"to a BSUID", `"messages":[{"from":"15550009001","to_user_id":"US.1","to_parent_user_id":"US.ENT.1"}]`, "outbound thread=US.1 user_id=US.1 parent=US.ENT.1"},
		{"to nobody, one in contacts", `"contacts":[{"wa_id":"16505550100"}],"messages":[{"from":"15550009001"}]`,
			`outbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`},
		{"to itself", `"messages":[{"from":"15550009001","to":"15550009001"}]`, "outbound thread=15550009001 wa_id=15550009001"},
		{"from_me", `"messages":[{"to":"16505550100","history_context":{"from_me":true}}]`, "outbound thread=16505550100 wa_id=16505550100"},
		{"to the business, without from", `"contacts":[{"user_id":"US.1"}],"messages":[{"to":"15550009001"}]`, `inbound thread=US.1 user_id=US.1 profiles=[{"user_id":"US.1"}]`},
		{"to somebody else, without from", `"messages":[{"to":"16505550100"}]`, "outbound thread=16505550100 wa_id=16505550100"},
	})
	check("5521912345678", []sideCase{
		{"in the other spelling", `"messages":[{"from":"552112345678","to":"5531900000002"}]`, "outbound thread=5531900000002 wa_id=5531900000002"},
	})
	check("", []sideCase{
		{"contacts has the receiver", `"contacts":[{"wa_id":"16505550100"}],"messages":[{"from":"15550009001","to":"16505550100"}]`,
			`outbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`},
		{"contacts has the sender", `"contacts":[{"wa_id":"16505550100"}],"messages":[{"from":"16505550100","to":"15550009001"}]`,
			`inbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`},
		{"from_me false", `"messages":[{"from":"16505550100","history_context":{"from_me":false}}]`, "inbound thread=16505550100 wa_id=16505550100"},
	})
}

func TestEchoIsToWhomeverAnythingNames(t *testing.T) {
	checkSides(t, []sideCase{
		{"to", `"message_echoes":[{"from":"15550009001","to":"16505550100"}]`, "outbound thread=16505550100 wa_id=16505550100"},
		{"to with a plus", `"message_echoes":[{"from":"+15550009001","to":"+16505550100"}]`, "outbound thread=16505550100 wa_id=16505550100"},
		{"to_user_id", `"message_echoes":[{"from":"15550009001","to":"","to_user_id":"US.1"}]`, "outbound thread=US.1 user_id=US.1"},
		{"BSUID in to", `"message_echoes":[{"from":"15550009001","to":"US.1"}]`, "outbound thread=US.1 user_id=US.1"},
		{"recipient_id", `"message_echoes":[{"from":"15550009001","recipient_id":"16505550100","recipient_user_id":"US.1"}]`, "outbound thread=16505550100 wa_id=16505550100 user_id=US.1"},
		{"to and a recipient's BSUID", `"message_echoes":[{"to":"16505550100","recipient_user_id":"US.1","recipient_parent_user_id":"US.ENT.1"}]`,
			"outbound thread=16505550100 wa_id=16505550100 user_id=US.1 parent=US.ENT.1"},
		{"contacts", `"contacts":[{"wa_id":"16505550100","user_id":"US.2700"}],"message_echoes":[{"from":"15550009001"}]`,
			`outbound thread=16505550100 wa_id=16505550100 user_id=US.2700 profiles=[{"wa_id":"16505550100","user_id":"US.2700"}]`},
		{"contacts is the business", `"contacts":[{"wa_id":"15550009001"}],"message_echoes":[{"from":"15550009001"}]`, "outbound"},
		{"to a group", `"message_echoes":[{"from":"15550009001","to":"G1","group_id":"G1"}]`, "outbound thread=G1 group=G1"},
		{"to a group by its type", `"message_echoes":[{"from":"15550009001","to":"120363043211234567","recipient_type":"group"}]`,
			"outbound thread=120363043211234567 group=120363043211234567"},
		{"to a group by the form of its id", `"contacts":[{"wa_id":"16505550100"}],"message_echoes":[{"from":"15550009001","to":"5511987654321-1612345678@g.us"}]`,
			"outbound thread=5511987654321-1612345678@g.us group=5511987654321-1612345678@g.us"},
		{"to a group by its digits", `"message_echoes":[{"to":"120363043211234567"}]`, "outbound thread=120363043211234567 group=120363043211234567"},
		{"to a group of the Groups API", `"message_echoes":[{"to":"Y2FwaV9ncm91cDoxOTUwNTU1"}]`, "outbound thread=Y2FwaV9ncm91cDoxOTUwNTU1 group=Y2FwaV9ncm91cDoxOTUwNTU1"},
		{"the request to a group", `"message_echoes":[{"id":"w","message":{"messaging_product":"whatsapp","recipient_type":"group","to":"G1","type":"text"}}]`, "outbound thread=G1 group=G1"},
		{"the request to one user", `"message_echoes":[{"id":"w","message":{"recipient_type":"individual","to":"16505550100","type":"text"}}]`, "outbound thread=16505550100 wa_id=16505550100"},
		{"the request to a group where a user is named", `"message_echoes":[{"id":"w","message":{"recipient":"120363043211234567@g.us","type":"text"}}]`,
			"outbound thread=120363043211234567@g.us group=120363043211234567@g.us"},
		{"the request to a group by its type where a user is named", `"message_echoes":[{"id":"w","message":{"recipient_type":"group","recipient":"G1","type":"text"}}]`, "outbound thread=G1 group=G1"},
		{"the request to a group by its type in capitals", `"message_echoes":[{"id":"w","message":{"recipient_type":"GROUP","to":"G1","type":"text"}}]`, "outbound thread=G1 group=G1"},
		{"the request to a group, and the one in contacts is not all of it", `"contacts":[{"wa_id":"16505550100"}],"message_echoes":[{"id":"w","message":{"recipient":"120363043211234567"}}]`,
			"outbound thread=120363043211234567 group=120363043211234567"},
		{"to a group where a user is named", `"message_echoes":[{"from":"15550009001","to_user_id":"120363043211234567@G.US"}]`,
			"outbound thread=120363043211234567@G.US group=120363043211234567@G.US"},
		{"to a group in capitals", `"message_echoes":[{"from":"15550009001","to":"120363043211234567@G.US"}]`, "outbound thread=120363043211234567@G.US group=120363043211234567@G.US"},
		{"to a group of old, without its suffix", `"message_echoes":[{"from":"15550009001","to":"5511987654321-1612345678"}]`,
			"outbound thread=5511987654321-1612345678 group=5511987654321-1612345678"},
		{"a group in contacts", `"contacts":[{"wa_id":"1@g.us"},{"wa_id":"16505550100"}],"message_echoes":[{"from":"15550009001"}]`,
			`outbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`},
		{"nobody", `"message_echoes":[{"from":"15550009001"}]`, "outbound"},
	}, func(f *people.Finder, c *split.Change) *people.Side {
		return f.Message(c, []byte(biz), &c.Echoes[0], true)
	})
}

func TestGroupIsTheThreadAndTheParticipantTheContact(t *testing.T) {
	checkSides(t, []sideCase{
		{"message", `"contacts":[{"wa_id":"16505550100","profile":{"name":"p"}}],"messages":[{"from":"16505550100","group_id":"G1"}]`,
			`inbound thread=G1 group=G1 wa_id=16505550100 name=p profiles=[{"wa_id":"16505550100","profile":{"name":"p"}}]`},
		{"of another participant", `"contacts":[{"wa_id":"16505550100","profile":{"name":"p"}}],"messages":[{"from":"16505550101","group_id":"G1"}]`,
			"inbound thread=G1 group=G1 wa_id=16505550101"},
		{"of a BSUID", `"messages":[{"from_user_id":"US.1","group_id":"G1"}]`, "inbound thread=G1 group=G1 user_id=US.1"},
		{"of the business", `"messages":[{"from":"15550009001","group_id":"G1"}]`, "outbound thread=G1 group=G1"},
		{"of the business, which is for all", `"contacts":[{"wa_id":"16505550100"}],"messages":[{"from":"15550009001","group_id":"G1"}]`, "outbound thread=G1 group=G1"},
		{"of the only person of contacts", `"contacts":[{"wa_id":"16505550100"}],"messages":[{"group_id":"G1"}]`,
			`inbound thread=G1 group=G1 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`},
		{"a group's id keeps its spelling", `"messages":[{"from":"+16505550100","group_id":"+1 203"}]`, "inbound thread=+1 203 group=+1 203 wa_id=16505550100"},
		{"a group by its id in to", `"messages":[{"from":"16505550100","to":"1-2@g.us"}]`, "inbound thread=1-2@g.us group=1-2@g.us wa_id=16505550100"},
		{"a group by its id in from", `"messages":[{"from":"1-2@g.us"}]`, "inbound thread=1-2@g.us group=1-2@g.us"},
		{"a group by its id in to_user_id", `"messages":[{"from":"16505550100","to_user_id":"1-2@g.us"}]`, "inbound thread=1-2@g.us group=1-2@g.us wa_id=16505550100"},
		{"a group by its id in from_user_id", `"messages":[{"from":"16505550100","from_user_id":"1-2@g.us"}]`, "inbound thread=1-2@g.us group=1-2@g.us wa_id=16505550100"},
		{"a group of old in from, without its suffix", `"messages":[{"from":"5511987654321-1612345678","from_user_id":"US.1"}]`,
			"inbound thread=5511987654321-1612345678 group=5511987654321-1612345678 user_id=US.1"},
		{"a group of blanks", `"messages":[{"from":"16505550100","group_id":" "}]`, "inbound thread=16505550100 wa_id=16505550100"},
		{"empty group", `"messages":[{"from":"16505550100","group_id":""}]`, "inbound thread=16505550100 wa_id=16505550100"},
	}, func(f *people.Finder, c *split.Change) *people.Side {
		return f.Message(c, []byte(biz), &c.Messages[0], false)
	})
}

func TestStatusIsOfItsRecipient(t *testing.T) {
	checkSides(t, []sideCase{
		{"phone", `"statuses":[{"recipient_id":"16505550100"}]`, "outbound thread=16505550100 wa_id=16505550100"},
		{"all", `"statuses":[{"recipient_id":"+16505550100","recipient_user_id":"US.25","recipient_parent_user_id":"US.ENT.25"}]`,
			"outbound thread=16505550100 wa_id=16505550100 user_id=US.25 parent=US.ENT.25"},
		{"the parent by its other name", `"statuses":[{"recipient_id":"16505550100","parent_recipient_user_id":"US.ENT.25"}]`,
			"outbound thread=16505550100 wa_id=16505550100 parent=US.ENT.25"},
		{"BSUID", `"statuses":[{"recipient_user_id":"US.25"}]`, "outbound thread=US.25 user_id=US.25"},
		{"BSUID in recipient_id", `"statuses":[{"recipient_id":"US.25"}]`, "outbound thread=US.25 user_id=US.25"},
		{"contacts has the phone of the BSUID", `"contacts":[{"wa_id":"16505550100","user_id":"US.25","profile":{"username":"u"}}],"statuses":[{"recipient_user_id":"US.25"}]`,
			`outbound thread=16505550100 wa_id=16505550100 user_id=US.25 username=u profiles=[{"wa_id":"16505550100","user_id":"US.25","profile":{"username":"u"}}]`},
		{"failed, contacts with wa_id alone", `"contacts":[{"wa_id":"16505550100"}],"statuses":[{"recipient_id":"16505550100","status":"failed"}]`,
			`outbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`},
		{"group", `"statuses":[{"recipient_id":"G1","recipient_type":"group","recipient_participant_id":"16505550100","recipient_participant_user_id":"US.1","recipient_participant_parent_user_id":"US.ENT.1"}]`,
			"outbound thread=G1 group=G1 wa_id=16505550100 user_id=US.1 parent=US.ENT.1"},
		{"group, the participant by its older name", `"statuses":[{"recipient_id":"G1","recipient_type":"group","participant_recipient_id":"16505550100"}]`,
			"outbound thread=G1 group=G1 wa_id=16505550100"},
		{"group without its type", `"statuses":[{"recipient_id":"G1","recipient_participant_user_id":"US.1"}]`, "outbound thread=G1 group=G1 user_id=US.1"},
		{"group without its type, the participant by two ids", `"statuses":[{"recipient_id":"G1","recipient_participant_user_id":"US.1234567","recipient_participant_parent_user_id":"US.ENT.123"}]`,
			"outbound thread=G1 group=G1 user_id=US.1234567 parent=US.ENT.123"},
		{"group alone", `"statuses":[{"recipient_id":"120363043211234567","recipient_type":"group"}]`, "outbound thread=120363043211234567 group=120363043211234567"},
		{"group alone, another participant in contacts", `"contacts":[{"wa_id":"16505550100"}],"statuses":[{"recipient_id":"G1","recipient_type":"group"}]`, "outbound thread=G1 group=G1"},
		{"group alone, by the form of its id", `"contacts":[{"wa_id":"16505550100"}],"statuses":[{"recipient_id":"1-2@g.us"}]`, "outbound thread=1-2@g.us group=1-2@g.us"},
		{"group where a user is named", `"contacts":[{"wa_id":"16505550100"}],"statuses":[{"recipient_user_id":"1-2@g.us"}]`, "outbound thread=1-2@g.us group=1-2@g.us"},
		{"group beside a participant", `"statuses":[{"recipient_id":"16505550100","recipient_user_id":"1-2@G.US"}]`, "outbound thread=1-2@G.US group=1-2@G.US wa_id=16505550100"},
		{"logical id alone", `"statuses":[{"recipient_logical_id":"244048631738500"}]`, "outbound thread=244048631738500"},
		{"nobody", `"statuses":[{"id":"w"}]`, "outbound"},
	}, func(f *people.Finder, c *split.Change) *people.Side {
		return f.Status(c, []byte(biz), &c.Statuses[0])
	})
}

func TestSystemMessageIsAboutItsUser(t *testing.T) {
	checkSides(t, []sideCase{
		{"changed number", `"messages":[{"from":"16505550100","type":"system","system":{"type":"user_changed_number","wa_id":"12195555358","user_id":"US.2"}}]`,
			"inbound thread=16505550100 wa_id=16505550100"},
		{"changed number, in older words", `"messages":[{"type":"system","system":{"type":"customer_changed_number","customer":"16505550100","new_wa_id":"12195555358"}}]`,
			"inbound thread=12195555358 wa_id=12195555358"},
		{"changed user id", `"messages":[{"type":"system","system":{"type":"user_changed_user_id","previous_user_id":"US.28","user_id":"US.29","parent_user_id":"US.ENT.29"}}]`,
			"inbound thread=US.29 user_id=US.29 parent=US.ENT.29"},
		{"changed user id, with the number", `"messages":[{"type":"system","system":{"type":"user_changed_user_id","wa_id":"16505550100","user_id":"US.29"}}]`,
			"inbound thread=16505550100 wa_id=16505550100 user_id=US.29"},
		{"changed user id, with the sender", `"messages":[{"from":"16505550100","type":"system","system":{"wa_id":"+16505550100","user_id":"US.29"}}]`,
			"inbound thread=16505550100 wa_id=16505550100 user_id=US.29"},
		{"previous id alone", `"messages":[{"type":"system","system":{"previous_user_id":"US.28"}}]`, "inbound thread=US.28 user_id=US.28"},
		{"previous number alone", `"messages":[{"type":"system","system":{"customer":"+16505550100"}}]`, "inbound thread=16505550100 wa_id=16505550100"},
		{"as a partner forwards it", `"messages":[{"type":"system","user_id_update":{"user_id":{"previous":"US.28","current":"US.29"}}}]`, "inbound thread=US.29 user_id=US.29"},
		{"as a partner forwards it, the previous one alone", `"messages":[{"type":"system","user_id_update":{"user_id":{"previous":"US.28"}}}]`, "inbound thread=US.28 user_id=US.28"},
		{"from the business", `"messages":[{"from":"15550009001","type":"system","system":{"wa_id":"16505550100","user_id":"US.29"}}]`, "outbound thread=16505550100 wa_id=16505550100 user_id=US.29"},
		{"about nobody", `"messages":[{"type":"system","system":{"body":"b"}}]`, "inbound"},
	}, func(f *people.Finder, c *split.Change) *people.Side {
		return f.Message(c, []byte(biz), &c.Messages[0], false)
	})
}

func TestEchoOfTypeSystemIsAboutItsUser(t *testing.T) {
	checkSides(t, []sideCase{
		{"changed user id", `"message_echoes":[{"from":"15550009001","type":"system","system":{"previous_user_id":"US.28","user_id":"US.29","parent_user_id":"US.ENT.29"}}]`,
			"outbound thread=US.29 user_id=US.29 parent=US.ENT.29"},
		{"changed user id, to the number", `"message_echoes":[{"from":"15550009001","to":"16505550100","type":"system","system":{"user_id":"US.29"}}]`,
			"outbound thread=16505550100 wa_id=16505550100 user_id=US.29"},
		{"previous id alone", `"message_echoes":[{"type":"system","system":{"previous_user_id":"US.28"}}]`, "outbound thread=US.28 user_id=US.28"},
		{"about nobody", `"message_echoes":[{"type":"system","system":{"body":"b"}}]`, "outbound"},
	}, func(f *people.Finder, c *split.Change) *people.Side {
		return f.Message(c, []byte(biz), &c.Echoes[0], true)
	})
}

// An item among echoes that is to the business is from its user.
func TestEchoToTheBusinessIsFromItsUser(t *testing.T) {
	checkSides(t, []sideCase{
		{"number", `"message_echoes":[{"from":"16505550100","to":"15550009001"}]`, "inbound thread=16505550100 wa_id=16505550100"},
		{"other spelling", `"message_echoes":[{"from":"+1 650 555-0100","to":"+1 555 000-9001"}]`, "inbound thread=16505550100 wa_id=16505550100"},
		{"BSUID", `"message_echoes":[{"from_user_id":"US.1","to":"15550009001"}]`, "inbound thread=US.1 user_id=US.1"},
		{"to itself", `"message_echoes":[{"from":"15550009001","to":"15550009001"}]`, "outbound thread=15550009001 wa_id=15550009001"},
	}, func(f *people.Finder, c *split.Change) *people.Side {
		return f.Message(c, []byte(biz), &c.Echoes[0], true)
	})
}

func TestErrorIsOfItsRecipientOrTheOnlyPersonOfContacts(t *testing.T) {
	for _, test := range []struct {
		value     string
		recipient people.Who
		want      string
	}{
		{`"errors":[]`, people.Who{}, "unknown"},
		{`"contacts":[{"wa_id":"+16505550100"}]`, people.Who{}, `unknown thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"+16505550100"}]`},
		{`"contacts":[{"wa_id":"16505550100"},{"wa_id":"16505550101"}]`, people.Who{}, "unknown"},
		{`"contacts":[{"wa_id":"16505550100"},{"wa_id":"16505550101","user_id":"US.1"}]`, people.Who{ID: []byte("16505550101")},
			`unknown thread=16505550101 wa_id=16505550101 user_id=US.1 profiles=[{"wa_id":"16505550101","user_id":"US.1"}]`},
		{`"contacts":[{"wa_id":"16505550100"}]`, people.Who{ID: []byte("1-2@g.us")}, "unknown thread=1-2@g.us group=1-2@g.us"},
		{`"contacts":[{"wa_id":"16505550100"}]`, people.Who{UserID: []byte("1-2@g.us")}, "unknown thread=1-2@g.us group=1-2@g.us"},
		{"", people.Who{ID: []byte("16505550100"), UserID: []byte("1-2@G.US")}, "unknown thread=1-2@G.US group=1-2@G.US wa_id=16505550100"},
		{`"errors":[]`, people.Who{UserID: []byte("US.1")}, "unknown thread=US.1 user_id=US.1"},
	} {
		var f people.Finder
		if got := show(f.Named(scan(t, "messages", test.value), []byte(biz), test.recipient)); got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", test.value, got, test.want)
		}
	}
}

func TestMediaFollowUpTakesTheChatOfItsPlaceholder(t *testing.T) {
	user := schemas.Contact{WaID: "551187654321", UserID: "BR.1", ProfileName: "n"}
	for _, test := range []struct {
		name   string
		own    people.Side
		thread string
		group  bool
		want   string
	}{
		{"the same user", people.Side{Direction: "inbound", Thread: "551187654321", Contact: user}, "551187654321", false, "outbound thread=551187654321 wa_id=551187654321 user_id=BR.1 name=n"},
		{"in the other spelling", people.Side{Contact: user}, "5511987654321", false, "outbound thread=5511987654321 wa_id=551187654321 user_id=BR.1 name=n"},
		{"an earlier version's spelling", people.Side{Contact: user}, "+551187654321", false, "outbound thread=551187654321 wa_id=551187654321 user_id=BR.1 name=n"},
		{"somebody else", people.Side{Thread: "551187654321", Contact: user}, "16505550100", false, "outbound thread=16505550100 wa_id=16505550100"},
		{"by BSUID", people.Side{Contact: schemas.Contact{WaID: "551187654321"}}, "BR.1", false, "outbound thread=BR.1 wa_id=551187654321 user_id=BR.1"},
		{"a BSUID of its own", people.Side{Contact: schemas.Contact{UserID: "BR.1"}}, "16505550100", false, "outbound thread=16505550100 wa_id=16505550100 user_id=BR.1"},
		{"nobody of its own", people.Side{}, "16505550100", false, "outbound thread=16505550100 wa_id=16505550100"},
		{"a group", people.Side{Thread: "551187654321", Contact: user}, "G1", true, "outbound thread=G1 group=G1 wa_id=551187654321 user_id=BR.1 name=n"},
		{"a group, of the business", people.Side{Direction: "outbound", Thread: "551187654321", Contact: user}, "G1", true, "outbound thread=G1 group=G1"},
		{"a group's participant", people.Side{Thread: "551187654321", Contact: user}, "G1", true, "inbound thread=G1 group=G1 wa_id=551187654321 user_id=BR.1 name=n"},
		{"a group by the form of its id", people.Side{Contact: user}, "120363043211234567@g.us", false,
			"inbound thread=120363043211234567@g.us group=120363043211234567@g.us wa_id=551187654321 user_id=BR.1 name=n"},
		{"a group, the contact of which was its id", people.Side{Contact: schemas.Contact{WaID: "551187654321", UserID: "1@g.us"}}, "1@g.us", false,
			"inbound thread=1@g.us group=1@g.us wa_id=551187654321"},
		{"a chat that nobody names", people.Side{Thread: "551187654321", Contact: user}, "", false, "outbound thread=551187654321 wa_id=551187654321 user_id=BR.1 name=n"},
	} {
		direction := schemas.DirectionOutbound
		if strings.HasPrefix(test.want, schemas.DirectionInbound) {
			direction = schemas.DirectionInbound
		}
		got := people.Joined(&test.own, test.thread, test.group, direction)
		if s := show(&got); s != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, s, test.want)
		}
	}
}

// A long contacts[] is looked up in a sorted list, and a short one is walked through. Both give the same result, and
// every side keeps to the contract.
func TestLongAndShortContactsSayTheSame(t *testing.T) {
	r := seed.Rand(t)
	phones := []string{"16505550100", "+16505550100", "+1 650 555 0101", "5511987654321", "551187654321", "+55 11 98765-4321", biz, "", "US.1", "x"}
	users := []string{"US.1", "US.2", "US.ENT.1", "BR.3", "", "16505550100"}
	pick := func(from []string, name string) string {
		if r.IntN(3) == 0 {
			return ""
		}
		return fmt.Sprintf(`"%s":%q,`, name, from[r.IntN(len(from))])
	}
	var unrelated strings.Builder
	for i := range 12 {
		fmt.Fprintf(&unrelated, `,{"wa_id":"4477009%05d","user_id":"GB.%d"}`, i, i)
	}
	for range 5000 {
		var entries []string
		for i := range 1 + r.IntN(5) {
			entries = append(entries, "{"+pick(phones, "wa_id")+pick(users, "user_id")+pick(users, "parent_user_id")+fmt.Sprintf(`"profile":{"name":"%d"}}`, i))
		}
		message := `{` + pick(phones, "from") + pick(users, "from_user_id") + pick(users, "from_parent_user_id") + pick(phones, "to") + pick(users, "to_user_id") +
			pick([]string{"G1", "", "G2"}, "group_id") + pick([]string{biz, "lid", ""}, "recipient_id") + `"id":"w"}`
		display := []string{biz, "+1 (555) 000-9001", ""}[r.IntN(3)]
		contacts := strings.Join(entries, ",")
		short := scan(t, "messages", `"contacts":[`+contacts+`],"messages":[`+message+`]`)
		long := scan(t, "messages", `"contacts":[`+contacts+unrelated.String()+`],"messages":[`+message+`]`)
		for _, echo := range []bool{false, true} {
			var f, g people.Finder
			a, b := f.Message(short, []byte(display), &short.Messages[0], echo), g.Message(long, []byte(display), &long.Messages[0], echo)
			named := b.Contact != (schemas.Contact{}) // of those that name nobody, the only person is another
			if named && show(a) != show(b) {
				t.Fatalf("%s of [%s]\nshort %s\nlong  %s", message, contacts, show(a), show(b))
			}
			switch {
			case a.GroupID != "" && a.Thread != a.GroupID,
				a.GroupID == "" && a.Contact.WaID != "" && a.Thread != a.Contact.WaID,
				a.GroupID == "" && a.Person() != nil && a.Thread == "" && a.Contact.WaID+a.Contact.UserID+a.Contact.ParentUserID != "",
				strings.Trim(a.Contact.WaID, "0123456789") != "",
				a.Person() == nil && a.Profiles != nil:
				t.Fatalf("%s of [%s] is %s", message, contacts, show(a))
			}
		}
	}
}

func TestTheBusinessIsKnownHoweverItsNumberIsWritten(t *testing.T) {
	c := scan(t, "messages", `"messages":[{"from":"`+biz+`"},{"from":"16505550100"}]`)
	for _, display := range []string{biz, "+" + biz, "+1 (555) 000-9001", "+1\u00a0555\u00a0000\u20119001", "+1/555/000/9001 (test)", "tel:15550009001;x"} {
		var f people.Finder
		if got := show(f.Message(c, []byte(display), &c.Messages[0], false)); got != "outbound" {
			t.Errorf("%q: a message of the business is %s", display, got)
		}
		if got := show(f.Message(c, []byte(display), &c.Messages[1], false)); got != "inbound thread=16505550100 wa_id=16505550100" {
			t.Errorf("%q: a message of the user is %s", display, got)
		}
	}
}

// Where the business's number is not known, what a message names says who wrote it.
func TestMessageOfABusinessThatIsNotKnownIsFromItsUserUnlessItSaysOtherwise(t *testing.T) {
	for _, test := range []struct{ value, want string }{
		{`"contacts":[{"wa_id":"16505550100"}],"messages":[{"from_user_id":"US.1234567","from_parent_user_id":"US.ENT.123","to":"16505550100"}]`,
			"inbound thread=US.1234567 user_id=US.1234567 parent=US.ENT.123"},
		{`"messages":[{"to_user_id":"US.1"}]`, "outbound thread=US.1 user_id=US.1"},
		{`"messages":[{"to_user_id":"US.1234567","to_parent_user_id":"US.ENT.123"}]`, "outbound thread=US.1234567 user_id=US.1234567 parent=US.ENT.123"},
		{`"messages":[{"to":"16505550100"}]`, "inbound"},
		{`"messages":[{"from":"16505550100","to":"16505550101"}]`, "inbound thread=16505550100 wa_id=16505550100"},
		{`"contacts":[{"wa_id":"16505550101"}],"messages":[{"from":"16505550100","to":"16505550101"}]`,
			`outbound thread=16505550101 wa_id=16505550101 profiles=[{"wa_id":"16505550101"}]`},
		{`"contacts":[{"wa_id":"16505550100"},{"wa_id":"16505550101"}],"messages":[{"from":"16505550100","to":"16505550101"}]`,
			`inbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`},
	} {
		var f people.Finder
		c := scan(t, "messages", test.value)
		if got := show(f.Message(c, nil, &c.Messages[0], false)); got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", test.value, got, test.want)
		}
	}
}
