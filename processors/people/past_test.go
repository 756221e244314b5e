package people_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/cost"
	"github.com/coexstream/coexstream/processors/people"
	"github.com/coexstream/coexstream/schemas"
)

// past are the sides of the messages of one thread.
func past(t *testing.T, display, rest, thread string) (sides []string) {
	t.Helper()
	c := scan(t, "history", rest+`"history":[{"metadata":{"phase":0},"threads":[`+thread+`]}]`)
	var f people.Finder
	th := &c.History[0].Threads[0]
	f.Chat(c, []byte(display), th)
	for i := range th.Messages {
		sides = append(sides, show(f.Past(&th.Messages[i])))
	}
	return sides
}

func TestDirectionOfThePastLooksAtEverybodyWhoIsNamed(t *testing.T) {
	const in, out, unknown = schemas.DirectionInbound, schemas.DirectionOutbound, schemas.DirectionUnknown
	for _, test := range []struct {
		name, display, thread, message, want string
	}{
		{"from_me", biz, `"id":"16505550100"`, `"from":"16505550100","history_context":{"from_me":true}`, out},
		{"not from_me", biz, `"id":"16505550100"`, `"from":"15550009001","history_context":{"from_me":false}`, in},
		{"the business", biz, `"id":"16505550100"`, `"from":"15550009001"`, out},
		{"the business, written for people", "+1 (555) 000-9001", `"id":"16505550100"`, `"from":"15550009001"`, out},
		{"the business, written with other signs", "+1 555\u00a0000\u20119001 (test)", `"id":"16505550100"`, `"from":"15550009001"`, out},
		{"the business, with a plus", biz, `"id":"16505550100"`, `"from":"+15550009001"`, out},
		{"the business without its ninth digit", "5521912345678", `"id":"5531900000002"`, `"from":"552112345678"`, out},
		{"the business with its ninth digit", "552112345678", `"id":"5531900000002"`, `"from":"5521912345678"`, out},
		{"the business of Mexico", "5215512345678", `"id":"525598765432"`, `"from":"525512345678"`, out},
		{"the business of Argentina", "541112345678", `"id":"541187654321"`, `"from":"5491112345678"`, out},
		{"the user", biz, `"id":"16505550100"`, `"from":"16505550100"`, in},
		{"the user, dialled", biz, `"id":"16505550100"`, `"from":"0016505550100"`, in},
		{"the user of an id that is dialled", "", `"id":"0016505550100"`, `"from":"16505550100"`, in},
		{"to the user, dialled", "", `"id":"16505550100"`, `"to":"00 1 650 555 0100"`, out},
		{"the business, dialled", biz, `"id":"16505550100"`, `"from":"0015550009001"`, out},
		{"the business, dialled without its ninth digit", "5521912345678", `"id":"5531900000002"`, `"from":"00552112345678"`, out},
		{"a blank sender", biz, `"id":"16505550100"`, `"from":" ","to":"15550009001"`, in},
		{"the user with a plus", biz, `"id":"16505550100"`, `"from":"+16505550100"`, in},
		{"the user of an id with a plus", biz, `"id":"+16505550100"`, `"from":"16505550100"`, in},
		{"the user in the other spelling", "", `"id":"5511987654321"`, `"from":"551187654321"`, in},
		{"the user by the context's number", "", `"id":"US.1","context":{"wa_id":"16505550100"}`, `"from":"16505550100"`, in},
		{"the user by BSUID", "", `"id":"16505550100","context":{"user_id":"US.1"}`, `"from_user_id":"US.1"`, in},
		{"the user by a BSUID in from", "", `"id":"16505550100","context":{"user_id":"US.1"}`, `"from":"US.1"`, in},
		{"the user by a BSUID that is nowhere else", "", `"id":"16505550100"`, `"from":"US.1"`, in},
		{"the user by the parent's BSUID", "", `"id":"","context":{"parent_user_id":"US.ENT.1"}`, `"from_parent_user_id":"US.ENT.1"`, in},
		{"the business by a BSUID, and the user has another", biz, `"id":"US.1"`, `"from_user_id":"US.9"`, out},
		{"the business by a BSUID in from", biz, `"id":"US.1"`, `"from":"US.9"`, out},
		{"the business by a BSUID, and the user's stands in the context", "", `"id":"16505550100","context":{"user_id":"US.1"}`, `"from_user_id":"US.9"`, out},
		{"the business by the parent's BSUID", biz, `"id":"","context":{"parent_user_id":"US.ENT.1"}`, `"from_parent_user_id":"US.ENT.9"`, out},
		{"a BSUID, and the user has the parent's alone", biz, `"id":"","context":{"parent_user_id":"US.ENT.1"}`, `"from_user_id":"US.1"`, in},
		{"another BSUID of the user's number", biz, `"id":"16505550100","context":{"user_id":"US.1"}`, `"from":"16505550100","from_user_id":"US.9"`, in},
		{"to the business by a BSUID, and the user has another", biz, `"id":"US.1"`, `"to_user_id":"US.9"`, in},
		{"a group's participant by a BSUID", biz, `"id":"US.1"`, `"from_user_id":"US.9","group_id":"G1"`, in},
		{"to the user", biz, `"id":"16505550100"`, `"to":"16505550100"`, out},
		{"to the user, from an unknown number", "", `"id":"16505550100"`, `"from":"15550009001","to":"+16505550100"`, out},
		{"to the user by BSUID", biz, `"id":"US.1"`, `"to_user_id":"US.1"`, out},
		{"to the business", biz, `"id":"16505550100"`, `"to":"15550009001"`, in},
		{"to somebody else than the user", "", `"id":"16505550100"`, `"to":"15550009001"`, in},
		{"not the user, and the business is not known", "", `"id":"16505550100"`, `"from":"15550009001"`, out},
		{"neither of both", biz, `"id":"16505550100"`, `"from":"15550009999"`, out},
		{"not the business, and the user has a BSUID", biz, `"id":"US.1"`, `"from":"16505550100"`, in},
		{"the business, and the user has a BSUID", biz, `"id":"US.1"`, `"from":"15550009001"`, out},
		{"a number, a user with a BSUID, and no business", "", `"id":"US.1"`, `"from":"16505550100"`, unknown},
		{"to somebody else than the business, and the user has a BSUID", biz, `"id":"US.1"`, `"to":"16505550100"`, out},
		{"to a number, a user with a BSUID, and no business", "", `"id":"US.1"`, `"to":"16505550100"`, unknown},
		{"nobody", biz, `"id":"16505550100"`, `"id":"w"`, unknown},
		{"empty strings", biz, `"id":"16505550100"`, `"from":"","to":""`, unknown},
		{"a chat with oneself", biz, `"id":"15550009001"`, `"from":"15550009001"`, out},
		{"a thread without any id", biz, `"id":""`, `"from":"16505550100"`, in},
		{"a group's participant", biz, `"id":"G1"`, `"from":"16505550100","group_id":"G1"`, in},
		{"a group, the business not known", "", `"id":"G1"`, `"from":"16505550100","group_id":"G1"`, unknown},
		{"a group, the business", biz, `"id":"G1"`, `"from":"15550009001","group_id":"G1"`, out},
	} {
		got, _, _ := strings.Cut(past(t, test.display, "", `{`+test.thread+`,"messages":[{`+test.message+`}]}`)[0], " ")
		if got != test.want {
			t.Errorf("%s: %s of a thread of %s is %s, want %s", test.name, test.message, test.thread, got, test.want)
		}
	}
}

