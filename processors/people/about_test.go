package people_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors/people"
)

// strangers are so many entries of contacts[] that nobody asks for.
func strangers(n int) (entries []string) {
	for i := range n {
		entries = append(entries, fmt.Sprintf(`{"wa_id":"4477009%05d","user_id":"GB.%d"}`, i, i))
	}
	return entries
}

// about are the entries of contacts[] that an element of history[] with these threads can be about.
func about(t *testing.T, contacts []string, threads string) string {
	t.Helper()
	c := scan(t, "history", `"contacts":[`+strings.Join(contacts, ",")+`],"history":[{"metadata":{"phase":0},"threads":[`+threads+`]}]`)
	var f people.Finder
	return fmt.Sprint(f.About(c, &c.History[0]))
}

func TestAChunkIsAboutThoseWhomItsThreadsAndMessagesName(t *testing.T) {
	contacts := append(strangers(8), `{"wa_id":"16505550100"}`, `{"user_id":"US.1"}`, `{"parent_user_id":"US.ENT.1"}`,
		`{"wa_id":"5511987654321"}`, `{"wa_id":"+16505550101"}`, `{"wa_id":"15550009001"}`, `{"user_id":"ZW.9"}`)
	for threads, want := range map[string]string{
		`{"id":"16505550100","messages":[{"id":"w"}]}`:                                                                      "[8]",
		`{"id":"+1 650 555-0101","messages":[{"id":"w"}]}`:                                                                  "[12]",
		`{"id":"US.1","messages":[{"id":"w"}]}`:                                                                             "[9]",
		`{"id":"ZW.9","messages":[{"id":"w"}]}`:                                                                             "[14]",
		`{"id":"","context":{"user_id":"US.1","parent_user_id":"US.ENT.1"},"messages":[{"id":"w"}]}`:                        "[9 10]",
		`{"id":"US.7","context":{"wa_id":"16505550100"},"messages":[{"id":"w"}]}`:                                           "[8]",
		`{"id":"551187654321","messages":[{"id":"w"}]}`:                                                                     "[11]",
		`{"id":"16505550100","messages":[{"from":"15550009001","to":"16505550101"}]}`:                                       "[8 12 13]",
		`{"id":"1-2@g.us","messages":[{"from":"16505550100","to":"1-2@g.us"}]}`:                                             "[8]",
		`{"id":"G1","messages":[{"to":"120363043211234567","group_id":"120363043211234567","recipient_id":"16505550101"}]}`: "[12]",
		`{"id":"16505550101","messages":[{"from":"16505550101"}]},{"id":"16505550100","messages":[{"from":"16505550100"}]}`: "[8 12]",
		`{"id":"16505550100","messages":[]},{"id":"US.1","messages":[{"id":"w"}]}`:                                          "[9]",
		`{"id":"16505550100","messages":[]}`:                                                                                "[]",
		`{"id":"4915123456789","messages":[{"from":"lid:7"}]}`:                                                              "[]",
		// The thread is a group, and its message names another one.
		`{"id":"x","messages":[{"to":"x","group_id":"G1","recipient_id":"US.1"}]}`: "[9]",
	} {
		if got := about(t, contacts, threads); got != want {
			t.Errorf("%s is about %s, want %s", threads, got, want)
		}
	}
}

func TestAChunkCanBeAboutAllOfFewContacts(t *testing.T) {
	const thread = `{"id":"4477009` + `00000","messages":[{"id":"w"}]}`
	for n, want := range map[int]string{1: "[0]", 8: "[0 1 2 3 4 5 6 7]", 9: "[0]"} {
		if got := about(t, strangers(n), thread); got != want {
			t.Errorf("of %d contacts: %s, want %s", n, got, want)
		}
		if got := about(t, strangers(n), `{"id":"447700900000","messages":[]}`); got != "[]" {
			t.Errorf("without a message, of %d contacts: %s, want none", n, got)
		}
	}
}

// Of entries with one id sixteen are looked at, so that a webhook in which all are alike costs no more.
func TestOfAlikeEntriesTheFirstSixteenAreLookedAt(t *testing.T) {
	var alike []string
	for range 20 {
		alike = append(alike, `{"wa_id":"16505550100"}`)
	}
	if got, want := about(t, alike, `{"id":"16505550100","messages":[{"id":"w"}]}`), "[0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15]"; got != want {
		t.Errorf("the chunk is about %s, want %s", got, want)
	}
	// An entry that has the number as another kind of id is looked at, and is not the one.
	for others, want := range map[int]string{
		15: `inbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`,
		16: "inbound thread=16505550100 wa_id=16505550100",
	} {
		var entries []string
		for range others {
			entries = append(entries, `{"parent_user_id":"16505550100"}`)
		}
		c := scan(t, "messages", `"contacts":[`+strings.Join(append(entries, `{"wa_id":"16505550100"}`), ",")+`],"messages":[{"from":"16505550100"}]`)
		var f people.Finder
		if got := show(f.Message(c, []byte(biz), &c.Messages[0], false)); got != want {
			t.Errorf("behind %d others: %s, want %s", others, got, want)
		}
	}
}

