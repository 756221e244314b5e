package partition_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

func unixText(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func echo(id, kind, extra string, at time.Time) string {
	return envelope("smb_message_echoes", value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"`+id+`","timestamp":"`+unixText(at)+`","type":"`+kind+`",`+extra+`}]`))
}

func TestRetriedWebhookYieldsNoSecondEvent(t *testing.T) {
	p := newPartition(t)
	body := echo("w1", "text", `"text":{"body":"hi"}`, p.clock)
	p.webhook(body)
	p.webhook(body)
	p.restart()
	p.clock = p.clock.Add(23 * time.Hour)
	p.webhook(body)
	got := events[schemas.Message](p, schemas.TopicEchoes)
	if len(got) != 1 || got[0].Direction != schemas.DirectionOutbound || got[0].Thread != user || got[0].Historical {
		t.Fatalf("echoes are %+v", got)
	}
}

// Two apps that subscribe to one business get the same webhook, each at its own source, signed with its own
// secret.
func TestWebhookOfASecondAppYieldsNoSecondEvent(t *testing.T) {
	for _, f := range fixtures.All() {
		if f.Name == "ycloud-history-progress" {
			continue // names nobody: see TestWhatNamesNobodyGoesToDLQ
		}
		p := newPartition(t)
		for i, app := range []struct{ source, secret string }{{"meta", "app-one"}, {"meta-of-another-app", "app-two"}} {
			p.raw = append(p.raw, rawRecord{f.Body, p.clock})
			o := p.origin(i)
			o.Headers = []partition.Header{{Key: schemas.HeaderSource, Value: []byte(app.source)}, {Key: schemas.HeaderSecretID, Value: []byte(app.secret)}}
			body, err := p.scanner.Scan(append([]byte{}, f.Body...))
			if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			p.core.Webhook(o, body)
			p.releaseAll()
			p.commit()
		}
		p.tick(p.cfg.Media.Hold + time.Minute)
		once := newPartition(t)
		once.webhook(string(f.Body))
		once.tick(once.cfg.Media.Hold + time.Minute)
		for _, topic := range schemas.Topics() {
			if a, b := len(once.topics[topic]), len(p.topics[topic]); topic != schemas.TopicState && topic != schemas.TopicSyncs && a != b {
				t.Errorf("%s: %d records on %s, with the second app's %d", f.Name, a, topic, b)
			}
		}
	}
}

func TestDedupWindowEnds(t *testing.T) {
	p := newPartition(t)
	body := echo("w1", "text", `"text":{"body":"hi"}`, p.clock)
	p.webhook(body)
	p.tick(48 * time.Hour)
	p.restart()
	p.webhook(body)
	if got := len(p.topics[schemas.TopicEchoes]); got != 2 {
		t.Fatalf("%d echoes; what was seen must be forgotten after the window", got)
	}
	var tombstones int
	for _, r := range p.topics[schemas.TopicState] {
		if r.value == nil && strings.HasPrefix(r.key, "r|") {
			tombstones++
		}
	}
	if tombstones == 0 {
		t.Error("the pages of an expired bucket stay in `state` for ever")
	}
}

func TestUnsupportedIsFollowedByTheRealMessageWithTheSameWamid(t *testing.T) {
	p := newPartition(t)
	message := func(body string) string {
		return envelope("messages", value(`"contacts":[{"profile":{"name":"P"},"wa_id":"`+user+`"}],"messages":[{"from":"`+user+`","id":"w1","timestamp":"1772366400",`+body+`}]`))
	}
	unsupported := message(`"type":"unsupported","errors":[{"code":131060,"title":"This message is currently unavailable"}]`)
	real := message(`"type":"text","text":{"body":"hello"}`)
	p.webhook(unsupported)
	p.webhook(real)
	p.webhook(unsupported)
	p.webhook(real)
	got := events[schemas.Message](p, schemas.TopicMessages)
	if len(got) != 2 || got[0].Type != "unsupported" || got[1].Type != "text" || len(got[1].Profiles) == 0 {
		t.Fatalf("messages are %+v", got)
	}
}

// An item that lacks what its kind always has leaves, as an event that the schemas take.
func TestItemWithoutItsPropertiesIsAValidEvent(t *testing.T) {
	for _, item := range []string{`{}`, `{"status":7,"type":7,"id":7,"from":{},"timestamp":{},"action":7}`, `{"status":"","type":"","id":"","from":"","recipient_id":"","timestamp":"","action":""}`} {
		p := newPartition(t) // which holds each event against its schema
		p.webhook(envelope("messages", value(`"messages":[`+item+`],"statuses":[`+item+`],"errors":[`+item+`],"contacts":[`+item+`]`)))
		p.webhook(envelope("smb_message_echoes", value(`"message_echoes":[`+item+`]`)))
		p.webhook(envelope("history", value(`"history":[{"threads":[{"messages":[`+item+`]}]}],"messages":[`+item+`]`)))
		p.webhook(envelope("smb_app_state_sync", value(`"state_sync":[`+item+`]`)))
		p.webhook(envelope("account_update", item))
		p.webhook(envelope("messaging_handovers", value(`"x":1`)))
		p.tick(time.Hour)
		p.tick(time.Hour)
		for topic, want := range map[schemas.Topic]int{schemas.TopicMessages: 4, schemas.TopicEchoes: 1, schemas.TopicHistory: 1, schemas.TopicMedia: 1, schemas.TopicOther: 1, schemas.TopicAccount: 1, schemas.TopicDLQ: 0} {
			if n := len(p.topics[topic]); n != want {
				t.Errorf("%s: %d events on %s, want %d", item, n, topic, want)
			}
		}
	}
}

func TestStatusesThatRunBackwardsAllLeave(t *testing.T) {
	p := newPartition(t)
	for _, s := range []string{"delivered", "sent", "read", "sent"} {
		p.webhook(envelope("messages", value(`"statuses":[{"id":"w1","status":"`+s+`","timestamp":"1772366400","recipient_id":"`+user+`"}]`)))
	}
	var got []string
	for _, m := range events[schemas.Message](p, schemas.TopicMessages) {
		got = append(got, m.Status)
	}
	if !slices.Equal(got, []string{"delivered", "sent", "read"}) {
		t.Fatalf("statuses are %v", got)
	}
}

func TestMediaFollowUpsOfAllShapesJoinTheirPlaceholder(t *testing.T) {
	asset := `"timestamp":"1738796547","type":"image","image":{"id":"24230790383178626","mime_type":"image/jpeg"}`
	shapes := map[string]string{
		"history messages":       envelope("history", value(`"messages":[{"from":"`+user+`","id":"p1",`+asset+`}]`)),
		"history message_echoes": envelope("history", value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]`)),
		"smb_message_echoes":     envelope("smb_message_echoes", value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]`)),
		"messages":               envelope("messages", value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]`)),
		"messages, other name":   envelope("messages", value(`"smb_message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]`)),
		"message_echoes":         envelope("message_echoes", value(`"smb_message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]`)),
		"standby":                envelope("standby", value(`"standby":{"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]}`)),
		"standby, flat":          envelope("standby", value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"p1",`+asset+`}]`)),
		"standby, the request":   envelope("standby", value(`"standby":{"message_echoes":[{"id":"p1","timestamp":"1738796547","message":{"to":"`+user+`","type":"image","image":{"id":"1"}}}]}`)),
	}
	placeholder := strings.Replace(chunk(0, 1, 100, "p1"), text("p1"),
		`{"from":"`+biz+`","id":"p1","timestamp":"1772300007","type":"media_placeholder","history_context":{"status":"PLAYED"}}`, 1)
	for name, followUp := range shapes {
		for _, order := range [][]string{{placeholder, followUp}, {followUp, placeholder}} {
			p := newPartition(t)
			if !strings.HasPrefix(name, "history") {
				p.webhook(chunk(0, 2, 100, "m2")) // what opens the window tells an old echo from one of now
			}
			for _, body := range order {
				p.webhook(body)
				p.restart()
			}
			p.webhook(followUp)
			got := events[schemas.Message](p, schemas.TopicMedia)
			if len(got) != 1 || got[0].Joined == nil || !*got[0].Joined || got[0].Direction != schemas.DirectionOutbound ||
				got[0].Timestamp != 1772300007 || got[0].Thread != user || !got[0].Historical || got[0].Standby != strings.HasPrefix(name, "standby") {
				t.Errorf("%s, placeholder first %v: media is %+v", name, order[0] == placeholder, got)
			}
			if n := len(p.topics[schemas.TopicEchoes]); n != 0 {
				t.Errorf("%s: media of the past left as %d echoes", name, n)
			}
		}
	}
}

// docs/webhooks.md, H17: an echo under any field.
func TestOldEchoWithoutAPlaceholderIsHistoricalUnderEveryField(t *testing.T) {
	for _, field := range []string{"smb_message_echoes", "message_echoes", "messages", "standby"} {
		p := newPartition(t)
		p.webhook(chunk(0, 1, 50, "m1"))
		at := strconv.FormatInt(p.clock.Add(-24*time.Hour).Unix(), 10)
		p.webhook(envelope(field, value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"e1","timestamp":"`+at+`","type":"image","image":{"id":"2"}}]`)))
		p.tick(p.cfg.Media.Hold + time.Minute)
		if got := events[schemas.Message](p, schemas.TopicEchoes); len(got) != 1 || !got[0].Historical {
			t.Errorf("%s: echoes are %+v, want one that is historical", field, got)
		}
	}
}

