package partition_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/schemas"
)

// step is a webhook, when it was received, and by which lane.
type step struct {
	body string
	at   time.Duration
	bulk bool
}

// accountIDs processes steps in an order of theirs, each in a transaction of its own, and gives the ids on account, sorted.
func (p *harness) accountIDs(steps []step, order []int, restarts bool) (ids []string) {
	p.t.Helper()
	for i, s := range steps {
		lane := "raw.live"
		if s.bulk {
			lane = "raw.bulk"
		}
		p.raw = append(p.raw, rawRecord{[]byte(s.body), start.Add(s.at)})
		p.labels[i] = fmt.Sprintf("%s/0/%d", lane, i)
	}
	for _, i := range order {
		p.feed(i)
		p.commit()
		if restarts {
			p.restart()
		}
	}
	for _, r := range p.topics[schemas.TopicAccount] {
		ids = append(ids, r.headers[schemas.HeaderCEID])
	}
	slices.Sort(ids)
	return ids
}

// inOrder and liveFirst are the orders in which steps are processed: that of receipt, and that of a backlog.
func inOrder(steps []step) (order []int) {
	for i := range steps {
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(steps[a].at - steps[b].at) })
	return order
}

func liveFirst(steps []step) []int {
	order := inOrder(steps)
	slices.SortStableFunc(order, func(a, b int) int {
		return map[bool]int{true: 1}[steps[a].bulk] - map[bool]int{true: 1}[steps[b].bulk]
	})
	return order
}

