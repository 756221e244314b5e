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
