package partition_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

func undatedEvent(event, phone string) string {
	if phone != "" {
		phone = `,"phone_number":"` + phone + `"`
	}
	return `{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `","changes":[{"field":"account_update","value":{"event":"` + event + `"` + phone + `}}]}]}`
}

func TestAccountEventsWithoutATimeAreToldFromTheirRepetitions(t *testing.T) {
	const otherNumber = "15550009999"
	removed, added := undatedEvent("PARTNER_REMOVED", biz), undatedEvent("PARTNER_ADDED", biz)
	all := undatedEvent("VERIFIED_ACCOUNT", "")
	dated := strings.Replace(added, `"changes"`, `"time":1772366400,"changes"`, 1)
	for name, c := range map[string]struct {
		bodies []string
		want   int
	}{
		"repeated":                    {[]string{removed, removed, removed}, 1},
		"added between":               {[]string{removed, removed, added, added, removed, removed}, 3},
		"with a time between":         {[]string{removed, dated, removed, removed}, 3},
		"of another number between":   {[]string{removed, undatedEvent("PARTNER_REMOVED", otherNumber), removed}, 2},
		"of all numbers between":      {[]string{removed, all, removed}, 3},
		"of a number between others":  {[]string{all, removed, all, all}, 3},
		"with a time, repeated":       {[]string{dated, removed, dated, removed}, 2},
		"of the number in other form": {[]string{removed, undatedEvent("PARTNER_ADDED", "+1 555-078-3881"), removed}, 3},
	} {
		var first []string
		for _, restarts := range []bool{false, true} {
			p := newPartition(t)
			for _, b := range c.bodies {
				p.webhook(b)
				if restarts {
					p.restart()
				}
			}
			var ids []string
			for _, r := range p.topics[schemas.TopicAccount] {
				ids = append(ids, r.headers[schemas.HeaderCEID])
			}
			if len(ids) != c.want {
				t.Errorf("%s: %d events, want %d", name, len(ids), c.want)
			}
			distinct(t, p, schemas.TopicAccount)
			if restarts && !slices.Equal(ids, first) {
				t.Errorf("%s: other ids after restarts", name)
			}
			first = ids

			// A replay of the whole log gives the same ids.
			p.clock = start.Add(time.Hour)
			for i := range c.bodies {
				p.again("r", i, p.clock)
				p.commit()
			}
			p.endOfAgain("r", p.clock)
			var again []string
			for _, r := range p.topics[schemas.TopicAccount][len(ids):] {
				again = append(again, r.headers[schemas.HeaderCEID])
			}
			if !slices.Equal(again, ids) {
				t.Errorf("%s: a replay gives the ids %v, want %v", name, again, ids)
			}
		}
	}
}