// docs/webhooks.md, History: account events may have no time. A sign that the number is connected between two removals
// makes the second one an event of its own, for any order of processing.
func TestSecondRemovalWithoutATimeLeavesWhereTheNumberWasBackBetween(t *testing.T) {
	removed := undatedEvent("PARTNER_REMOVED", biz)
	all := undatedEvent("PARTNER_REMOVED", "")
	message := changes(change("messages", `"messages":[`+incoming("m1", "")+`]`))
	status := changes(change("messages", `"statuses":[{"id":"m0","status":"read","timestamp":"1772366000","recipient_id":"`+user+`"}]`))
	contact := envelope("smb_app_state_sync", value(`"state_sync":[{"type":"contact","contact":{"phone_number":"`+user+`"},"action":"add","metadata":{"timestamp":"1739321024"}}]`))
	others := strings.NewReplacer(phone, "106540352242933", biz, "5511955512345")
	const s = time.Second
	for name, test := range map[string]struct {
		steps []step
		want  int
	}{
		"nothing between":           {[]step{{removed, 0, false}, {removed, s, false}}, 1},
		"minutes later":             {[]step{{removed, 0, false}, {removed, 10 * time.Minute, false}, {removed, 48 * time.Hour, false}}, 1},
		"a chunk":                   {[]step{{removed, 0, false}, {chunk(0, 1, 10, "m1"), s, true}, {removed, 2 * s, false}}, 2},
		"a message":                 {[]step{{removed, 0, false}, {message, s, false}, {removed, 2 * s, false}}, 2},
		"an echo":                   {[]step{{removed, 0, false}, {echo("m1", "text", `"text":{"body":"x"}`, start), s, false}, {removed, 2 * s, false}}, 2},
		"a contact":                 {[]step{{removed, 0, false}, {contact, s, false}, {removed, 2 * s, false}}, 2},
		"a status, of before":       {[]step{{removed, 0, false}, {status, s, false}, {removed, 2 * s, false}}, 1},
		"an addition":               {[]step{{removed, 0, false}, {undatedEvent("PARTNER_ADDED", biz), s, false}, {removed, 2 * s, false}}, 3},
		"a chunk before both":       {[]step{{chunk(0, 1, 10, "m1"), 0, true}, {removed, s, false}, {removed, 2 * s, false}}, 1},
		"a chunk after both":        {[]step{{removed, 0, false}, {removed, s, false}, {chunk(0, 1, 10, "m1"), 2 * s, true}}, 1},
		"of another number":         {[]step{{removed, 0, false}, {others.Replace(message), s, false}, {removed, 2 * s, false}}, 1},
		"of any, for all":           {[]step{{all, 0, false}, {others.Replace(chunk(0, 1, 10, "m1")), s, true}, {all, 2 * s, false}}, 2},
		"of all, amid one's":        {[]step{{removed, 0, false}, {all, s, false}, {removed, 2 * s, false}}, 3},
		"repeated on either side":   {[]step{{removed, 0, false}, {removed, s, false}, {chunk(0, 1, 10, "m1"), 2 * s, true}, {removed, 3 * s, false}, {removed, 4 * s, false}}, 2},
		"three onboardings":         {[]step{{removed, 0, false}, {chunk(0, 1, 10, "m1"), s, true}, {removed, 2 * s, false}, {chunk(0, 2, 10, "m2"), 3 * s, true}, {removed, 4 * s, false}}, 3},
		"added, repeated":           {[]step{{undatedEvent("PARTNER_ADDED", biz), 0, false}, {chunk(0, 1, 10, "m1"), s, true}, {removed, 2 * s, false}, {undatedEvent("PARTNER_ADDED", biz), 3 * s, false}}, 3},
		"added twice amid its sync": {[]step{{undatedEvent("PARTNER_ADDED", biz), 0, false}, {chunk(0, 1, 10, "m1"), s, true}, {undatedEvent("PARTNER_ADDED", biz), 2 * s, false}}, 1},
		"reconnected, late again":   {[]step{{undatedEvent("ACCOUNT_RECONNECTED", biz), 0, false}, {message, s, false}, {undatedEvent("ACCOUNT_RECONNECTED", biz), 2 * s, false}}, 1},
		"offboarded twice":          {[]step{{undatedEvent("ACCOUNT_OFFBOARDED", biz), 0, false}, {message, s, false}, {undatedEvent("ACCOUNT_OFFBOARDED", biz), 2 * s, false}}, 2},
		"of all, parted by one's":   {[]step{{removed, 0, false}, {chunk(0, 1, 10, "m1"), s, true}, {removed, 2 * s, false}, {all, 3 * s, false}, {removed, 4 * s, false}}, 4},
		"of one millisecond, chunk": {[]step{{removed, 0, false}, {chunk(0, 1, 10, "m1"), 0, true}, {removed, 0, false}}, 2},
		"of the chunk's":            {[]step{{removed, 0, false}, {chunk(0, 1, 10, "m1"), s, true}, {removed, s, false}}, 2},
		"chunk of the first one's":  {[]step{{removed, 0, false}, {chunk(0, 1, 10, "m1"), 0, true}, {removed, s, false}}, 2},
		"of one millisecond, live":  {[]step{{removed, 0, false}, {message, 0, false}, {removed, 0, false}}, 2},
		"live, before both":         {[]step{{message, 0, false}, {removed, 0, false}, {removed, 0, false}}, 1},
		"live, after both":          {[]step{{removed, 0, false}, {removed, 0, false}, {message, 0, false}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			want := newPartition(t).accountIDs(test.steps, inOrder(test.steps), false)
			if len(want) != test.want {
				t.Errorf("%d events, want %d", len(want), test.want)
			}
			for _, restarts := range []bool{false, true} {
				p := newPartition(t)
				if got := p.accountIDs(test.steps, liveFirst(test.steps), restarts); !slices.Equal(got, want) {
					t.Errorf("live first, restarts %v: events %v, in order %v", restarts, got, want)
				}
				p = newPartition(t)
				if got := p.accountIDs(test.steps, inOrder(test.steps), restarts); !slices.Equal(got, want) {
					t.Errorf("restarts %v: events %v, want %v", restarts, got, want)
				}
				distinct(t, p, schemas.TopicAccount)
				p.clock = start.Add(72 * time.Hour)
				for i := range test.steps {
					p.again("r", i, p.clock)
					p.commit()
				}
				p.endOfAgain("r", p.clock)
				var again []string
				for _, r := range p.topics[schemas.TopicAccount][len(want):] {
					again = append(again, r.headers[schemas.HeaderCEID])
				}
				if slices.Sort(again); !slices.Equal(again, want) {
					t.Errorf("a replay gives the ids %v, want %v", again, want)
				}
			}
		})
	}
}

