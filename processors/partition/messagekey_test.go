package partition_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

// twice delivers a golden webhook, and again after a restart, and gives the events of a topic.
func twice(t *testing.T, name string, topic schemas.Topic) ([]schemas.Message, *harness) {
	t.Helper()
	p := newPartition(t)
	p.webhook(body(name))
	p.restart()
	p.webhook(body(name))
	return events[schemas.Message](p, topic), p
}

// distinct checks that all events of a topic have ids of their own.
func distinct(t *testing.T, p *harness, topic schemas.Topic) {
	t.Helper()
	ids := map[string]bool{}
	for _, r := range p.topics[topic] {
		ids[r.headers[schemas.HeaderCEID]] = true
	}
	if len(ids) != len(p.topics[topic]) {
		t.Errorf("%d ids for %d events of %s", len(ids), len(p.topics[topic]), topic)
	}
}

const (
	wamidOfPhone = "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQTAxMDIwMzA0MDUwNjA3MDgwOQA="
	wamidOfBSUID = "wamid.HBgLVVMuQ0FTRTM4MDAVAgASGBQzQTAxMDIwMzA0MDUwNjA3MDgwOQA="
	// The same token in a chat with somebody else: a message to a broadcast list.
	wamidOfOther = "wamid.HBgLMTIxMjU1NTc4OTAVAgASGBQzQTAxMDIwMzA0MDUwNjA3MDgwOQA="
)

func TestLiveMessageUnderItsOtherWamidIsADuplicate(t *testing.T) {
	p := newPartition(t)
	message := func(wamid, kind string) string {
		return envelope("messages", value(`"messages":[{"from":"`+user+`","id":"`+wamid+`","timestamp":"1772366400","type":"`+kind+`"}]`))
	}
	p.webhook(message(wamidOfPhone, "unsupported"))
	p.webhook(message(wamidOfBSUID, "text"))
	p.restart()
	p.webhook(message(wamidOfPhone, "text"))
	if got := typesOf(events[schemas.Message](p, schemas.TopicMessages)); !slices.Equal(got, []string{"unsupported", "text"}) {
		t.Errorf("messages are %v", got)
	}
	p.webhook(echo(wamidOfPhone, "text", `"text":{"body":"a"}`, p.clock))
	p.webhook(echo(wamidOfBSUID, "text", `"text":{"body":"a"}`, p.clock))
	if got := len(p.topics[schemas.TopicEchoes]); got != 1 {
		t.Errorf("%d echoes, want 1", got)
	}
}

// A message to a broadcast list has one token in all chats. In the past there may be any number of them.
func TestMessagesOfThePastWithOneTokenAllLeave(t *testing.T) {
	p := newPartition(t)
	p.webhook(chunk(0, 1, 100, wamidOfPhone, wamidOfOther))
	p.webhook(chunk(0, 2, 100, wamidOfOther, wamidOfPhone))
	if got := wamids(events[schemas.Message](p, schemas.TopicHistory)); !slices.Equal(got, []string{wamidOfPhone, wamidOfOther}) {
		t.Errorf("history is %v", got)
	}
}

// docs/webhooks.md, D17: two WABAs are of one partition by chance.
func TestMessageOfANumberUnderTwoWABAsLeavesOfEach(t *testing.T) {
	const second = "102290129340399"
	for name, body := range map[string]string{
		"message": envelope("messages", value(`"messages":[{"from":"`+user+`","id":"x","timestamp":"1772366400","type":"text"}]`)),
		"echo":    envelope("messages", value(`"message_echoes":[{"to":"`+user+`","id":"x","timestamp":"1772366400","type":"text"}]`)),
		"status":  envelope("messages", value(`"statuses":[{"id":"x","status":"sent","timestamp":"1772366400","recipient_id":"`+user+`"}]`)),
		"error":   envelope("messages", value(`"errors":[{"code":1}]`)),
		"edit":    envelope("messages", value(`"message_echoes":[{"to":"`+user+`","id":"x","timestamp":"1772366400","type":"edit","edit":{}}]`)),
		"past":    chunk(0, 1, 100, "x"),
		"asset":   envelope("history", value(`"messages":[{"from":"`+user+`","id":"x","timestamp":"1772366400","type":"image"}]`)),
	} {
		p := newPartition(t)
		for range 2 {
			p.webhook(body)
			p.webhook(strings.Replace(body, waba, second, 1))
			p.restart()
		}
		p.tick(p.cfg.Media.Hold + time.Minute)
		var of []string
		for _, topic := range []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes, schemas.TopicHistory, schemas.TopicMedia} {
			for _, m := range events[schemas.Message](p, topic) {
				of = append(of, m.WABAID)
			}
		}
		slices.Sort(of)
		if !slices.Equal(of, []string{waba, second}) {
			t.Errorf("%s: events of %q", name, of)
		}
	}
}

// docs/webhooks.md, D21: a proxy, or a sender's second attempt, may format a body anew. It says the same.
func TestWhiteSpaceMakesNoOtherEvent(t *testing.T) {
	bodies := map[string]string{
		"a message without a wamid": envelope("messages", value(`"messages":[{"from":"`+user+`","timestamp":"1772366400","type":"text","text":{"body":"a  \" b"}}]`)),
		"an error":                  envelope("messages", value(`"errors":[{"code":131000,"title":"t"}]`)),
		"an error of a history":     envelope("history", value(`"errors":[{"code":131000,"title":"t"}]`)),
		"an error beside a value":   besideValue("history", value(`"history":[]`), `"error":{"code":131000,"title":"t"}`),
		"an error of a chunk":       envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":1},"errors":[{"code":131000}]}]`)),
		"a chunk without wamids":    envelope("history", value(`"history":[{"metadata":{"phase":0,"chunk_order":1,"progress":1},"threads":[{"id":"`+user+`","messages":[{"from":"`+user+`","timestamp":"1740000000","type":"text"}]}]}]`)),
	}
	for _, f := range fixtures.All() {
		bodies[f.Name] = string(f.Body)
	}
	for name, body := range bodies {
		text := []byte(strings.TrimPrefix(body, "\ufeff"))
		var compact, indented bytes.Buffer
		if err := errors.Join(json.Compact(&compact, text), json.Indent(&indented, text, "", " \t")); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ids := func(bodies ...string) map[string]int {
			p := newPartition(t)
			for _, b := range bodies {
				p.webhook(b)
				p.tick(time.Second)
			}
			p.tick(time.Hour)
			n := map[string]int{}
			for topic, rs := range p.topics {
				if topic == schemas.TopicState || topic == schemas.TopicSyncs || topic == schemas.TopicDLQ {
					continue // they tell again
				}
				for _, r := range rs {
					n[topic.String()+" "+r.headers[schemas.HeaderCEID]]++
				}
			}
			return n
		}
		want := ids(compact.String())
		if got := ids(indented.String()); !maps.Equal(got, want) {
			t.Errorf("%s: indented it has the ids %v, compact %v", name, got, want)
		}
		if got := ids(compact.String(), indented.String()); !maps.Equal(got, want) {
			t.Errorf("%s: delivered compact and indented it has the ids %v, want %v", name, got, want)
		}
	}
}
