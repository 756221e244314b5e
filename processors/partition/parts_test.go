package partition_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
)

// everyKind is a body with a lot of every kind of item, of two numbers, with odd parts among them.
func everyKind() string {
	list := func(n int, of func(i int) string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = of(i)
		}
		return strings.Join(all, ",")
	}
	message := func(prefix string) func(int) string {
		return func(i int) string {
			if i%97 == 50 {
				return nameTwice(fmt.Sprint(prefix, i))
			}
			return incoming(fmt.Sprint(prefix, i-i%7/6), "") // some twice
		}
	}
	parts := []string{
		change("messages", `"contacts":[{"wa_id":"`+user+`","profile":{"name":"A"}}],"messages":[`+list(300, message("m"))+`],"statuses":[`+
			list(200, func(i int) string {
				return fmt.Sprintf(`{"id":"m%d","status":"delivered","timestamp":"1772366%03d","recipient_id":"%s"}`, i, i, user)
			})+`],"errors":[{"code":1},{"code":2}]`),
		change("history", `"history":[`+list(3, func(i int) string {
			return fmt.Sprintf(`{"metadata":{"phase":0,"chunk_order":%d,"progress":%d},"threads":[{"id":"%s","messages":[%s]}]}`,
				3-i, 100-i, user, list(150, func(j int) string { return text(fmt.Sprintf("h%d.%d", 3-i, j)) }))
		})+`]`),
		change("smb_message_echoes", `"message_echoes":[`+list(260, func(i int) string {
			return `{"from":"` + biz + `","to":"` + user + `","id":"e` + fmt.Sprint(i) + `","timestamp":"1772366000","type":"text","text":{"body":"x"}}`
		})+`]`),
		change("smb_app_state_sync", `"state_sync":[`+list(300, func(i int) string {
			if i == 20 {
				return `{"type":"label","action":"add","metadata":{"timestamp":"1772300000"}}`
			}
			return fmt.Sprintf(`{"type":"contact","action":"add","contact":{"full_name":"P%d","phone_number":"1650555%04d"},"metadata":{"timestamp":"1772300000"}}`, i, i%250)
		})+`]`),
		`{"field":"messages","value":{"messages":[` + incoming("nobody", "") + `]}}`, // without a number
		`{"field":"account_update","value":{"event":"VERIFIED_ACCOUNT","phone_number":"` + biz + `"}}`,
		`{"field":"brand_new_field","value":{"a":1}}`,
	}
	for i := range 300 {
		parts = append(parts, strings.Replace(change("messages", `"messages":[`+incoming(fmt.Sprint("s", i), "")+`]`), phone, phone+fmt.Sprint(i%2), 1))
	}
	return changes(parts...)
}

// yield is the events and letters of a run, by topic, and what its state comes to. Syncs, whose newest record counts, are
// by key.
type yield struct {
	events map[schemas.Topic][]string
	syncs  map[string]string
	state  map[string]string
}

func (p *harness) yield() yield {
	all := yield{map[schemas.Topic][]string{}, map[string]string{}, map[string]string{}}
	for topic, rs := range p.topics {
		for _, r := range rs {
			switch topic {
			case schemas.TopicSyncs:
				all.syncs[r.key] = string(r.value)
			case schemas.TopicState:
				if r.value == nil {
					delete(all.state, r.key)
				} else if !strings.HasPrefix(r.key, "r|") { // pages are cut by transactions
					all.state[r.key] = string(r.value)
				}
			default:
				all.events[topic] = append(all.events[topic], fmt.Sprint(r.key, " ", r.headers, " ", string(r.value)))
			}
		}
	}
	return all
}

// inParts defers the last raw record, and processes it with room for one part in each transaction. between comes after
// each.
func (p *harness) inParts(offset int, between func()) (transactions int) {
	p.t.Helper()
	raw := p.raw[offset]
	p.core.Defer([]byte(waba), deferred.Record{Topic: schemas.TopicRawBulk, Offset: int64(offset), ReceivedAt: raw.at, Bytes: int64(len(raw.body))}, deferred.LongBody)
	p.commit()
	between()
	h, ok := p.core.Deferred().Next()
	if !ok || h.Business != waba || h.Offset != int64(offset) || !h.ReceivedAt.Equal(raw.at) {
		p.t.Fatalf("%+v is next; want the record that was deferred", h)
	}
	p.core.Start(h)
	for whole := false; !whole; transactions++ {
		b, err := p.scanner.Scan(append([]byte{}, raw.body...))
		if err != nil {
			p.t.Fatal(err)
		}
		if !p.core.Waits([]byte(waba)) {
			p.t.Fatal("the rest of a body is forgotten")
		}
		p.core.Bound(partition.Turn{Items: 1})
		whole = p.core.GoOn(p.origin(offset), b)
		p.core.Bound(partition.Turn{})
		p.commit()
		between()
		if transactions > 1000 {
			p.t.Fatal("a body goes on for ever")
		}
	}
	if p.core.Waits([]byte(waba)) || p.core.Deferred().Len() > 0 {
		p.t.Error("something waits when the body is through")
	}
	p.releaseAll()
	p.commit()
	return transactions
}