func TestChatOfThePastHasItsUserAsContact(t *testing.T) {
	for _, test := range []struct {
		name, display, rest, thread string
		want                        []string
	}{
		{"id alone", biz, "", `{"id":"+16505550100","messages":[{"from":"+16505550100"},{"from":"15550009001"},{"id":"w"}]}`,
			[]string{"inbound thread=16505550100 wa_id=16505550100", "outbound thread=16505550100 wa_id=16505550100", "unknown thread=16505550100 wa_id=16505550100"}},
		{"context", biz, "", `{"id":"16505550100","context":{"wa_id":"16505550100","user_id":"US.1","parent_user_id":"US.ENT.1","username":"u","country_code":"US"},"messages":[{"from":"15550009001"}]}`,
			[]string{"outbound thread=16505550100 wa_id=16505550100 user_id=US.1 parent=US.ENT.1 username=u country=US"}},
		{"context without a number", biz, "", `{"id":"","context":{"wa_id":"","user_id":"US.1"},"messages":[{"from":"","from_user_id":"US.1"},{"from":"15550009001"}]}`,
			[]string{"inbound thread=US.1 user_id=US.1", "outbound thread=US.1 user_id=US.1"}},
		{"a number beside a BSUID as id", biz, "", `{"id":"US.1","context":{"wa_id":"16505550100"},"messages":[{"from":"15550009001"}]}`,
			[]string{"outbound thread=16505550100 wa_id=16505550100 user_id=US.1"}},
		{"two spellings", "", "", `{"id":"551187654321","context":{"wa_id":"5511987654321"},"messages":[{"from":"551187654321"}]}`,
			[]string{"inbound thread=551187654321 wa_id=5511987654321"}},
		{"messages add ids, and the chat stays one", biz, "", `{"id":"US.1","messages":[{"from":"16505550100","from_user_id":"US.1"},{"from":"15550009001","to":"16505550100"},{"from":"15550009001"}]}`,
			[]string{"inbound thread=US.1 wa_id=16505550100 user_id=US.1", "outbound thread=US.1 wa_id=16505550100 user_id=US.1", "outbound thread=US.1 user_id=US.1"}},
		{"a message adds ids of two people", biz, "", `{"id":"16505550100","messages":[{"from":"16505550100","from_user_id":"US.1","to_user_id":"US.9"},{"from_user_id":"US.1"},{"from":"16505550100","from_parent_user_id":"US.ENT.1"}]}`,
			[]string{"inbound thread=16505550100 wa_id=16505550100 user_id=US.1", "inbound thread=16505550100 wa_id=16505550100 user_id=US.1",
				"inbound thread=16505550100 wa_id=16505550100 parent=US.ENT.1"}},
		{"a message of a group in a thread of one user", biz, "", `{"id":"16505550100","messages":[{"from":"16505550100","group_id":"G1"},{"from":"16505550100"}]}`,
			[]string{"inbound thread=G1 group=G1 wa_id=16505550100", "inbound thread=16505550100 wa_id=16505550100"}},
		{"contacts", biz, `"contacts":[{"wa_id":"16505550199"},{"wa_id":"16505550100","user_id":"US.1","profile":{"name":"n"}}],`, `{"id":"16505550100","messages":[{"from":"15550009001"}]}`,
			[]string{`outbound thread=16505550100 wa_id=16505550100 user_id=US.1 name=n profiles=[{"wa_id":"16505550100","user_id":"US.1","profile":{"name":"n"}}]`}},
		{"no id: the user whom the messages name", biz, "", `{"messages":[{"from":"15550009001"},{"from":"16505550100"},{"from":"15550009001","to":"+16505550100"}]}`,
			[]string{"outbound thread=16505550100 wa_id=16505550100", "inbound thread=16505550100 wa_id=16505550100", "outbound thread=16505550100 wa_id=16505550100"}},
		{"no id: several users are not one chat", biz, "", `{"messages":[{"from":"16505550100"},{"from":"16505550101"},{"from":"15550009001"}]}`,
			[]string{"inbound thread=16505550100 wa_id=16505550100", "inbound thread=16505550101 wa_id=16505550101", "outbound"}},
		{"no id, and the business is not known", "", `"contacts":[{"wa_id":"16505550100"}],`, `{"messages":[{"from":"16505550100","to":"15550009001"},{"from":"15550009001","to":"16505550100"}]}`,
			[]string{`inbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`, `outbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`}},
		{"a user id changed", biz, "", `{"messages":[{"type":"system","system":{"type":"user_changed_user_id","previous_user_id":"US.A","user_id":"US.B","parent_user_id":"US.ENT.B"}}]}`,
			[]string{"inbound thread=US.B user_id=US.B parent=US.ENT.B"}},
		{"a user id changed, with its number", biz, "", `{"messages":[{"type":"system","system":{"wa_id":"16505550100","user_id":"US.B"}},{"from":"15550009001"}]}`,
			[]string{"inbound thread=16505550100 wa_id=16505550100 user_id=US.B", "outbound"}},
		{"the previous user id alone", biz, "", `{"messages":[{"type":"system","system":{"previous_user_id":"US.A"}}]}`, []string{"inbound thread=US.A user_id=US.A"}},
		{"a user id changed, as a partner forwards it", biz, "", `{"messages":[{"type":"system","user_id_update":{"user_id":{"previous":"US.A","current":"US.B"}}}]}`,
			[]string{"inbound thread=US.B user_id=US.B"}},
		{"a user id changed in the thread of the user", biz, "", `{"id":"16505550100","messages":[{"type":"system","system":{"previous_user_id":"US.A","user_id":"US.B","parent_user_id":"US.ENT.B"}},{"from":"16505550100","system":{"wa_id":"16505550100","user_id":"US.B"}},{"from":"15550009001","system":{"user_id":"US.B"}},{"system":{"previous_user_id":"US.A"}}]}`,
			[]string{"inbound thread=16505550100 wa_id=16505550100 user_id=US.B parent=US.ENT.B", "inbound thread=16505550100 wa_id=16505550100 user_id=US.B",
				"outbound thread=16505550100 wa_id=16505550100 user_id=US.B", "inbound thread=16505550100 wa_id=16505550100"}},
		{"another number of the user of the thread", biz, "", `{"id":"16505550100","messages":[{"from":"16505550100","system":{"wa_id":"12195555358","user_id":"US.B"}},{"system":{"wa_id":"12195555358","user_id":"US.B"}}]}`,
			[]string{"inbound thread=16505550100 wa_id=16505550100", "inbound thread=16505550100 wa_id=16505550100"}},
		{"a participant of a group has another user id", biz, "", `{"id":"1-2@g.us","messages":[{"from":"16505550100","system":{"user_id":"US.B"}},{"system":{"user_id":"US.B"}}]}`,
			[]string{"inbound thread=1-2@g.us group=1-2@g.us wa_id=16505550100 user_id=US.B", "inbound thread=1-2@g.us group=1-2@g.us user_id=US.B"}},
		{"about nobody", biz, "", `{"messages":[{"type":"system","system":{"body":"b"}}]}`, []string{"unknown"}},
		{"the business's number as id", biz, "", `{"id":"15550009001","messages":[{"from":"16505550100","to":"15550009001"},{"from":"15550009001","to":"16505550100"},{"from":"15550009001"}]}`,
			[]string{"inbound thread=16505550100 wa_id=16505550100", "outbound thread=16505550100 wa_id=16505550100", "outbound thread=16505550100 wa_id=16505550100"}},
		{"the business's number as id, with a plus and blanks", biz, "", `{"id":"+1 555 000-9001","messages":[{"from":"+16505550100","to":"15550009001"}]}`,
			[]string{"inbound thread=16505550100 wa_id=16505550100"}},
		{"the business's number as id, in its other spelling", "5521912345678", "", `{"id":"552112345678","messages":[{"from":"16505550100","to":"5521912345678"}]}`,
			[]string{"inbound thread=16505550100 wa_id=16505550100"}},
		{"the business's number as id, of two users", biz, "", `{"id":"15550009001","messages":[{"from":"16505550100"},{"from":"16505550101"}]}`,
			[]string{"inbound thread=16505550100 wa_id=16505550100", "inbound thread=16505550101 wa_id=16505550101"}},
		{"the business's number as id, the user in the context", biz, "", `{"id":"15550009001","context":{"user_id":"US.1"},"messages":[{"from_user_id":"US.1","to":"15550009001"},{"from":"15550009001"}]}`,
			[]string{"inbound thread=US.1 user_id=US.1", "outbound thread=US.1 user_id=US.1"}},
		{"the business's number in the context", biz, "", `{"id":"16505550100","context":{"wa_id":"15550009001"},"messages":[{"from":"16505550100"}]}`,
			[]string{"inbound thread=16505550100 wa_id=16505550100"}},
		{"a chat with oneself", biz, "", `{"id":"15550009001","messages":[{"from":"15550009001","to":"15550009001"}]}`,
			[]string{"outbound thread=15550009001 wa_id=15550009001"}},
		{"a group beside no id", biz, "", `{"group_id":"G1","messages":[{"from":"16505550100"},{"from":"15550009001","to":"G1"}]}`,
			[]string{"inbound thread=G1 group=G1 wa_id=16505550100", "outbound thread=G1 group=G1"}},
		{"a group beside the id of its participant", biz, "", `{"id":"16505550100","group_id":"G1","messages":[{"from":"16505550100"}]}`,
			[]string{"inbound thread=G1 group=G1 wa_id=16505550100"}},
		{"no id, nobody", "", "", `{"messages":[{"from":"16505550100"}]}`, []string{"unknown"}},
		{"an id of a form that nobody documents", biz, "", `{"id":"chat-7","messages":[{"from":"16505550100"},{"from":"15550009001"}]}`,
			[]string{"inbound thread=chat-7 wa_id=16505550100", "outbound thread=chat-7"}},
		{"a group", biz, `"contacts":[{"wa_id":"16505550101","profile":{"name":"n"}}],`, `{"id":"G1","messages":[{"from":"16505550100","group_id":"G1"},{"from":"16505550101","group_id":"G1"},{"from":"15550009001","group_id":"G1","to":"G1"}]}`,
			[]string{"inbound thread=G1 group=G1 wa_id=16505550100", `inbound thread=G1 group=G1 wa_id=16505550101 name=n profiles=[{"wa_id":"16505550101","profile":{"name":"n"}}]`,
				"outbound thread=G1 group=G1"}},
		{"a group by the form of its id", biz, "", `{"id":"1-2@g.us","messages":[{"from":"16505550100"},{"from":"15550009001"},{"from":"15550009001","to":"1-2@g.us"}]}`,
			[]string{"inbound thread=1-2@g.us group=1-2@g.us wa_id=16505550100", "outbound thread=1-2@g.us group=1-2@g.us", "outbound thread=1-2@g.us group=1-2@g.us"}},
		{"a group in the context", biz, "", `{"id":"","context":{"wa_id":"1-2@g.us"},"messages":[{"from":"16505550100"}]}`,
			[]string{"inbound thread=1-2@g.us group=1-2@g.us wa_id=16505550100"}},
		{"a group in the context as a user", biz, "", `{"id":"","context":{"user_id":"1-2@G.US"},"messages":[{"from":"16505550100"}]}`,
			[]string{"inbound thread=1-2@G.US group=1-2@G.US wa_id=16505550100"}},
		{"a group of old, without its suffix", biz, "", `{"id":"5511987654321-1612345678","messages":[{"from":"16505550100"},{"from":"15550009001"}]}`,
			[]string{"inbound thread=5511987654321-1612345678 group=5511987654321-1612345678 wa_id=16505550100", "outbound thread=5511987654321-1612345678 group=5511987654321-1612345678"}},
		{"a group in several spellings", biz, "", `{"id":"5511987654321-1612345678","messages":[{"from":"15550009001","to":"5511987654321-1612345678@G.US"},{"from":"16505550100","group_id":"5511987654321-1612345678@g.us"}]}`,
			[]string{"outbound thread=5511987654321-1612345678 group=5511987654321-1612345678", "inbound thread=5511987654321-1612345678 group=5511987654321-1612345678 wa_id=16505550100"}},
		{"a group in from alone", biz, "", `{"id":"16505550100","messages":[{"from":"1-2@g.us","from_user_id":"US.1"},{"from":"1-2@g.us"},{"from":"16505550100"}]}`,
			[]string{"inbound thread=1-2@g.us group=1-2@g.us user_id=US.1", "unknown thread=1-2@g.us group=1-2@g.us", "inbound thread=16505550100 wa_id=16505550100"}},
		{"a group in to alone", biz, "", `{"id":"16505550100","messages":[{"from":"16505550100","to":"1-2@g.us"},{"from":"16505550100"}]}`,
			[]string{"inbound thread=1-2@g.us group=1-2@g.us wa_id=16505550100", "inbound thread=16505550100 wa_id=16505550100"}},
		{"a group of an unknown form, to which messages are", biz, `"contacts":[{"wa_id":"16505550100"}],`, `{"id":"GRP","messages":[{"from":"16505550101"},{"from":"15550009001","to":"GRP"}]}`,
			[]string{"inbound thread=GRP group=GRP wa_id=16505550101", "outbound thread=GRP group=GRP"}},
		{"an id of an unknown form, and the user is named", biz, "", `{"id":"GRP","context":{"wa_id":"16505550100","user_id":"US.12345678"},"messages":[{"from":"15550009001","to":"GRP"}]}`,
			[]string{"outbound thread=16505550100 wa_id=16505550100 user_id=US.12345678"}},
		{"an id of an unknown form, and the user is named by two ids", biz, "", `{"id":"GRP","context":{"user_id":"US.1234567","parent_user_id":"US.ENT.123"},"messages":[{"from":"15550009001","to":"GRP"}]}`,
			[]string{"outbound thread=US.1234567 user_id=US.1234567 parent=US.ENT.123"}},
		{"a user of an unknown form", biz, "", `{"id":"7@lid","messages":[{"from":"15550009001","to":"7@lid"}]}`, []string{"outbound thread=7@lid user_id=7@lid"}},
	} {
		got := past(t, test.display, test.rest, test.thread)
		for i := range got {
			if got[i] != test.want[i] {
				t.Errorf("%s, message %d:\ngot  %s\nwant %s", test.name, i, got[i], test.want[i])
			}
		}
	}
}

