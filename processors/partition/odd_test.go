package partition_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// changes is a body of several changes of the business.
func changes(of ...string) string {
	return `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","changes":[` + strings.Join(of, ",") + `]}]}`
}

func change(field, parts string) string {
	return `{"field":"` + field + `","value":{` + tenant + `,` + parts + `}}`
}

func incoming(id, more string) string {
	return `{"from":"` + user + `","id":"` + id + `","timestamp":"1772366000","type":"text"` + more + `}`
}

// nameTwice is a message with a name twice in it.
func nameTwice(id string) string { return incoming(id, `,"text":{"body":"a","body":"b"}`) }

// theLetter is the only letter.
func (p *harness) theLetter() record {
	p.t.Helper()
	if n := len(p.topics[schemas.TopicDLQ]); n != 1 {
		p.t.Fatalf("%d letters, want one", n)
	}
	return p.topics[schemas.TopicDLQ][0]
}

func TestOddPartGoesToDLQAndAllBesideItLeaves(t *testing.T) {
	past := func(id, more string) string { return incoming(id, more) }
	for _, c := range []struct {
		name, body              string
		reason                  schemas.Reason
		changes, places         string
		messages, echoes, older []string
		contacts                int
	}{
		{
			name:   "a name twice in a message",
			body:   changes(change("messages", `"messages":[`+incoming("a", "")+`,`+nameTwice("odd")+`,`+incoming("b", "")+`]`)),
			reason: schemas.ReasonJSONDuplicate, changes: "0", places: "0.0.messages.1", messages: []string{"a", "b"},
		},
		{
			name:   "broken UTF-8 in a message",
			body:   changes(change("messages", `"messages":[`+incoming("a", "")+`,`+incoming("odd", ",\"text\":{\"body\":\"caf\xc3\"}")+`]`)),
			reason: schemas.ReasonJSONUTF8, changes: "0", places: "0.0.messages.1", messages: []string{"a"},
		},
		{
			name:   "null in place of a message",
			body:   changes(change("messages", `"messages":[null,`+incoming("a", "")+`]`)),
			reason: schemas.ReasonShape, changes: "0", places: "0.0.messages.0", messages: []string{"a"},
		},
		{
			name:   "statuses that are an object, in a change of their own",
			body:   changes(change("messages", `"messages":[`+incoming("a", "")+`]`), change("messages", `"statuses":{}`)),
			reason: schemas.ReasonShape, changes: "1", messages: []string{"a"},
		},
		{
			name:   "history that is no array",
			body:   changes(change("history", `"history":"not-an-array"`), change("messages", `"messages":[`+incoming("a", "")+`]`)),
			reason: schemas.ReasonShape, changes: "0", messages: []string{"a"},
		},
		{
			name: "a chunk whose threads are an object",
			body: changes(change("history", `"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":10},"threads":{}},`+
				`{"metadata":{"phase":0,"chunk_order":2,"progress":10},"threads":[{"id":"`+user+`","messages":[`+past("h", "")+`]}]}]`)),
			reason: schemas.ReasonShape, changes: "0", places: "0.0.history.0", older: []string{"h"},
		},
		{
			name: "a message of the past",
			body: changes(change("history", `"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":100},"threads":[{"id":"`+other+`","messages":[]},`+
				`{"id":"`+user+`","messages":[`+past("g", "")+`,`+nameTwice("odd")+`,`+past("h", "")+`]}]}]`)),
			reason: schemas.ReasonJSONDuplicate, changes: "0", places: "0.0.history.0.threads.1.messages.1", older: []string{"g", "h"},
		},
		{
			name: "a thread that is null, and one whose messages are a string",
			body: changes(change("history", `"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":100},"threads":[null,{"id":"`+other+`","messages":"x"},`+
				`{"id":"`+user+`","messages":[`+past("g", "")+`]}]}]`)),
			reason: schemas.ReasonShape, changes: "0", places: "0.0.history.0.threads.0,0.0.history.0.threads.1", older: []string{"g"},
		},
		{
			name:   "an array that is none, beside one that is",
			body:   changes(change("messages", `"statuses":{},"messages":[`+incoming("a", "")+`]`), change("messages", `"messages":[`+incoming("b", "")+`]`)),
			reason: schemas.ReasonShape, changes: "0", places: "0.0.statuses", messages: []string{"a", "b"},
		},
		{
			name:   "history that is no array, beside the asset of a placeholder",
			body:   changes(change("history", `"history":"x","errors":[{"code":1}]`)),
			reason: schemas.ReasonShape, changes: "0", places: "0.0.history", messages: []string{""},
		},
		{
			name:   "an entry that is none, and one without changes",
			body:   `{"object":"whatsapp_business_account","entry":[null,{"id":"` + waba + `","changes":[` + change("messages", `"messages":[`+incoming("a", "")+`,7]`) + `]},{"id":"` + waba + `"}]}`,
			reason: schemas.ReasonShape, changes: "", places: "0,1.0.messages.1,2", messages: []string{"a"},
		},
		{
			name:   "an echo under another name of its field",
			body:   changes(change("message_echoes", `"message_echoes":[7,{"from":"`+biz+`","to":"`+user+`","id":"e","timestamp":"1772366000","type":"text"}]`)),
			reason: schemas.ReasonShape, changes: "0", places: "0.0.message_echoes.0", echoes: []string{"e"},
		},
		{
			name:   "a contact",
			body:   changes(change("smb_app_state_sync", "\"state_sync\":[{\"type\":\"contact\",\"action\":\"add\",\"contact\":{\"phone_number\":\"1\",\"full_name\":\"\xff\"},\"metadata\":{\"timestamp\":1}},"+`{"type":"contact","action":"add","contact":{"phone_number":"2"},"metadata":{"timestamp":1}}]`)),
			reason: schemas.ReasonJSONUTF8, changes: "0", places: "0.0.state_sync.0", contacts: 1,
		},
		{
			name:   "the profile of a user",
			body:   changes(change("messages", "\"contacts\":[{\"profile\":{\"name\":\"\xff\"},\"wa_id\":\""+user+"\"}],\"messages\":["+incoming("a", "")+"]")),
			reason: schemas.ReasonJSONUTF8, changes: "0", places: "0.0.contacts.0", messages: []string{"a"},
		},
		{
			name:   "entries of contacts[] that are none",
			body:   changes(change("messages", `"contacts":["abc",7,null,{"profile":{"name":"n"},"wa_id":"`+user+`"}],"messages":[`+incoming("a", "")+`]`)),
			reason: schemas.ReasonShape, changes: "0", places: "0.0.contacts.0,0.0.contacts.1", messages: []string{"a"},
		},
		{
			name:   "contacts that is none",
			body:   changes(change("messages", `"contacts":"x","messages":[`+incoming("a", "")+`]`)),
			reason: schemas.ReasonShape, changes: "0", places: "0.0.contacts", messages: []string{"a"},
		},
		{
			name:   "several parts and a whole change, with the first one's reason",
			body:   changes(change("messages", `"messages":[`+incoming("a", "")+`]`), change("messages", `"messages":[`+nameTwice("x")+`,`+incoming("b", "")+`,null]`), `7`),
			reason: schemas.ReasonJSONDuplicate, changes: "1,2", places: "0.1.messages.0,0.1.messages.2,0.2", messages: []string{"a", "b"},
		},
		{
			name:   "a change that lacks its number, beside an odd part",
			body:   changes(change("messages", `"messages":[null,`+incoming("a", "")+`]`), `{"field":"messages","value":{"messages":[`+incoming("x", "")+`]}}`),
			reason: schemas.ReasonShape, changes: "0,1", places: "0.0.messages.0,0.1", messages: []string{"a"},
		},
		{
			name:   "a change that was to leave as it is",
			body:   changes(change("smb_app_state_sync", `"state_sync":[{"type":"label","action":"add"},{"type":"contact","contact":{"a":1,"a":1}}]`), change("messages", `"messages":[`+incoming("a", "")+`]`)),
			reason: schemas.ReasonJSONDuplicate, changes: "0", messages: []string{"a"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPartition(t)
			p.webhook(c.body)
			p.tick(historyOf(&p.cfg).GapTimeout)
			p.tick(historyOf(&p.cfg).GapTimeout)
			for topic, want := range map[schemas.Topic][]string{schemas.TopicMessages: c.messages, schemas.TopicEchoes: c.echoes, schemas.TopicHistory: c.older} {
				if got := wamids(events[schemas.Message](p, topic)); !slices.Equal(got, want) && len(got)+len(want) > 0 {
					t.Errorf("%s is %v, want %v", topic, got, want)
				}
			}
			if n := len(p.topics[schemas.TopicContacts]); n != c.contacts {
				t.Errorf("%d contacts, want %d", n, c.contacts)
			}
			if got := p.topics[schemas.TopicOther]; len(got) != 0 {
				t.Errorf("other is %s", got[0].value)
			}
			l := p.theLetter()
			if l.headers[schemas.HeaderDLQReason] != string(c.reason) || l.headers[schemas.HeaderDLQChanges] != c.changes || l.headers[schemas.HeaderDLQPlaces] != c.places || string(l.value) != c.body {
				t.Errorf("the letter has %v", l.headers)
			}
		})
	}
}

