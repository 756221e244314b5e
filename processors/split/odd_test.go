package split

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

// paths are where the parts stand that were left out.
func paths(b *Body) (all []string) {
	for i := range b.Places {
		all = append(all, string(b.Places[i].AppendPath(nil, b)))
	}
	return all
}

func ids(ms []Message) (all []string) {
	for i := range ms {
		all = append(all, string(ms[i].ID))
	}
	return all
}

// Each body holds one odd part, marked with §, between good ones.
func TestOddPartIsLeftOutAloneWithItsPlace(t *testing.T) {
	const at = "§" // the reported offset
	good := `{"field":"messages","value":{"messages":[{"id":"before"}]}},`
	in := func(field, value string) string {
		return `{"object":"whatsapp_business_account","entry":[{"id":"W","changes":[` + good + `{"field":"` + field + `","value":` + value + `},` +
			strings.ReplaceAll(strings.TrimSuffix(good, ","), "before", "after") + `]}]}`
	}
	twice := `{"id":"odd","text":{"body":"a","body` + at + `":"b"}}`
	broken := "{\"id\":\"odd\",\"text\":{\"body\":\"caf" + at + "\xc3\"}}"
	for _, c := range []struct {
		name   string
		reason schemas.Reason
		place  string
		body   string
		left   []string
	}{
		{"name twice in a message", schemas.ReasonJSONDuplicate, "0.1.messages.1", in("messages", `{"messages":[{"id":"m"},`+twice+`,{"id":"n"}]}`), []string{"m", "n"}},
		{"UTF-8 of a message", schemas.ReasonJSONUTF8, "0.1.messages.0", in("messages", `{"messages":[`+broken+`,{"id":"n"}]}`), []string{"n"}},
		{"a message is null", schemas.ReasonShape, "0.1.messages.0", in("messages", `{"messages":[`+at+`null,{"id":"n"}]}`), []string{"n"}},
		{"a message is a string", schemas.ReasonShape, "0.1.messages.1", in("messages", `{"messages":[{"id":"m"},`+at+`"x"]}`), []string{"m"}},
		{"an echo", schemas.ReasonJSONUTF8, "0.1.message_echoes.1", in("smb_message_echoes", `{"message_echoes":[{"id":"m"},`+broken+`]}`), []string{"m"}},
		{"an echo under its other names", schemas.ReasonJSONDuplicate, "0.1.message_echoes.2", in("message_echoes", `{"message_echoes":[{"id":"m"}],"smb_message_echoes":[{"id":"n"},`+twice+`]}`), []string{"m", "n"}},
		{"a status", schemas.ReasonJSONDuplicate, "0.1.statuses.0", in("messages", `{"statuses":[`+twice+`],"messages":[{"id":"m"}]}`), []string{"m"}},
		{"a copy on standby", schemas.ReasonJSONUTF8, "0.1.messages.1", in("standby", `{"standby":{"messages":[{"id":"m"},`+broken+`]}}`), []string{"m"}},
		{"a message beside history", schemas.ReasonShape, "0.1.messages.0", in("history", `{"messages":[`+at+`7],"history":[{"threads":[{"messages":[{"id":"h"}]}]}]}`), []string{"h"}},
		{"a message of the past", schemas.ReasonJSONDuplicate, "0.1.history.1.threads.1.messages.2",
			in("history", `{"history":[{},{"threads":[{},{"messages":[{"id":"h"},{"id":"i"},`+twice+`,{"id":"j"}]}]}]}`), []string{"h", "i", "j"}},
		{"a thread is a string", schemas.ReasonShape, "0.1.history.0.threads.1", in("history", `{"history":[{"threads":[{"messages":[{"id":"g"}]},`+at+`"x",{"messages":[{"id":"h"}]}]}]}`), []string{"g", "h"}},
		{"a thread is null", schemas.ReasonShape, "0.1.history.0.threads.0", in("history", `{"history":[{"threads":[`+at+`null,{"messages":[{"id":"h"}]}]}]}`), []string{"h"}},
		{"threads is an object", schemas.ReasonShape, "0.1.history.0", in("history", `{"history":[{"threads":`+at+`{}},{"threads":[{"messages":[{"id":"h"}]}]}]}`), []string{"h"}},
		{"a thread's messages are an object", schemas.ReasonShape, "0.1.history.0.threads.0", in("history", `{"history":[{"threads":[{"messages":`+at+`{}},{"messages":[{"id":"g"}]}]},{"threads":[{"messages":[{"id":"h"}]}]}]}`), []string{"g", "h"}},
		{"a thread's id twice", schemas.ReasonJSONDuplicate, "0.1.history.0.threads.0", in("history", `{"history":[{"threads":[{"id":"1","messages":[{"id":"x"}],"id`+at+`":"2"},{"messages":[{"id":"h"}]}]}]}`), []string{"h"}},
		{"a thread's id twice, behind an odd message", schemas.ReasonShape, "0.1.history.0.threads.0", in("history", `{"history":[{"threads":[{"id":"1","messages":[{"id":"x"},`+at+`7],"id":"2"},{"messages":[{"id":"h"}]}]}]}`), []string{"h"}},
		{"UTF-8 of a thread's id", schemas.ReasonJSONUTF8, "0.1.history.0.threads.1", in("history", "{\"history\":[{\"threads\":[{\"messages\":[{\"id\":\"h\"}]},{\"id\":\""+at+"\xff\",\"messages\":[{\"id\":\"x\"}]}]}]}"), []string{"h"}},
		{"a chunk is an array", schemas.ReasonShape, "0.1.history.1", in("history", `{"history":[{"threads":[{"messages":[{"id":"h"}]}]},`+at+`[]]}`), []string{"h"}},
		{"history is a string", schemas.ReasonShape, "0.1", in("history", `{"history":`+at+`"not-an-array"}`), nil},
		{"history is a string, beside messages", schemas.ReasonShape, "0.1.history", in("history", `{"history":`+at+`"not-an-array","messages":[{"id":"m"}]}`), []string{"m"}},
		{"messages is a string", schemas.ReasonShape, "0.1", in("messages", `{"messages":`+at+`"x"}`), nil},
		{"message_echoes is false", schemas.ReasonShape, "0.1", in("smb_message_echoes", `{"message_echoes":`+at+`false}`), nil},
		{"statuses is an object", schemas.ReasonShape, "0.1", in("messages", `{"statuses":`+at+`{},"messages":[]}`), nil},
		{"statuses is an object, beside messages", schemas.ReasonShape, "0.1.statuses", in("messages", `{"statuses":`+at+`{},"messages":[{"id":"m"}]}`), []string{"m"}},
		{"messages is a number, beside statuses", schemas.ReasonShape, "0.1.messages", in("messages", `{"messages":`+at+`7,"statuses":[{"id":"s"}]}`), nil},
		{"message_echoes is false, beside the other name", schemas.ReasonShape, "0.1.message_echoes", in("messages", `{"message_echoes":`+at+`false,"smb_message_echoes":[{"id":"m"}]}`), []string{"m"}},
		{"state_sync is an object, beside messages", schemas.ReasonShape, "0.1.state_sync", in("messages", `{"state_sync":`+at+`{},"messages":[{"id":"m"}]}`), []string{"m"}},
		{"state_sync is an object", schemas.ReasonShape, "0.1", in("smb_app_state_sync", `{"state_sync":`+at+`{}}`), nil},
		{"an entry of contacts[]", schemas.ReasonJSONUTF8, "0.1.contacts.1", in("messages", "{\"contacts\":[{\"wa_id\":\"1\"},{\"profile\":{\"name\":\""+at+"\xff\"}}],\"messages\":[{\"id\":\"m\"}]}"), []string{"m"}},
		{"an entry of contacts[] is text", schemas.ReasonShape, "0.1.contacts.2", in("messages", `{"contacts":[null,{"wa_id":"1"},`+at+`"abc"],"messages":[{"id":"m"}]}`), []string{"m"}},
		{"an entry of contacts[] is an array, of a history", schemas.ReasonShape, "0.1.contacts.0", in("history", `{"contacts":[`+at+`[]],"history":[{"threads":[{"messages":[{"id":"m"}]}]}]}`), []string{"m"}},
		{"contacts[] is text, beside messages", schemas.ReasonShape, "0.1.contacts", in("messages", `{"contacts":`+at+`"x","messages":[{"id":"m"}]}`), []string{"m"}},
		{"contacts[] is a number, of a copy", schemas.ReasonShape, "0.1.contacts", in("standby", `{"standby":{"messages":[{"id":"m"}],"contacts":`+at+`7}}`), []string{"m"}},
		{"contacts[] is text, and alone", schemas.ReasonShape, "0.1", in("messages", `{"contacts":`+at+`"x"}`), nil},
		{"a contact is null", schemas.ReasonShape, "0.1.state_sync.0", in("smb_app_state_sync", `{"state_sync":[`+at+`null,{"action":"add"}]}`), nil},
		{"a contact's name", schemas.ReasonJSONUTF8, "0.1.state_sync.1", in("smb_app_state_sync", "{\"state_sync\":[{},{\"contact\":{\"full_name\":\""+at+"\xff\"}}]}"), nil},
		{"a user's name", schemas.ReasonJSONUTF8, "0.1.contacts.0", in("messages", "{\"contacts\":[{\"profile\":{\"name\":\""+at+"\xff\"}}],\"messages\":[{\"id\":\"m\"}]}"), []string{"m"}},
		{"a user's name, of a copy", schemas.ReasonJSONDuplicate, "0.1.contacts.0", in("standby", `{"standby":{"messages":[{"id":"m"}],"contacts":[{"wa_id":"1","wa_id`+at+`":"2"}]}}`), []string{"m"}},
		{"the value is text", schemas.ReasonShape, "0.1", in("history", at+`"x"`), nil},
		{"the value is an empty array", schemas.ReasonShape, "0.1", in("messages", at+`[ ]`), nil},
		{"the value's names", schemas.ReasonJSONDuplicate, "0.1", in("messages", `{"messages":[{"id":"x"}],"messages`+at+`":[{"id":"y"}]}`), nil},
		{"the change's names", schemas.ReasonJSONDuplicate, "0.1", in("messages", `{"messages":[{"id":"x"}]},"value`+at+`":{}`), nil},
		{"a name twice, deep in what nobody knows", schemas.ReasonJSONDuplicate, "0.1", in("messages", `{"x":[{"y":{"a":1,"a`+at+`":1}}]}`), nil},
		{"a field that nobody knows", schemas.ReasonJSONUTF8, "0.1", in("flows", "{\"messages\":[7,{\"x\":\""+at+"\xff\"}]}"), nil},
		{"an account event", schemas.ReasonJSONDuplicate, "0.1", in("account_update", `{"event":"PARTNER_REMOVED","event`+at+`":"PARTNER_ADDED"}`), nil},
		{"a value of an array of one is text", schemas.ReasonShape, "0.1", in("messages", `[`+at+`"x"]`), nil},
		{"a message of a value in an array", schemas.ReasonShape, "0.1.messages.1", in("messages", `[{"messages":[{"id":"m"},`+at+`7]}]`), []string{"m"}},
		{"a change is a number", schemas.ReasonShape, "0.1", `{"object":"whatsapp_business_account","entry":[{"id":"W","changes":[` + good + at + `1,` + strings.ReplaceAll(strings.TrimSuffix(good, ","), "before", "after") + `]}]}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := mustScan(t, strings.Replace(c.body, at, "", 1))
			if got := paths(b); !slices.Equal(got, []string{c.place}) {
				t.Errorf("left out: %q, want %s", got, c.place)
			}
			if len(b.Changes) != 3 || !slices.Equal(ids(b.Changes[0].Messages), []string{"before"}) || !slices.Equal(ids(b.Changes[2].Messages), []string{"after"}) {
				t.Fatalf("the changes beside it are %s", dump(b, "Places", "Odd", "ownWABA"))
			}
			odd := &b.Changes[1]
			if want := strings.Index(c.body, at); odd.Odd.Reason != c.reason || odd.Odd.Offset != want || odd.Cut != 1 {
				t.Errorf("%d for %+v, want %s at %d", odd.Cut, odd.Odd, c.reason, want)
			}
			if whole := c.place == "0.1"; odd.Refused != whole || string(odd.WABA) != "W" {
				t.Errorf("refused as a whole: %v, of %q", odd.Refused, odd.WABA)
			}
			left := append(ids(odd.Messages), ids(odd.Echoes)...)
			for i := range odd.History {
				for k := range odd.History[i].Threads {
					left = append(left, ids(odd.History[i].Threads[k].Messages)...)
				}
			}
			if !slices.Equal(left, c.left) {
				t.Errorf("left of its change is %q, want %q", left, c.left)
			}
		})
	}
}

func TestChunksKeepTheirPositionBesideAnOddOne(t *testing.T) {
	h := mustScan(t, inMeta(`{"history":[{"threads":{}},"x",{"metadata":{"chunk_order":3}}]}`)).Changes[0].History
	if len(h) != 3 || !h[0].Out || !h[1].Out || h[2].Out || h[2].ChunkOrder != 3 {
		t.Errorf("chunks are %+v", h)
	}
}

// A half of a surrogate pair is legal JSON (RFC 8259, section 8.2) and what a cut text looks like.
func TestHalfOfASurrogatePairIsTheReplacementCharacter(t *testing.T) {
	for in, want := range map[string]string{
		`\ud83d`: "\ufffd", `\ude0a`: "\ufffd", `\ude0a\ud83d`: "\ufffd\ufffd", `\ud83d\ud83d`: "\ufffd\ufffd", `\ude0a\ude0a`: "\ufffd\ufffd",
		`\ud83d\u0041`: "\ufffdA", `\ud83d\ud83d\ude0a`: "\ufffd😊", `\ud83dx`: "\ufffdx", `\ud83d\n`: "\ufffd\n", `\\ud83d`: `\ud83d`, `\ud83d\ude0a`: "😊",
	} {
		b := mustScan(t, inMeta(`{"messages":[{"id":"`+in+`","text":{"`+in+`":"`+in+`"}}]}`))
		m := b.Changes[0].Messages
		if len(b.Places) != 0 || len(m) != 1 || string(m[0].ID) != want || !strings.Contains(string(m[0].Raw), `"id":"`+in+`"`) {
			t.Errorf("%s: %+v", in, m)
		}
	}
}

func TestByteOrderMarkIsSkipped(t *testing.T) {
	for name, body := range samples {
		got, want := mustScan(t, "\ufeff"+body), mustScan(t, body)
		if d := diffLines(dump(got, "Places", "Odd", "ownWABA"), dump(want, "Places", "Odd", "ownWABA")); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// However many parts are odd, the memory for their places is bounded, and their number is right.
func TestPlacesOfABodyAreBounded(t *testing.T) {
	const n = 5 * placesMax
	b := mustScan(t, inMeta(`{"messages":[`+strings.Repeat("null,", n)+`{"id":"m"}]}`))
	if c := b.Changes[0]; len(b.Places) != placesMax || c.Cut != n || len(c.Messages) != 1 || c.Messages[0].Index != n {
		t.Errorf("%d places, %d left out, messages %+v", len(b.Places), c.Cut, c.Messages)
	}
}

func TestOnlyTheChosenPartsAreLeft(t *testing.T) {
	list := func(prefix string) string {
		var parts []string
		for i := range 3 {
			parts = append(parts, fmt.Sprintf(`{"id":"%s%d"}`, prefix, i))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	body := `{"object":"whatsapp_business_account","entry":[{"id":"W","changes":[{"field":"messages","value":{"errors":[{"code":1}],"messages":` + list("m") +
		`,"message_echoes":` + list("e") + `,"statuses":` + list("s") + `,"state_sync":[{"action":"0"},{"action":"1"}],` +
		`"history":[{"threads":[{"messages":` + list("a") + `},{"messages":` + list("b") + `}]},{"threads":[{"messages":` + list("c") + `}]},{"errors":[]}]}},` +
		`{"field":"messages","value":{"messages":` + list("n") + `}},{"field":"messages","value":{"messages":` + list("o") + `}}]}]}`
	b := mustScan(t, body)
	b.Only("0.0.messages.2,0.0.message_echoes.0,0.0.statuses.1,0.0.state_sync.1,0.0.history.0.threads.1.messages.0,0.0.history.2,0.1,0.0.messages.77")
	c := &b.Changes[0]
	got := fmt.Sprintln(ids(c.Messages), ids(c.Echoes), ids(c.Statuses), len(c.StateSync), string(c.StateSync[0].Action),
		len(c.History), ids(c.History[0].Threads[0].Messages), ids(c.History[0].Threads[1].Messages), c.History[1].Out, c.History[2].Out,
		ids(b.Changes[1].Messages), ids(b.Changes[2].Messages), c.Partial, b.Changes[1].Partial, b.Changes[2].Partial, c.Errors == nil)
	if want := "[m2] [e0] [s1] 1 1 3 [] [b0] true false [n0 n1 n2] [] true false true true\n"; got != want {
		t.Errorf("left is %s, want %s", got, want)
	}
}

// An entry that is odd outside of its changes stands aside for those beside it. It names no business: not all of them do.
func TestOddEntryIsLeftOutBesideOthers(t *testing.T) {
	for name, odd := range map[string]string{
		"null": `null`, "a number": `7`, "without changes": `{"id":"W2"}`, "changes is null": `{"id":"W2","changes":null}`,
		"changes is an object": `{"id":"W2","changes":{}}`, "a name twice": `{"id":"W2","changes":[{"field":"messages","value":{"messages":[{"id":"x"},7]}}],"id":"W3"}`,
		"UTF-8 of its id": "{\"id\":\"\xff\",\"changes\":[]}", "of another product": `{"id":"W2","messaging":[{"a":1}]}`,
	} {
		good := func(id string) string {
			return `{"id":"W","changes":[{"field":"messages","value":{"messages":[{"id":"` + id + `"}]}}]}`
		}
		body := func(entries ...string) string {
			return `{"object":"whatsapp_business_account","entry":[` + strings.Join(entries, ",") + `]}`
		}
		b := mustScan(t, body(good("a"), odd, good("b")))
		if len(b.Changes) != 3 || !slices.Equal(append(ids(b.Changes[0].Messages), ids(b.Changes[2].Messages)...), []string{"a", "b"}) || b.Changes[2].Entry != 2 {
			t.Fatalf("%s: changes are %s", name, dump(b, "Places", "Odd", "ownWABA"))
		}
		if c := &b.Changes[1]; !c.Refused || c.Cut != 1 || len(c.WABA) > 0 || c.Odd.Reason == "" || !slices.Equal(paths(b), []string{"1"}) {
			t.Errorf("%s: left out %q for %+v, of %q", name, paths(b), c.Odd, c.WABA)
		}
		if _, err := NewScanner(Limits{}).Scan([]byte(body(odd, odd))); err == nil {
			t.Errorf("%s: a body of nothing else was accepted", name)
		}
	}
}