// TestABodyInPartsGivesTheEventsOfAWholeOne: the events have the same ids and values, in the same order, with one
// letter. Its processing may stop anywhere and start again from the committed state.
func TestABodyInPartsGivesTheEventsOfAWholeOne(t *testing.T) {
	body := everyKind()
	whole := newPartition(t)
	whole.webhook(chunk(0, 9, 99, "first")) // waits for the chunks before it
	whole.webhook(body)
	want := whole.yield()
	if n := len(want.events[schemas.TopicDLQ]); n != 1 {
		t.Fatalf("%d letters, want one", n)
	}
	for _, topic := range []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes, schemas.TopicContacts, schemas.TopicHistory} {
		if len(want.events[topic]) < 240 {
			t.Fatalf("%d events of %s", len(want.events[topic]), topic)
		}
	}
	for _, restart := range []bool{false, true} {
		p := newPartition(t)
		p.webhook(chunk(0, 9, 99, "first"))
		p.raw = append(p.raw, rawRecord{[]byte(body), p.clock})
		n := p.inParts(len(p.raw)-1, func() {
			if restart {
				p.restart()
			}
		})
		if n < 1300/128 {
			t.Errorf("restarts %v: the body left in %d transactions", restart, n)
		}
		got := p.yield()
		for topic, events := range want.events {
			if !slices.Equal(got.events[topic], events) {
				t.Errorf("restarts %v: %s: %d events, want %d; the first that differs is\n%s", restart, topic, len(got.events[topic]), len(events), firstThatDiffers(got.events[topic], events))
			}
		}
		for topic := range got.events {
			if want.events[topic] == nil {
				t.Errorf("restarts %v: events of %s, want none", restart, topic)
			}
		}
		if !maps.Equal(got.syncs, want.syncs) {
			t.Errorf("restarts %v: syncs are\n%v\nwant\n%v", restart, got.syncs, want.syncs)
		}
		for key, v := range want.state {
			if got.state[key] != v {
				t.Errorf("restarts %v: state %s is\n%q\nwant\n%q", restart, key, got.state[key], v)
			}
		}
		if len(got.state) != len(want.state) {
			t.Errorf("restarts %v: %d records of state, want %d", restart, len(got.state), len(want.state))
		}
	}
}

func firstThatDiffers(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("%d: %.600s\nwant %.600s", i, got[i], want[i])
		}
	}
	return "the number of them"
}

// TestABodyOfTheBulkLaneLeavesInParts: what there was no room for is due before anything else of its partition.
func TestABodyOfTheBulkLaneLeavesInParts(t *testing.T) {
	body := everyKind()
	whole := newPartition(t)
	whole.webhook(body)
	p := newPartition(t)
	p.raw = append(p.raw, rawRecord{[]byte(body), p.clock})
	o := p.origin(0)
	o.Key = []byte(waba)
	b, err := p.scanner.Scan([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	p.core.Bound(partition.Turn{Items: 1})
	if p.core.Part(o, b) {
		t.Fatal("the body left at once")
	}
	p.commit()
	p.restart()
	h, inParts, ok := p.core.Begun()
	if !ok || !inParts || h.Topic != schemas.TopicRawBulk || h.Offset != 0 {
		t.Fatalf("%+v, %v, %v is begun; want the body", h, inParts, ok)
	}
	if b, err = p.scanner.Scan([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if !p.core.GoOn(o, b) {
		t.Error("with room for all of it the rest did not leave at once")
	}
	p.releaseAll()
	p.commit()
	want, got := whole.yield(), p.yield()
	for topic, events := range want.events {
		if topic != schemas.TopicDLQ && !slices.Equal(got.events[topic], events) { // the key of a letter is the record's
			t.Errorf("%s: %d events, want %d: %s", topic, len(got.events[topic]), len(events), firstThatDiffers(got.events[topic], events))
		}
	}
}

// TestTimeDoesNotPassForABusinessThatIsBehind: a follow-up is not given up for lack of its placeholder while records of its
// business wait. It is, for another business.
func TestTimeDoesNotPassForABusinessThatIsBehind(t *testing.T) {
	p := newPartition(t)
	gap := historyOf(&p.cfg).GapTimeout
	p.webhook(chunk(0, 2, 50, "h2")) // waits for the first one
	second := strings.NewReplacer(waba, "999", phone, "888").Replace(chunk(0, 2, 50, "x2"))
	p.webhook(second)
	p.core.Defer([]byte(waba), deferred.Record{Topic: schemas.TopicRawLive, Offset: 77, ReceivedAt: p.clock}, deferred.LongBody)
	p.commit()
	for _, restarted := range []bool{false, true} {
		if restarted {
			p.restart()
		}
		p.tick(2 * gap)
		if got := wamids(events[schemas.Message](p, schemas.TopicHistory)); !slices.Equal(got, []string{"x2"}) {
			t.Fatalf("restarted %v: %v left; want the chunk of the business that is not behind", restarted, got)
		}
	}
	h, _ := p.core.Deferred().Next()
	p.core.Start(h)
	p.core.Abandon()
	p.tick(time.Second)
	if got := wamids(events[schemas.Message](p, schemas.TopicHistory)); !slices.Equal(got, []string{"x2", "h2"}) {
		t.Errorf("%v left; the gap of the business that is not behind any more is not given up", got)
	}
}