// The letter holds the body once, and its headers are short, however many parts are odd: then it names changes, or nothing.
func TestLetterOfManyOddPartsIsBounded(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat("null,", 3000), ",")
	p := newPartition(t)
	p.webhook(changes(change("messages", `"messages":[`+many+`]`), change("messages", `"messages":[`+incoming("a", "")+`]`)))
	l := p.theLetter()
	if _, named := l.headers[schemas.HeaderDLQPlaces]; named || l.headers[schemas.HeaderDLQChanges] != "0" {
		t.Errorf("the letter has %d bytes of places, and the changes %q", len(l.headers[schemas.HeaderDLQPlaces]), l.headers[schemas.HeaderDLQChanges])
	}
	q := newPartition(t)
	q.webhook(changes(strings.Split(many, ",")...))
	if l := q.theLetter(); l.headers[schemas.HeaderDLQChanges] != "" || l.headers[schemas.HeaderDLQPlaces] != "" {
		t.Errorf("the letter has %d bytes of changes", len(l.headers[schemas.HeaderDLQChanges]))
	}
}

// A part that was too deep for one configuration is tried with another, long after all beside it is forgotten.
func TestRequeueOfOddPartsTriesTheseAlone(t *testing.T) {
	deep := func(id string) string { return incoming(id, `,"x":`+strings.Repeat("[", 20)+strings.Repeat("]", 20)) }
	body := changes(
		change("messages", `"messages":[`+incoming("a", "")+`,`+deep("b")+`,`+incoming("c", "")+`],"statuses":[{"id":"s","status":"read","recipient_id":"`+user+`","timestamp":"1772366000"}]`),
		change("messages", `"messages":[`+incoming("d", "")+`]`),
		change("history", `"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":100},"threads":[{"id":"`+user+`","messages":[`+incoming("e", "")+`,`+deep("f")+`,`+incoming("g", "")+`]}]}]`))
	for _, later := range []time.Duration{time.Minute, 100 * time.Hour} {
		p := newPartition(t)
		p.scanner = split.NewScanner(split.Limits{DepthMax: 16})
		p.webhook(body)
		l := p.theLetter()
		if l.headers[schemas.HeaderDLQReason] != string(schemas.ReasonJSONTooDeep) || l.headers[schemas.HeaderDLQPlaces] != "0.0.messages.1,0.2.history.0.threads.0.messages.1" {
			t.Fatalf("the letter has %v", l.headers)
		}
		p.core.Tick(start.Add(later))
		p.releaseAll()
		p.commit()
		if !p.requeue(l, "0/1") {
			t.Fatal("left out")
		}
		if again := p.topics[schemas.TopicDLQ][1]; len(p.topics[schemas.TopicDLQ]) != 2 || again.headers[schemas.HeaderDLQAttempts] != "2" || again.headers[schemas.HeaderDLQPlaces] != l.headers[schemas.HeaderDLQPlaces] {
			t.Errorf("%v later: tried with the same limit, it gives %v", later, again.headers)
		}
		p.scanner = split.NewScanner(split.Limits{})
		p.requeue(p.topics[schemas.TopicDLQ][1], "0/2")
		var messages []string
		for _, r := range p.topics[schemas.TopicMessages] {
			messages = append(messages, r.headers[schemas.HeaderCESubject])
		}
		if want := []string{"a", "c", "s", "d", "b"}; !slices.Equal(messages, want) {
			t.Errorf("%v later: messages are %v, want %v", later, messages, want)
		}
		if got, want := wamids(events[schemas.Message](p, schemas.TopicHistory)), []string{"e", "g", "f"}; !slices.Equal(got, want) {
			t.Errorf("%v later: history is %v, want %v", later, got, want)
		}
		if n := len(p.topics[schemas.TopicDLQ]); n != 2 || len(p.topics[schemas.TopicOther]) != 0 {
			t.Errorf("%v later: %d letters, %d others", later, n, len(p.topics[schemas.TopicOther]))
		}
	}
}