// docs/webhooks.md, H16: Meta's own pair of samples is older than that.
func TestFollowUpOfOldMediaJoinsWhicheverCameFirst(t *testing.T) {
	placeholder := envelope("history", value(`"history":[{"metadata":{"phase":2,"chunk_order":1,"progress":10},"threads":[{"id":"`+user+`","messages":[{"from":"`+user+`","id":"P","timestamp":"1739230955","type":"media_placeholder"}]}]}]`))
	asset := envelope("history", value(`"messages":[{"from":"`+other+`","id":"P","timestamp":"1739230999","type":"image","image":{"id":"1"}}]`))
	for name, play := range map[string]func(*harness){
		"placeholder first": func(p *harness) { p.webhook(placeholder); p.tick(3 * time.Minute); p.restart(); p.webhook(asset) },
		"asset first":       func(p *harness) { p.webhook(asset); p.webhook(placeholder); p.tick(3 * time.Minute) },
		"13 days later": func(p *harness) {
			p.webhook(placeholder)
			p.tick(3 * time.Minute)
			p.tick(13 * 24 * time.Hour)
			p.restart()
			p.webhook(asset)
		},
	} {
		p := newPartition(t)
		play(p)
		got := events[schemas.Message](p, schemas.TopicMedia)
		if len(got) != 1 || !*got[0].Joined || got[0].Thread != user || got[0].Timestamp != 1739230955 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestFollowUpWithoutAPlaceholderLeavesInTheEnd(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 1, 50, "m1"))
	p.webhook(envelope("history", value(`"messages":[{"from":"`+user+`","id":"p9","timestamp":"1772300000","type":"image","image":{"id":"1"}}]`)))
	p.webhook(echo("e9", "image", `"image":{"id":"2"}`, p.clock.Add(-24*time.Hour)))
	p.webhook(echo("e10", "image", `"image":{"id":"3"}`, p.clock))
	if n := len(p.topics[schemas.TopicMedia]); n != 0 {
		t.Fatalf("%d follow-ups left at once, while their placeholder can still come", n)
	}
	p.restart()
	p.tick(p.cfg.Media.Hold + time.Minute)
	media, echoes := events[schemas.Message](p, schemas.TopicMedia), events[schemas.Message](p, schemas.TopicEchoes)
	if len(media) != 1 || *media[0].Joined {
		t.Errorf("media is %+v, want one that is not joined", media)
	}
	if !slices.Equal(wamids(echoes), []string{"e10", "e9"}) || echoes[0].Historical || !echoes[1].Historical {
		t.Errorf("echoes are %+v", echoes)
	}
}