func TestSidesOfAThreadAllocateNothing(t *testing.T) {
	c := scan(t, "history", `"contacts":[{"wa_id":"16505550100","profile":{"name":"n"}}],"history":[{"threads":[{"id":"16505550100","messages":[{"from":"16505550100"},{"from":"15550009001"},{"from":"16505550100","from_user_id":"US.1"}]}]}]`)
	var f people.Finder
	th := &c.History[0].Threads[0]
	display := []byte(biz)
	if n := testing.AllocsPerRun(100, func() {
		f.Begin()
		f.Chat(c, display, th)
		for i := range th.Messages {
			f.Past(&th.Messages[i])
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// One contacts[] is about all chunks and threads of its change: it is sorted once for all of them.
func TestManyThreadsOfOneChangeSortItsContactsOnce(t *testing.T) {
	cost.Linear(t, 10_000, func(n int) func() {
		var contacts, chunks []string
		for i := range n {
			contacts = append(contacts, fmt.Sprintf(`{"wa_id":"1650%07d"}`, i))
			chunks = append(chunks, fmt.Sprintf(`{"metadata":{"chunk_order":%d},"threads":[{"id":"1650%07d","messages":[{"from":"1650%07d"}]}]}`, i, i, i))
		}
		c := scan(t, "history", `"contacts":[`+strings.Join(contacts, ",")+`],"history":[`+strings.Join(chunks, ",")+`]`)
		return func() {
			var f people.Finder
			for i := range c.History {
				th := &c.History[i].Threads[0]
				f.Chat(c, []byte(biz), th)
				if got, want := show(f.Past(&th.Messages[0])), fmt.Sprintf("inbound thread=1650%07d wa_id=1650%07d profiles=[%s]", i, i, contacts[i]); got != want {
					t.Fatalf("thread %d:\ngot  %s\nwant %s", i, got, want)
				}
			}
		}
	})
}