// A chunk that waits keeps the entries that About names alone. None that Past finds may be missing.
func TestAllThatPastFindsIsAmongThatWhichTheChunkIsAbout(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.Of(t), 1))
	ids := []string{"16505550100", "+16505550100", "5511987654321", "551187654321", biz, "", "US.1", "x", "1-2@g.us", "120363043211234567"}
	users := []string{"US.1", "US.2", "US.ENT.1", "", "16505550100"}
	pick := func(from []string, name string) string {
		if r.IntN(2) == 0 {
			return ""
		}
		return fmt.Sprintf(`%q:%q,`, name, from[r.IntN(len(from))])
	}
	found := 0
	for range 3000 {
		entries := strangers(9)
		for i := range 1 + r.IntN(6) {
			entries = append(entries, "{"+pick(ids, "wa_id")+pick(users, "user_id")+pick(users, "parent_user_id")+fmt.Sprintf(`"profile":{"name":"%d"}}`, i))
		}
		r.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		var messages []string
		for range 1 + r.IntN(3) {
			messages = append(messages, "{"+pick(ids, "from")+pick(users, "from_user_id")+pick(ids, "to")+pick(users, "to_user_id")+
				pick([]string{"G1", "120363043211234567"}, "group_id")+pick(ids, "recipient_id")+
				`"system":{`+pick(ids, "wa_id")+pick(users, "user_id")+pick(users, "previous_user_id")+pick(ids, "customer")+`"type":"x"},"id":"w"}`)
		}
		thread := "{" + pick(ids, "id") + `"context":{` + pick(ids, "wa_id") + pick(users, "user_id") + `"username":"u"},"messages":[` + strings.Join(messages, ",") + "]}"
		c := scan(t, "history", `"contacts":[`+strings.Join(entries, ",")+`],"history":[{"threads":[`+thread+`]}]`)
		var f people.Finder
		var can []string
		for _, at := range f.About(c, &c.History[0]) {
			can = append(can, entries[at])
		}
		th := &c.History[0].Threads[0]
		for _, display := range []string{biz, ""} {
			f.Chat(c, []byte(display), th)
			for i := range th.Messages {
				side := f.Past(&th.Messages[i])
				var has []json.RawMessage
				if side.Profiles != nil && json.Unmarshal(side.Profiles, &has) != nil {
					t.Fatalf("profiles %s", side.Profiles)
				}
				for _, entry := range has {
					if found++; !slices.Contains(can, string(entry)) {
						t.Fatalf("message %d of %s has %s, and the chunk is about %s", i, thread, entry, can)
					}
				}
			}
		}
	}
	if found < 1000 {
		t.Errorf("%d entries were found; the test looks at next to nothing", found)
	}
}

// A body takes the place of the one before it in memory.
func TestAnotherBodyHasContactsOfItsOwn(t *testing.T) {
	first := scan(t, "messages", `"contacts":[`+strings.Join(strangers(9), ",")+`],"messages":[{"from":"16505550100"}]`)
	second := scan(t, "messages", `"contacts":[`+strings.Join(append(strangers(9), `{"wa_id":"16505550100","user_id":"US.1"}`), ",")+`],"messages":[{"from":"16505550100"}]`)
	var f people.Finder
	f.Begin()
	f.Message(first, []byte(biz), &first.Messages[0], false)
	*first = *second
	f.Begin()
	want := `inbound thread=16505550100 wa_id=16505550100 user_id=US.1 profiles=[{"wa_id":"16505550100","user_id":"US.1"}]`
	if got := show(f.Message(first, []byte(biz), &first.Messages[0], false)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTheOnlyPersonIsLookedForInFewContactsAlone(t *testing.T) {
	for businesses, want := range map[int]string{
		7: `inbound thread=16505550100 wa_id=16505550100 profiles=[{"wa_id":"16505550100"}]`, 8: "inbound",
	} {
		entries := []string{`{"wa_id":"16505550100"}`}
		for range businesses {
			entries = append(entries, `{"wa_id":"`+biz+`"}`)
		}
		c := scan(t, "messages", `"contacts":[`+strings.Join(entries, ",")+`],"messages":[{"id":"w"}]`)
		var f people.Finder
		if got := show(f.Message(c, []byte(biz), &c.Messages[0], false)); got != want {
			t.Errorf("of %d contacts: %s, want %s", len(entries), got, want)
		}
	}
}