func TestEchoShapedMediaThatOvertakesTheFirstChunkWaits(t *testing.T) {
	p := newPartition(t)
	followUp := echo("p1", "image", `"image":{"id":"1"}`, p.clock.Add(-30*24*time.Hour/2))
	p.webhook(followUp)
	p.restart()
	p.webhook(echo("e1", "image", `"image":{"id":"2"}`, p.clock)) // written now: a live echo
	if got := wamids(events[schemas.Message](p, schemas.TopicEchoes)); !slices.Equal(got, []string{"e1"}) {
		t.Fatalf("echoes are %v", got)
	}
	p.webhook(strings.Replace(chunk(0, 1, 100, "p1"), text("p1"),
		`{"from":"`+biz+`","id":"p1","timestamp":"`+unixText(p.clock.Add(-15*24*time.Hour))+`","type":"media_placeholder"}`, 1))
	if got := events[schemas.Message](p, schemas.TopicMedia); len(got) != 1 || !*got[0].Joined {
		t.Fatalf("media is %+v", got)
	}
	if n := len(p.topics[schemas.TopicEchoes]); n != 1 {
		t.Errorf("media of the past left as a live echo")
	}
}

func TestContactsTableIsRightWhateverTheOrder(t *testing.T) {
	item := func(action, name string, ts string) string {
		names := ""
		if name != "" {
			names = `"full_name":"` + name + `","first_name":"` + name + `",`
		}
		return envelope("smb_app_state_sync", value(`"state_sync":[{"type":"contact","contact":{`+names+`"phone_number":"`+user+`"},"action":"`+action+`","metadata":{"timestamp":`+ts+`}}]`))
	}
	bodies := []string{item("add", "Old", `"1739321000"`), item("remove", "", `1739321010`), item("add", "New", `"1739321020000"`)}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}} {
		p := newPartition(t)
		for _, i := range order {
			p.webhook(bodies[i])
			p.restart()
		}
		table := p.table()
		if c := table[phone+"/"+user]; len(table) != 1 || c.FullName != "New" || c.TimestampMS != 1739321020000 {
			t.Errorf("order %v: table is %+v", order, table)
		}
	}
	p := newPartition(t)
	p.webhook(bodies[1])
	p.webhook(bodies[0])
	if len(p.table()) != 0 {
		t.Error("an older add brought a removed contact back")
	}
	tomb := p.topics[schemas.TopicContacts][0]
	if tomb.value != nil || tomb.headers[schemas.HeaderContactAction] != "remove" || tomb.headers[schemas.HeaderContactTimestamp] != "1739321010000" {
		t.Errorf("tombstone says %v", tomb.headers)
	}
}

