package partition_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

func TestTimestampsOfAnyUnitAreSeconds(t *testing.T) {
	got, p := twice(t, "message-timestamp-microseconds", schemas.TopicMessages)
	if len(got) != 2 || got[0].Timestamp != 1739230955 || got[1].Timestamp != 1739230956 {
		t.Fatalf("messages are %+v", got)
	}
	if at := p.topics[schemas.TopicMessages][0].headers[schemas.HeaderCETime]; at != "2025-02-10T23:42:35Z" {
		t.Errorf("ce_time is %s", at)
	}
}

func TestTimeOfAnEventIsRFC3339WhateverTheWebhookSays(t *testing.T) {
	for _, stamp := range []string{`"1739230955123456"`, `1739230955123456789`, `"9223372036854775807"`, `"99999999999999999999"`, `-1`, `"-1739230955"`, `0`, `99999999999`, `"x"`, `null`, `1.5`, `253402300800`} {
		p := newPartition(t)
		p.webhook(envelope("messages", value(`"messages":[{"from":"`+user+`","id":"w1","timestamp":`+stamp+`,"type":"text"}],"statuses":[{"id":"w2","status":"sent","timestamp":`+stamp+`,"recipient_id":"`+user+`"}]`)))
		p.webhook(envelope("smb_app_state_sync", value(`"state_sync":[{"type":"contact","contact":{"phone_number":"`+user+`"},"action":"add","metadata":{"timestamp":`+stamp+`}}]`)))
		p.webhook(`{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","time":` + stamp + `,"changes":[{"field":"account_update","value":{"event":"VERIFIED_ACCOUNT"}},{"field":"flows","value":{}}]}]}`)
		n := 0
		for topic, rs := range p.topics {
			for _, r := range rs {
				at, ok := r.headers[schemas.HeaderCETime]
				if !ok {
					continue
				}
				n++
				when, err := time.Parse(time.RFC3339, at)
				if err != nil || when.Year() < 1970 || when.Year() > 9999 {
					t.Errorf("%s: ce_time of %s is %q: %v", stamp, topic, at, err)
				}
			}
		}
		if n != 5 {
			t.Errorf("%s: %d events, want 5", stamp, n)
		}
	}
	// A receipt that no calendar has.
	p := newPartition(t)
	p.clock = time.UnixMilli(1 << 58)
	p.webhook(envelope("messages", value(`"messages":[{"from":"`+user+`","id":"w1","type":"text"}]`)))
	if at := p.topics[schemas.TopicMessages][0].headers[schemas.HeaderCETime]; at != "9999-12-31T23:59:59Z" {
		t.Errorf("ce_time is %s", at)
	}
}

// Every event has the time and the source of its webhook's receipt: also those that waited, and those of a replay.
func TestReceiptAndSourceAreOnEveryEvent(t *testing.T) {
	for _, f := range fixtures.All() {
		p := newPartition(t)
		p.send(string(f.Body))
		p.commit()
		p.restart()
		p.tick(p.cfg.Media.Hold + time.Minute)
		p.tick(p.cfg.History.GapTimeout)
		received := fmt.Sprint(start.UnixMilli())
		p.clock = start.Add(400 * time.Hour)
		p.again("r", 0, p.clock)
		p.commit()
		p.endOfAgain("r", p.clock)
		for topic, rs := range p.topics {
			switch topic {
			case schemas.TopicState, schemas.TopicSyncs, schemas.TopicDLQ, schemas.TopicRerouted:
				continue
			}
			for _, r := range rs {
				if at, source := r.headers[schemas.HeaderReceivedAt], r.headers[schemas.HeaderSource]; at != received || source != "meta" {
					t.Errorf("%s: an event of %s was received at %q by %q, want %s and meta", f.Name, topic, at, source, received)
				}
			}
		}
	}
}

// A webhook takes missing fields from webhooks that were received before it, for any order of the lanes.
func TestDisplayNumberOfAWebhookThatLacksItIsThatOfOneReceivedBefore(t *testing.T) {
	without := strings.Replace(chunk(0, 1, 50, "m1"), `"display_phone_number":"`+biz+`",`, "", 1)
	other := strings.Replace(chunk(0, 2, 100, "m2"), biz, "5511955512345", 1)
	for _, c := range []struct {
		name  string
		order []string
		at    []time.Duration
		want  string // of m1
	}{
		{"received before, read before", []string{other, without}, []time.Duration{0, time.Minute}, "5511955512345"},
		{"received later, read before", []string{other, without}, []time.Duration{time.Minute, 0}, ""},
		{"one of each", []string{chunk(1, 1, 100, "m3"), other, without}, []time.Duration{2 * time.Minute, 0, time.Minute}, "5511955512345"},
		{"two before", []string{chunk(1, 1, 100, "m3"), other, without}, []time.Duration{time.Minute, 0, 2 * time.Minute}, "5511955512345"},
	} {
		for _, restarts := range []bool{false, true} {
			p := newPartition(t)
			for i, b := range c.order {
				p.clock = start.Add(c.at[i])
				p.webhook(b)
				if restarts {
					p.restart()
				}
			}
			p.tick(2 * time.Hour)
			for _, m := range events[schemas.Message](p, schemas.TopicHistory) {
				want := map[string]string{"m1": c.want, "m2": "5511955512345", "m3": biz}[m.WAMID]
				if m.DisplayPhoneNumber != want {
					t.Errorf("%s: %s has the display number %q, want %q", c.name, m.WAMID, m.DisplayPhoneNumber, want)
				}
			}
			if n := len(p.topics[schemas.TopicHistory]); n != len(c.order) {
				t.Errorf("%s: %d events", c.name, n)
			}
		}
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