// A thread, an array and an entry that are odd as a whole are tried again as a whole.
func TestRequeueOfAThreadAnArrayAndAnEntryTriesTheseAlone(t *testing.T) {
	deep := `"x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20)
	good := change("messages", `"messages":[`+incoming("a", "")+`],"statuses":{}`)
	thread := func(who, more string, ids ...string) string {
		var ms []string
		for _, id := range ids {
			ms = append(ms, incoming(id, ""))
		}
		return `{"id":"` + who + `"` + more + `,"messages":[` + strings.Join(ms, ",") + `]}`
	}
	body := `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","changes":[` + good + `,` +
		change("history", `"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":100},"threads":[`+thread(user, "", "g")+`,`+thread(other, `,"context":{`+deep+`}`, "h", "i")+`,`+thread("3", "", "j")+`]}]`) +
		`]},{"id":"` + waba + `",` + deep + `,"changes":[` + change("messages", `"messages":[`+incoming("b", "")+`]`) + `,` + change("messages", `"messages":[`+incoming("c", "")+`]`) + `]},` +
		`{"id":"` + waba + `","changes":[` + change("account_update", `"event":"PARTNER_ADDED"`) + `]}]}`
	for _, later := range []time.Duration{time.Minute, 100 * time.Hour} {
		p := newPartition(t)
		p.scanner = split.NewScanner(split.Limits{DepthMax: 16})
		p.webhook(body)
		l := p.theLetter()
		if got, want := l.headers[schemas.HeaderDLQPlaces], "0.0.statuses,0.1.history.0.threads.1,1"; got != want {
			t.Fatalf("the letter names %s, want %s", got, want)
		}
		p.core.Tick(start.Add(later))
		p.releaseAll()
		p.commit()
		told := len(p.topics[schemas.TopicSyncs])
		p.requeue(l, "0/1")
		if n := len(p.topics[schemas.TopicSyncs]); n != told {
			t.Errorf("%v later: tried with the same limit, the chunk counts again", later)
		}
		p.scanner = split.NewScanner(split.Limits{})
		p.requeue(p.topics[schemas.TopicDLQ][1], "0/2")
		if got, want := wamids(events[schemas.Message](p, schemas.TopicMessages)), []string{"a", "b", "c"}; !slices.Equal(got, want) {
			t.Errorf("%v later: messages are %v, want %v", later, got, want)
		}
		if got, want := wamids(events[schemas.Message](p, schemas.TopicHistory)), []string{"g", "j", "h", "i"}; !slices.Equal(got, want) {
			t.Errorf("%v later: history is %v, want %v", later, got, want)
		}
		if n := len(p.topics[schemas.TopicAccount]); n != 1 {
			t.Errorf("%v later: %d account events, want one", later, n)
		}
		if again := p.topics[schemas.TopicDLQ]; len(again) != 3 || again[1].headers[schemas.HeaderDLQPlaces] != l.headers[schemas.HeaderDLQPlaces] || again[2].headers[schemas.HeaderDLQPlaces] != "0.0.statuses" {
			t.Errorf("%v later: %d letters, the last names %v", later, len(again), again[len(again)-1].headers)
		}
	}
}