func TestPartsOfOtherPartitionsAreReroutedAndUnderstoodThere(t *testing.T) {
	home := newPartition(t)
	home.cfg.Partitions = 2
	home.cfg.PartitionOf = func(b []byte) int32 {
		if string(b) == waba {
			return 0
		}
		return 1
	}
	home.restart()
	two := strings.Replace(envelope("smb_message_echoes", value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"w1","timestamp":"1772366400","type":"text","text":{"body":"a"}}]`)),
		`"entry":[`, `"entry":[{"id":"555","time":1,"changes":[{"field":"smb_message_echoes","value":`+value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"w2","timestamp":"1772366400","type":"text","text":{"body":"b"}}]`)+`}]},`, 1)
	home.webhook(two)
	moved := slices.DeleteFunc(home.topics[schemas.TopicRerouted], func(r record) bool { return r.value == nil }) // notes
	if len(moved) != 1 || moved[0].partition != 1 || moved[0].key != "555" || moved[0].headers[schemas.HeaderOrigin] != "raw.bulk/0/0#0.0" {
		t.Fatalf("rerouted: %+v", moved)
	}
	away := newPartition(t)
	away.webhook(string(moved[0].value))
	got := events[schemas.Message](away, schemas.TopicEchoes)
	if len(got) != 1 || got[0].WAMID != "w2" || got[0].WABAID != "555" {
		t.Fatalf("the other partition made %+v of it", got)
	}
}

// Meta batches up to 1,000 updates in one POST.
func TestAThousandChangesOfOneWebhookAllLeaveInOrder(t *testing.T) {
	const entries, changesOfEntry = 4, 250
	topics := []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes, schemas.TopicHistory, schemas.TopicContacts, schemas.TopicOther}
	want := map[schemas.Topic][]string{}
	var body strings.Builder
	body.WriteString(`{"object":"whatsapp_business_account","entry":[`)
	for e := range entries {
		if e > 0 {
			body.WriteString(",")
		}
		number := fmt.Sprintf("10654035224292%d", e)
		fmt.Fprintf(&body, `{"id":"10229012934039%d","time":1772366400,"changes":[`, e)
		for c := range changesOfEntry {
			if c > 0 {
				body.WriteString(",")
			}
			id, topic := fmt.Sprintf("w%d.%d", e, c), topics[c%len(topics)]
			want[topic] = append(want[topic], id)
			field, parts := "", ""
			switch topic {
			case schemas.TopicMessages:
				field, parts = "messages", `"messages":[{"from":"`+user+`","id":"`+id+`","timestamp":"1772366400","type":"text","text":{"body":"a"}}]`
			case schemas.TopicEchoes:
				field, parts = "smb_message_echoes", `"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"`+id+`","timestamp":"1772366400","type":"text","text":{"body":"a"}}]`
			case schemas.TopicHistory:
				field = "history"
				parts = fmt.Sprintf(`"history":[{"metadata":{"phase":0,"chunk_order":%d,"progress":1},"threads":[{"id":"%s","messages":[%s]}]}]`, c/len(topics)+1, user, text(id))
			case schemas.TopicContacts:
				field = "smb_app_state_sync"
				parts = fmt.Sprintf(`"state_sync":[{"type":"contact","contact":{"full_name":%q,"phone_number":"1650555%04d"},"action":"add","metadata":{"timestamp":"1772366400"}}]`, id, c)
			case schemas.TopicOther:
				field, parts = "flows_next", `"name":"`+id+`"`
			}
			fmt.Fprintf(&body, `{"value":%s,"field":%q}`, strings.Replace(value(parts), phone, number, 1), field)
		}
		body.WriteString("]}")
	}
	body.WriteString("]}")

	p := newPartition(t)
	p.webhook(body.String())
	got := map[schemas.Topic][]string{
		schemas.TopicMessages: wamids(events[schemas.Message](p, schemas.TopicMessages)),
		schemas.TopicEchoes:   wamids(events[schemas.Message](p, schemas.TopicEchoes)),
		schemas.TopicHistory:  wamids(events[schemas.Message](p, schemas.TopicHistory)),
	}
	for _, c := range events[schemas.ContactState](p, schemas.TopicContacts) {
		got[schemas.TopicContacts] = append(got[schemas.TopicContacts], c.FullName)
	}
	for _, o := range events[schemas.Other](p, schemas.TopicOther) {
		_, name, _ := strings.Cut(string(o.Original), `"name":"`)
		name, _, _ = strings.Cut(name, `"`)
		got[schemas.TopicOther] = append(got[schemas.TopicOther], name)
	}
	total := 0
	for _, topic := range topics {
		total += len(got[topic])
		if !slices.Equal(got[topic], want[topic]) {
			t.Errorf("%s has %d: %v\nwant %d: %v", topic, len(got[topic]), got[topic], len(want[topic]), want[topic])
		}
	}
	if total != 1000 || len(p.topics[schemas.TopicDLQ]) != 0 {
		t.Errorf("%d of 1000 changes left, %d are dead letters", total, len(p.topics[schemas.TopicDLQ]))
	}
}

func TestBrokenBodiesGoToDLQUntouched(t *testing.T) {
	for _, f := range fixtures.Broken() {
		p := newPartition(t)
		p.webhook(string(f.Body))
		dead := p.topics[schemas.TopicDLQ]
		if len(dead) != 1 || string(dead[0].value) != string(f.Body) || dead[0].headers[schemas.HeaderDLQReason] != string(f.Reason) ||
			dead[0].headers[schemas.HeaderSource] != "meta" || dead[0].headers[schemas.HeaderDLQOffset] != "0" {
			t.Errorf("%s: dlq has %+v, want the body with reason %s", f.Name, dead, f.Reason)
		}
	}
}

func TestEveryGoldenWebhookYieldsEventsAndNothingTwice(t *testing.T) {
	for _, f := range fixtures.All() {
		p := newPartition(t)
		p.webhook(string(f.Body))
		p.clock = p.clock.Add(8 * 24 * time.Hour / 10)
		p.tick(time.Minute)
		p.tick(time.Hour)
		if f.Name == "ycloud-history-progress" {
			continue // names nobody: see TestWhatNamesNobodyGoesToDLQ
		}
		if len(p.topics[schemas.TopicDLQ]) != 0 {
			t.Errorf("%s (%s): dead letter %v", f.Name, f.Quirk, p.topics[schemas.TopicDLQ][0].headers)
			continue
		}
		total := 0
		for topic, rs := range p.topics {
			if topic != schemas.TopicState {
				total += len(rs)
			}
		}
		if total == 0 {
			t.Errorf("%s (%s): nothing came of it", f.Name, f.Quirk)
		}
		seen := map[string]bool{}
		for topic, rs := range p.topics {
			if topic == schemas.TopicState || topic == schemas.TopicRerouted || topic == schemas.TopicSyncs {
				continue
			}
			for _, r := range rs {
				id := r.headers[schemas.HeaderCEID]
				if seen[id] {
					t.Errorf("%s (%s): id %s twice", f.Name, f.Quirk, id)
				}
				seen[id] = true
			}
		}
	}
}

func TestUnknownFieldGoesToOtherVerbatim(t *testing.T) {
	p := newPartition(t)
	body := `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","changes":[{"field":"flows_next","value":{"a":[1, 2 ]}}]}]}`
	p.webhook(body)
	p.webhook(body)
	got := events[schemas.Other](p, schemas.TopicOther)
	if len(got) != 1 || got[0].Field != "flows_next" || string(got[0].Original) != `{"field":"flows_next","value":{"a":[1, 2 ]}}` {
		t.Fatalf("other is %+v", got)
	}
}

func TestAFailedPartDoesNotFailItsBatch(t *testing.T) {
	p := newPartition(t)
	body := strings.Replace(envelope("smb_message_echoes", value(`"message_echoes":[{"from":"`+biz+`","to":"`+user+`","id":"w1","timestamp":"1772366400","type":"text","text":{"body":"a"}}]`)),
		`"entry":[`, `"entry":[{"changes":[{"field":"messages","value":{"messages":[{"id":"x"}]}}]},`, 1)
	p.webhook(body)
	if got := wamids(events[schemas.Message](p, schemas.TopicEchoes)); !slices.Equal(got, []string{"w1"}) {
		t.Errorf("echoes are %v", got)
	}
	if dead := p.topics[schemas.TopicDLQ]; len(dead) != 1 || dead[0].headers[schemas.HeaderDLQReason] != string(schemas.ReasonNoBusiness) || string(dead[0].value) != body {
		t.Errorf("dlq is %+v", dead)
	}
}

func TestReplayGivesTheSameIDs(t *testing.T) {
	ids := func() (all []string) {
		p := newPartition(t)
		for _, f := range fixtures.All() {
			p.webhook(string(f.Body))
		}
		for _, topic := range schemas.Topics() {
			for _, r := range p.topics[topic] {
				if topic != schemas.TopicState {
					all = append(all, topic.String()+" "+r.headers[schemas.HeaderCEID])
				}
			}
		}
		return all
	}
	if a, b := ids(), ids(); !slices.Equal(a, b) || len(a) < 100 {
		t.Errorf("two runs over the same raw log gave other ids (%d and %d of them)", len(a), len(b))
	}
}

func TestCountsSayWhatHappened(t *testing.T) {
	p := newPartition(t)
	body := echo("w1", "text", `"text":{"body":"hi"}`, p.clock)
	p.send(body)
	p.send(body)
	p.core.Flush()
	c := p.core.Counts()
	if c.Events[schemas.TopicEchoes] != 1 || c.Duplicates[partition.KindEcho] != 1 {
		t.Errorf("counts are %+v", c)
	}
}

func TestWhatNamesNobodyGoesToDLQ(t *testing.T) {
	p := newPartition(t)
	p.webhook(string(fixtures.Named("ycloud-history-progress").Body))
	if dead := p.topics[schemas.TopicDLQ]; len(dead) != 1 || dead[0].headers[schemas.HeaderDLQReason] != string(schemas.ReasonNoBusiness) {
		t.Errorf("dlq is %+v", dead)
	}
}

func TestTraceContextAndOriginAreOnEveryEvent(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	p := newPartition(t)
	p.raw = append(p.raw, rawRecord{[]byte(echo("w1", "text", `"text":{"body":"hi"}`, p.clock)), p.clock})
	o := p.origin(0)
	o.TraceParent, o.TraceState = []byte(parent), []byte("vendor=1")
	body, err := p.scanner.Scan(p.raw[0].body)
	if err != nil {
		t.Fatal(err)
	}
	p.core.Webhook(o, body)
	p.commit()
	h := p.topics[schemas.TopicEchoes][0].headers
	if h[schemas.HeaderTraceParent] != parent || h[schemas.HeaderTraceState] != "vendor=1" || h[schemas.HeaderOrigin] != "raw.bulk/0/0#0.0" {
		t.Errorf("headers are %v", h)
	}
}