// An application may know an event as a field of its own beside account_update: the value names the event in both.
func TestAccountEventUnderTwoFieldsLeavesOnce(t *testing.T) {
	post := func(p *harness, field, at, value string) {
		p.webhook(`{"object":"whatsapp_business_account","entry":[{"id":"` + waba + `"` + at + `,"changes":[{"field":"` + field + `","value":` + value + `}]}]}`)
	}
	const offboarded = `{"event":"ACCOUNT_OFFBOARDED","phone_number":"` + biz + `"}`
	for _, at := range []string{`,"time":1772366400`, ``} {
		for _, fields := range [][]string{{"account_update", "account_offboarded"}, {"account_offboarded", "account_update"}} {
			p := newPartition(t)
			for _, field := range fields {
				post(p, field, at, offboarded)
			}
			if got := events[schemas.Account](p, schemas.TopicAccount); len(got) != 1 {
				t.Errorf("%v at %q: %+v", fields, at, got)
			}
		}
	}
	// Where the field alone says it, it counts.
	p := newPartition(t)
	post(p, "account_offboarded", `,"time":1772366400`, `{"phone_number":"`+biz+`"}`)
	post(p, "account_reconnected", `,"time":1772366400`, `{"phone_number":"`+biz+`"}`)
	if got := events[schemas.Account](p, schemas.TopicAccount); len(got) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestAccountEventsWithoutATimeAreTheSameInEverySpellingOfTheirNumber(t *testing.T) {
	for _, numbers := range [][]string{
		{biz, "+1 555-078-3881"}, {"+" + biz, biz}, {"5521912345678", "552112345678"}, {"552112345678", "+55 21 91234-5678"},
	} {
		p := newPartition(t)
		for _, number := range numbers {
			p.webhook(undatedEvent("PARTNER_REMOVED", number))
		}
		if got := events[schemas.Account](p, schemas.TopicAccount); len(got) != 1 {
			t.Errorf("%v: %+v", numbers, got)
		}
		p.webhook(undatedEvent("PARTNER_REMOVED", "16505550199"))
		if got := events[schemas.Account](p, schemas.TopicAccount); len(got) != 2 {
			t.Errorf("another number behind %v: %+v", numbers, got)
		}
	}
}

func TestLastAccountEventsAreForgottenAfterAWhile(t *testing.T) {
	p := newPartition(t)
	p.webhook(undatedEvent("PARTNER_REMOVED", biz))
	p.webhook(undatedEvent("PARTNER_ADDED", biz))
	keys := func() (n int) {
		live := map[string]bool{}
		for _, r := range p.topics[schemas.TopicState] {
			if strings.HasPrefix(r.key, "e|") {
				live[r.key] = r.value != nil
			}
		}
		for _, there := range live {
			if there {
				n++
			}
		}
		return n
	}
	if keys() != 1 {
		t.Fatalf("%d keys, want 1", keys())
	}
	p.restart()
	p.tick(9 * 24 * time.Hour)
	if keys() != 0 {
		t.Errorf("%d keys after nine days", keys())
	}
}

func TestAccountEventNamesItsNumberWhereItIsKnown(t *testing.T) {
	first := changes(change("messages", `"messages":[`+incoming("m1", "")+`]`))
	second := strings.NewReplacer(phone, "106540352242933", biz, "5511955512345").Replace(first)
	for name, c := range map[string]struct {
		before []string
		lane   string
		event  string
		want   string
	}{
		"nothing known":       {nil, "", undatedEvent("PARTNER_ADDED", biz), ""},
		"by its number":       {[]string{first, second}, "raw.live", undatedEvent("PARTNER_REMOVED", "+1 555-078-3881"), phone},
		"in another spelling": {[]string{first, second}, "raw.live", undatedEvent("PARTNER_REMOVED", "551155512345"), "106540352242933"},
		"the whole account":   {[]string{second}, "raw.live", undatedEvent("PARTNER_REMOVED", ""), ""},
		"another number":      {[]string{second}, "raw.live", undatedEvent("PARTNER_REMOVED", biz), ""},
		// The lanes are read at different speeds: a replay would know the number sooner, or later.
		"by the other lane": {[]string{first, chunk(0, 1, 100, "m1")}, "raw.bulk", undatedEvent("PARTNER_REMOVED", biz), ""},
		"in the metadata": {nil, "", strings.Replace(undatedEvent("PARTNER_REMOVED", biz), `"event"`,
			`"metadata":{"phone_number_id":"`+phone+`"},"event"`, 1), phone},
	} {
		p := newPartition(t)
		for i, b := range c.before {
			p.labels[len(p.raw)] = fmt.Sprintf("%s/0/%d", c.lane, i)
			p.webhook(b)
		}
		p.restart()
		p.webhook(c.event)
		got := events[schemas.Account](p, schemas.TopicAccount)
		if len(got) != 1 || got[0].PhoneNumberID != c.want {
			t.Errorf("%s: account events are %+v, want phone_number_id %q", name, got, c.want)
		}
	}
}

// Two ids of one WABA may have one display number: Meta's, and YCloud's, which is that number. A restart must not decide.
func TestAccountEventOfTwoNumbersWithOneSpellingNamesTheSameAlways(t *testing.T) {
	for range 20 {
		p := newPartition(t)
		for i, id := range []string{biz, phone} {
			p.labels[i] = fmt.Sprintf("raw.live/0/%d", i)
			p.webhook(strings.ReplaceAll(changes(change("messages", `"messages":[`+incoming(id, "")+`]`)), phone, id))
		}
		p.restart()
		p.webhook(undatedEvent("PARTNER_REMOVED", biz))
		if got := events[schemas.Account](p, schemas.TopicAccount); len(got) != 1 || got[0].PhoneNumberID != phone {
			t.Fatalf("account events are %+v, want phone_number_id %q", got, phone)
		}
	}
}