// For a body of several businesses, each partition reports its own odd parts, live and in a replay.
func TestOddPartsAreToldByThePartitionOfTheirBusiness(t *testing.T) {
	of := func(waba, id string) string {
		return `{"id":"` + waba + `","changes":[{"field":"messages","value":{` + tenant + `,"messages":[null,` + incoming(id, "") + `]}}]}`
	}
	body := `{"object":"whatsapp_business_account","entry":[` + of("here", "a") + `,` + of("there", "b") + `,{"changes":[7]}]}`
	partitionOf := func(b []byte) int32 { return map[string]int32{"here": 0, "there": 1}[string(b)] }
	make2 := func(partition int32) *harness {
		p := newPartition(t)
		p.cfg.Partition, p.cfg.Partitions, p.cfg.PartitionOf = partition, 2, partitionOf
		p.restart()
		return p
	}
	tell := func(p *harness) string {
		l := p.theLetter()
		return fmt.Sprint(wamids(events[schemas.Message](p, schemas.TopicMessages)), l.headers[schemas.HeaderDLQReason], " ", l.headers[schemas.HeaderDLQPlaces])
	}
	raw, there := make2(0), make2(1)
	raw.webhook(body)
	if got, want := tell(raw), "[a]shape 0.0.messages.0,2.0"; got != want {
		t.Errorf("the raw record's partition tells %s, want %s", got, want)
	}
	for _, r := range raw.topics[schemas.TopicRerouted] {
		there.webhook(string(r.value))
	}
	if got, want := tell(there), "[b]shape 0.0.messages.0"; got != want {
		t.Errorf("the other partition tells %s, want %s", got, want)
	}
	for at, want := range []string{"[a]shape 0.0.messages.0,2.0", "[b]shape 1.0.messages.0"} {
		p := make2(int32(at))
		p.raw = []rawRecord{{[]byte(body), start}}
		p.copied[0] = &partition.Replay{ID: []byte("r"), Extra: at == 1, Seen: start}
		o := p.origin(0)
		p.core.Replayed(o)
		b, err := p.scanner.Scan([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		p.core.Webhook(o, b)
		p.commit()
		if got := tell(p); got != want {
			t.Errorf("replayed, partition %d tells %s, want %s", at, got, want)
		}
	}
}

// Parts that are too long for an event and odd parts share the body's one letter. For a letter of one event, in the
// form of earlier versions, nothing else is reported.
func TestABodyHasOneLetterForAllOfItsParts(t *testing.T) {
	p := newPartition(t)
	p.cfg.EventBytesMax = 16 << 10
	p.restart()
	p.webhook(changes(change("messages", `"messages":[null,`+incoming("long", `,"text":{"body":"`+strings.Repeat("x", 20<<10)+`"}`)+`]`)))
	l := p.theLetter()
	if got := l.headers[schemas.HeaderDLQPlaces]; got != "0.0.messages.0,0.0.messages.1" {
		t.Errorf("the letter names %s", got)
	}
	p.cfg.EventBytesMax = 1 << 20
	p.restart()
	p.requeue(l, "0/1")
	if got := wamids(events[schemas.Message](p, schemas.TopicMessages)); !slices.Equal(got, []string{"long"}) || len(p.topics[schemas.TopicDLQ]) != 2 {
		t.Fatalf("messages are %v, and there are %d letters", got, len(p.topics[schemas.TopicDLQ]))
	}
	delete(l.headers, schemas.HeaderDLQPlaces)
	delete(l.headers, schemas.HeaderDLQChanges)
	l.headers[schemas.HeaderDLQEvent] = p.topics[schemas.TopicMessages][0].headers[schemas.HeaderCEID]
	p.requeue(l, "0/2")
	if got := wamids(events[schemas.Message](p, schemas.TopicMessages)); !slices.Equal(got, []string{"long", "long"}) || len(p.topics[schemas.TopicDLQ]) != 2 {
		t.Errorf("messages are %v, and there are %d letters", got, len(p.topics[schemas.TopicDLQ]))
	}
}

func TestHalfOfASurrogatePairStaysInTheOriginal(t *testing.T) {
	p := newPartition(t)
	p.webhook(changes(change("messages", `"messages":[`+incoming("a", `,"text":{"body":"cut \ud83d"}`)+`,`+incoming(`b\ude0a`, "")+`]`)))
	got := events[schemas.Message](p, schemas.TopicMessages)
	if len(got) != 2 || !strings.Contains(string(got[0].Original), `"cut \ud83d"`) || got[1].WAMID != "b\ufffd" || len(p.topics[schemas.TopicDLQ]) != 0 {
		t.Errorf("messages are %+v", got)
	}
}

func TestReasonNamesWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		reason schemas.Reason
		body   string
	}{
		{schemas.ReasonNoNumber, changes(`{"field":"messages","value":{"messages":[` + incoming("a", "") + `]}}`)},
		{schemas.ReasonNoNumber, changes(`{"field":"smb_app_state_sync","value":{"state_sync":[{"action":"add"}]}}`)},
		{schemas.ReasonNoNumber, changes(`{"field":"messaging_handovers","value":{"type":"control_taken","sender":{"phone_number":"1"}}}`)},
		{schemas.ReasonNoNumber, `{"type":"whatsapp.inbound_message.received","whatsappInboundMessage":{"wabaId":"1","from":"+2"}}`},
		{schemas.ReasonNoBusiness, `{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messages":[` + incoming("a", "") + `]}}]}]}`},
		{schemas.ReasonNoBusiness, `{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"flows","value":{}}]}]}`},
		{schemas.ReasonEmpty, `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[]}]}`},
		{schemas.ReasonEmpty, `{"object":"whatsapp_business_account","entry":[]}`},
	} {
		p := newPartition(t)
		p.webhook(c.body)
		if l := p.theLetter(); l.headers[schemas.HeaderDLQReason] != string(c.reason) {
			t.Errorf("%s: the reason is %s, want %s", c.body, l.headers[schemas.HeaderDLQReason], c.reason)
		}
	}
}