// The events do not depend on how far live is ahead of history.
func TestAccountEventsWithoutATimeAreTheSameHoweverFarLiveIsAhead(t *testing.T) {
	r := seed.Rand(t)
	bodies := []string{undatedEvent("PARTNER_REMOVED", biz), undatedEvent("PARTNER_ADDED", biz), undatedEvent("PARTNER_REMOVED", ""),
		undatedEvent("ACCOUNT_OFFBOARDED", "")}
	for range 300 {
		var steps []step
		for i := range 2 + r.IntN(9) {
			at := time.Duration(i) * time.Second
			if r.IntN(3) == 0 {
				steps = append(steps, step{chunk(0, 1+i, 10, fmt.Sprint("m", i)), at, true})
			} else {
				steps = append(steps, step{bodies[r.IntN(len(bodies))], at, false})
			}
		}
		// Each lane keeps its order. Live is ahead, by how much is drawn.
		var order, live, bulk []int
		for i, s := range steps {
			if s.bulk {
				bulk = append(bulk, i)
			} else {
				live = append(live, i)
			}
		}
		for len(live)+len(bulk) > 0 {
			if len(bulk) == 0 || len(live) > 0 && (live[0] < bulk[0] || r.IntN(2) == 0) {
				order, live = append(order, live[0]), live[1:]
			} else {
				order, bulk = append(order, bulk[0]), bulk[1:]
			}
		}
		want := newPartition(t).accountIDs(steps, inOrder(steps), false)
		if got := newPartition(t).accountIDs(steps, order, false); !slices.Equal(got, want) {
			t.Fatalf("in the order %v events %v, in that of receipt %v; steps %+v", order, got, want, steps)
		}
	}
}

// A removal parts onboardings also where it left late, since the chunk that made it an event of its own waited in a backlog.
func TestRemovalThatLeftLatePartsOnboardings(t *testing.T) {
	removed := undatedEvent("PARTNER_REMOVED", biz)
	steps := []step{
		{removed, 0, false}, {chunk(0, 1, 10, "m1"), time.Second, true}, {removed, 2 * time.Second, false}, {chunk(0, 1, 10, "m1"), 3 * time.Second, true},
	}
	for _, order := range [][]int{inOrder(steps), liveFirst(steps)} {
		p := newPartition(t)
		p.accountIDs(steps, order, true)
		if s := p.lastSync(); s.Window != 2 || len(events[schemas.Message](p, schemas.TopicHistory)) != 2 {
			t.Errorf("in the order %v the last sync is %+v", order, s)
		}
	}
}

// The memory for account events without a time is bounded, for any number of them. So is the memory for waiting ones.
func TestAccountEventsWithoutATimeAreBounded(t *testing.T) {
	p := newPartition(t)
	for i := range 400 {
		p.clock = p.clock.Add(time.Second)
		p.webhook(undatedEvent("PARTNER_REMOVED", fmt.Sprint(15550000000+i)))
		p.webhook(undatedEvent("PARTNER_REMOVED", fmt.Sprint(15550000000+i)))
	}
	for range 100 {
		p.clock = p.clock.Add(time.Second)
		p.webhook(strings.Replace(undatedEvent("PARTNER_REMOVED", biz), `"event"`, `"x":"`+strings.Repeat("x", 3000)+`","event"`, 1))
	}
	if got := len(p.topics[schemas.TopicAccount]); got != 401 {
		t.Errorf("%d events, want 401", got)
	}
	for _, r := range p.topics[schemas.TopicState] {
		if strings.HasPrefix(r.key, "e|") && len(r.value) > 96<<10 {
			t.Fatalf("a record of state has %d bytes", len(r.value))
		}
	}
}

// A record of the first version of the state tells which events were there.
func TestAccountEventsOfTheFormerStateAreKnown(t *testing.T) {
	p := newPartition(t)
	removed := undatedEvent("PARTNER_REMOVED", biz)
	p.webhook(removed)
	for i := range p.topics[schemas.TopicState] {
		if r := &p.topics[schemas.TopicState][i]; strings.HasPrefix(r.key, "e|") {
			var l struct {
				ReceivedMS int64 `json:"r"`
				Groups     []struct {
					Number  string          `json:"n"`
					Content json.RawMessage `json:"c"`
				} `json:"g"`
			}
			if err := json.Unmarshal(r.value, &l); err != nil {
				t.Fatal(err)
			}
			g := l.Groups[0]
			r.value = fmt.Appendf(nil, `{"v":1,"r":%d,"of":{"%s":{"c":%s,"id":%s,"b":%s}},"any":%s}`, l.ReceivedMS, g.Number, g.Content, g.Content, g.Content, g.Content)
		}
	}
	p.restart()
	p.clock = p.clock.Add(time.Minute)
	p.webhook(removed)
	if got := len(p.topics[schemas.TopicAccount]); got != 1 {
		t.Errorf("%d events, want 1", got)
	}
}