// docs/webhooks.md, D14.
func TestArrayOfValuesIsAsManyChanges(t *testing.T) {
	message := func(id, number string) string {
		return `{"metadata":{"phone_number_id":"` + number + `"},"messages":[{"from":"` + user + `","id":"` + id + `","timestamp":"1772366400","type":"text"}]}`
	}
	p := newPartition(t)
	p.webhook(envelope("messages", `[`+message("a", "1")+`,"x",`+message("b", "2")+`]`))
	got := events[schemas.Message](p, schemas.TopicMessages)
	if !slices.Equal(wamids(got), []string{"a", "b"}) || got[0].PhoneNumberID != "1" || got[1].PhoneNumberID != "2" {
		t.Errorf("messages are %+v", got)
	}
	p.webhook(envelope("history", `"x"`))
	letters := p.topics[schemas.TopicDLQ]
	if len(letters) != 2 || len(p.topics[schemas.TopicOther]) != 0 {
		t.Fatalf("%d letters, and %d on other", len(letters), len(p.topics[schemas.TopicOther]))
	}
	for i, change := range []string{"1", "0"} {
		if h := letters[i].headers; h[schemas.HeaderDLQReason] != string(schemas.ReasonShape) || h[schemas.HeaderDLQChanges] != change {
			t.Errorf("letter %d is %v", i, h)
		}
	}
}
