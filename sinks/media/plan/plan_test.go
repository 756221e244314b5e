package plan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/media/plan"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// harness is a plan with one partition.
type harness struct {
	*plan.Plan
	t    *testing.T
	next map[schemas.Topic]int64
}

func newPlan(t *testing.T, change ...func(*plan.Limits)) *harness {
	limits := plan.Limits{Slots: 4, HeldMax: 100, RetryMin: time.Second, RetryMax: time.Minute}
	for _, c := range change {
		c(&limits)
	}
	h := &harness{plan.New(limits), t, map[schemas.Topic]int64{}}
	h.own(nil)
	return h
}

func (h *harness) own(positions map[schemas.Topic]queue.Position) {
	all := map[schemas.Topic]queue.Position{}
	for _, topic := range plan.Topics() {
		all[topic] = positions[topic]
		h.next[topic] = positions[topic].Next
	}
	h.Own(0, all, func(t schemas.Topic) bool { return t != schemas.TopicMedia })
}

// add adds an asset that expires after some hours.
func (h *harness) add(topic schemas.Topic, id string, hours int, waba ...string) *plan.Item {
	h.t.Helper()
	it := &plan.Item{Offset: h.next[topic], Asset: plan.Asset{WABA: "1", EventID: id, MediaID: id, Type: "image", Expires: start.Add(time.Duration(hours) * time.Hour)}}
	if len(waba) > 0 {
		it.Asset.WABA = waba[0]
	}
	at := queue.Place{Topic: topic}
	if !h.Add(at, h.next[topic], h.next[topic]+2, []*plan.Item{it}) { // a record without an asset follows
		h.t.Fatalf("the plan does not take %s", id)
	}
	h.next[topic] += 2
	return it
}

// take takes the next assets, and returns their ids.
func (h *harness) take(n int, now time.Time) (items []*plan.Item, ids []string) {
	for range n {
		it := h.Next(now)
		if it == nil {
			break
		}
		items, ids = append(items, it), append(ids, it.Asset.MediaID)
	}
	return items, ids
}

func (h *harness) store(it *plan.Item, now time.Time) {
	h.t.Helper()
	if a := h.Done(it, plan.Result{Kind: plan.Stored, SHA256: "ab"}, now); a == nil || a.State != schemas.AssetStored {
		h.t.Fatalf("the outcome is %+v", a)
	}
	h.Published(it)
}

func TestTheAssetThatExpiresFirstIsNext(t *testing.T) {
	h := newPlan(t)
	h.add(schemas.TopicMessages, "c", 30)
	h.add(schemas.TopicEchoes, "a", 10)
	h.add(schemas.TopicMessages, "b", 20)
	if _, ids := h.take(9, start); !slices.Equal(ids, []string{"a", "b", "c"}) {
		t.Errorf("the order is %v", ids)
	}
}

func TestThePastNeverStarvesLiveAssetsNorTheyThePast(t *testing.T) {
	h := newPlan(t, func(l *plan.Limits) { l.HeldMax = 1000 })
	for i := range 300 {
		h.add(schemas.TopicMedia, fmt.Sprintf("past%d", i), 1) // it expires first
		h.add(schemas.TopicMessages, fmt.Sprintf("live%d", i), 100)
	}
	past := 0
	for range 100 { // one slot is free at a time
		it := h.Next(start)
		if !it.Live {
			past++
		}
		h.store(it, start)
	}
	if past != 25 {
		t.Errorf("%d of 100 attempts are for the past, want a quarter", past)
	}
	// Without live assets, the past leaves a slot for them.
	h = newPlan(t)
	for i := range 9 {
		h.add(schemas.TopicMedia, fmt.Sprintf("past%d", i), 1)
	}
	if _, ids := h.take(9, start); len(ids) != 3 {
		t.Errorf("the past has %d of 4 slots, want 3", len(ids))
	}
	h.add(schemas.TopicMessages, "live", 100)
	if _, ids := h.take(9, start); !slices.Equal(ids, []string{"live"}) {
		t.Errorf("the live asset does not get the slot: %v", ids)
	}
	// With one slot, too.
	h = newPlan(t, func(l *plan.Limits) { l.Slots = 1 })
	h.add(schemas.TopicMedia, "past", 1)
	if _, ids := h.take(9, start); !slices.Equal(ids, []string{"past"}) {
		t.Errorf("one slot is not used: %v", ids)
	}
}

func TestAResultLeadsToItsOutcomeOrToAnotherAttempt(t *testing.T) {
	for _, c := range []struct {
		name    string
		results []plan.Kind
		hours   int // until the asset expires
		want    string
	}{
		{"stored", []plan.Kind{plan.Stored}, 9, schemas.AssetStored},
		{"stored after trouble", []plan.Kind{plan.Away, plan.Own, plan.Throttled, plan.Denied, plan.Gone, plan.Refused, plan.Stored}, 9, schemas.AssetStored},
		{"too large", []plan.Kind{plan.TooLarge}, 9, schemas.AssetTooLarge},
		{"type", []plan.Kind{plan.TypeNotAllowed}, 9, schemas.AssetTypeNotAllowed},
		{"unsupported", []plan.Kind{plan.Unsupported}, 9, schemas.AssetUnsupported},
		{"refused three times", []plan.Kind{plan.Refused, plan.Refused, plan.Refused}, 9, schemas.AssetRefused},
		{"gone three times before its time", []plan.Kind{plan.Gone, plan.Gone, plan.Gone}, 9, schemas.AssetRefused},
		{"gone three times after its time", []plan.Kind{plan.Gone, plan.Gone, plan.Gone}, 0, schemas.AssetExpired},
		{"another content three times", []plan.Kind{plan.Differs, plan.Differs, plan.Differs}, 9, schemas.AssetHashDiffers},
		{"expired", []plan.Kind{plan.Away, plan.Expired}, 9, schemas.AssetExpired},
		{"expired without a token", []plan.Kind{plan.Away, plan.Denied, plan.Expired}, 9, schemas.AssetDenied},
		{"twice refused", []plan.Kind{plan.Refused, plan.Differs}, 9, ""},
		{"away for long", slices.Repeat([]plan.Kind{plan.Away}, 50), 9, ""},
		{"own trouble for long", slices.Repeat([]plan.Kind{plan.Own}, 50), 9, ""},
	} {
		h := newPlan(t)
		h.add(schemas.TopicMessages, "a", c.hours)
		now, got := start, ""
		for i, kind := range c.results {
			it := h.Next(now)
			if it == nil {
				t.Fatalf("%s: no attempt %d", c.name, i)
			}
			a := h.Done(it, plan.Result{Kind: kind, SHA256: "ab", Detail: "why"}, now)
			if a != nil {
				if i != len(c.results)-1 {
					t.Errorf("%s: an outcome after %d results", c.name, i+1)
				}
				if got = a.Reason; a.State == schemas.AssetStored {
					got = a.State
				}
				continue
			}
			wake := h.Wake()
			if wait := wake.Sub(now); wait <= 0 || wait > time.Minute {
				t.Fatalf("%s: waits for %s", c.name, wait)
			}
			if h.Next(wake.Add(-1)) != nil {
				t.Errorf("%s: an attempt before its time", c.name)
			}
			now = wake
		}
		if got != c.want {
			t.Errorf("%s: the outcome is %q, want %q", c.name, got, c.want)
		}
	}
}

// The provider says the same of an asset that it does not know, and of one that the token may not see. So an asset waits for the permission, unless the
// token saw another one of the business meanwhile.
func TestAHiddenAssetWaitsForThePermissionUnlessTheTokenHasIt(t *testing.T) {
	hidden, seen := plan.Result{Kind: plan.Hidden, Detail: "why"}, plan.Result{Kind: plan.Stored, SHA256: "ab", Seen: true}
	attempts := func(h *harness, now time.Time, n int) (time.Time, *schemas.Asset) {
		for range n {
			it := h.Next(now)
			for it == nil {
				now = h.Wake()
				it = h.Next(now)
			}
			if a := h.Done(it, hidden, now); a != nil {
				return now, a
			}
		}
		return now, nil
	}
	h := newPlan(t)
	h.add(schemas.TopicMessages, "a", 9)
	_, a := attempts(h, start, 20)
	if a != nil || h.Census().Hidden != 1 {
		t.Fatalf("an outcome without a sign that the token has the permission: %+v, %+v", a, h.Census())
	}
	// The permission comes.
	now := h.Wake()
	if a := h.Done(h.Next(now), seen, now); a == nil || a.State != schemas.AssetStored {
		t.Errorf("the permission came: %+v", a)
	}
	// Another asset of the business is seen.
	h = newPlan(t)
	h.add(schemas.TopicMessages, "a", 9)
	now, _ = attempts(h, start, 3)
	h.add(schemas.TopicMessages, "b", 8)
	now = now.Add(time.Second)
	it := h.Next(now)
	if it.Asset.EventID != "b" || h.Done(it, seen, now) == nil {
		t.Fatalf("%+v", it)
	}
	h.Published(it)
	if _, a = attempts(h, now, 1); a == nil || a.Reason != schemas.AssetRefused || a.Detail != "why" {
		t.Errorf("after another asset was seen: %+v", a)
	}
	// It expires.
	h = newPlan(t)
	h.add(schemas.TopicMessages, "a", 1)
	_, _ = attempts(h, start, 3)
	now = start.Add(time.Hour)
	if a := h.Done(h.Next(now), plan.Result{Kind: plan.Expired, Detail: "over"}, now); a == nil || a.Reason != schemas.AssetRefused || a.Detail != "over; before: why" {
		t.Errorf("after its time: %+v", a)
	}
	// A topic that is full of them gives some up.
	h = newPlan(t, func(l *plan.Limits) { l.HeldMax = 4 })
	for i := range 4 {
		h.add(schemas.TopicMessages, fmt.Sprint("a", i), 9)
	}
	now = start
	for h.Census().Hidden < 4 {
		now, a = attempts(h, now, 1)
		if a != nil {
			t.Fatalf("%+v", a)
		}
	}
	if items, outcomes := h.GiveUp(now); len(items) != 2 || outcomes[0].Reason != schemas.AssetRefused || outcomes[0].Detail != "why" {
		t.Errorf("a full topic gives up %d: %+v", len(items), outcomes)
	}
}

func TestWaitsGrowAndDiffer(t *testing.T) {
	waits := func(id string) (all []time.Duration) {
		h := newPlan(t)
		h.add(schemas.TopicMessages, id, 10_000)
		now := start
		for range 12 {
			h.Done(h.Next(now), plan.Result{Kind: plan.Away}, now)
			all = append(all, h.Wake().Sub(now))
			now = h.Wake()
		}
		return all
	}
	a, b := waits("a"), waits("b")
	if slices.Equal(a, b) {
		t.Error("two assets wait for the same times")
	}
	for i, w := range a {
		most := min(time.Minute, time.Second<<i)
		if w < most/2 || w > most {
			t.Errorf("wait %d is %s, want %s to %s", i, w, most/2, most)
		}
	}
}

func TestABusinessThatIsDeniedOrThrottledWaitsAsAWholeAndAlone(t *testing.T) {
	for _, kind := range []plan.Kind{plan.Denied, plan.Throttled} {
		h := newPlan(t)
		for i := range 10 {
			h.add(schemas.TopicMessages, fmt.Sprintf("a%d", i), 10, "a")
		}
		h.add(schemas.TopicMessages, "b", 20, "b")
		first := h.Next(start)
		if a := h.Done(first, plan.Result{Kind: kind, RetryAfter: 7 * time.Second}, start); a != nil {
			t.Fatalf("the outcome is %+v", a)
		}
		if _, ids := h.take(9, start); !slices.Equal(ids, []string{"b"}) {
			t.Errorf("%s: taken %v, want b alone", kind, ids)
		}
		if at := h.Wake(); at.Sub(start) != 7*time.Second {
			t.Errorf("%s: it waits for %s", kind, at.Sub(start))
		}
		if c := h.Census(); (c.Denied == 1) != (kind == plan.Denied) || c.Live != 11 || c.InFlight != 1 {
			t.Errorf("%s: the census is %+v", kind, c)
		}
		if _, ids := h.take(9, start.Add(7*time.Second)); len(ids) != 3 {
			t.Errorf("%s: after the wait %v are taken, want 3", kind, ids)
		}
	}
}

func TestAFullTopicOfDeniedBusinessesGivesUpTheOlderHalfOfTheLargest(t *testing.T) {
	h := newPlan(t, func(l *plan.Limits) { l.HeldMax = 6; l.Slots = 100 })
	for i := range 4 {
		h.add(schemas.TopicMessages, fmt.Sprintf("a%d", i), 10, "a")
	}
	h.add(schemas.TopicMessages, "b0", 10, "b")
	deny := func() {
		for it := h.Next(start); it != nil; it = h.Next(start) {
			h.Done(it, plan.Result{Kind: plan.Denied, Detail: "no token"}, start)
		}
	}
	deny()
	if items, _ := h.GiveUp(start); len(items) != 0 {
		t.Errorf("%d are given up, though there is room", len(items))
	}
	h.add(schemas.TopicMessages, "c0", 10, "c")
	if items, _ := h.GiveUp(start); len(items) != 0 {
		t.Errorf("%d are given up, though another business may have a token", len(items))
	}
	if _, room := h.Wants(queue.Place{Topic: schemas.TopicMessages}); room {
		t.Fatal("the topic is not full")
	}
	deny()
	items, outcomes := h.GiveUp(start)
	if len(items) != 2 || items[0].Asset.MediaID != "a0" || items[1].Asset.MediaID != "a1" {
		t.Fatalf("given up: %v", items)
	}
	for i, it := range items {
		if outcomes[i].Reason != schemas.AssetDenied || outcomes[i].Detail != "no token" {
			t.Errorf("the outcome is %+v", outcomes[i])
		}
		h.Published(it)
	}
	if _, room := h.Wants(queue.Place{Topic: schemas.TopicMessages}); !room {
		t.Error("there is no room")
	}
}

func TestPositionsHaveWhatIsNotPublished(t *testing.T) {
	at := queue.Place{Topic: schemas.TopicMessages}
	h := newPlan(t)
	var items []*plan.Item
	for i := range 5 {
		h.add(schemas.TopicMessages, fmt.Sprintf("a%d", i), 10-i)
	}
	items, _ = h.take(4, start) // a4, a3, a2, a1: offsets 8, 6, 4, 2
	h.store(items[1], start)
	h.store(items[3], start)
	done := h.Done(items[0], plan.Result{Kind: plan.TooLarge}, start) // not published yet
	if done == nil {
		t.Fatal("no outcome")
	}
	got := h.Commit()[at]
	want := queue.Position{Next: 0, Open: []queue.Range{{From: 0, To: 1}, {From: 4, To: 5}, {From: 8, To: 9}}, End: 10}
	if got.Next != want.Next || !slices.Equal(got.Open, want.Open) || got.End != want.End {
		t.Errorf("the position is %+v, want %+v", got, want)
	}
	if h.Commit() != nil {
		t.Error("a commit without a change")
	}
	h.Uncommitted(map[queue.Place]queue.Position{at: got})
	if h.Commit() == nil {
		t.Error("a failed commit is not repeated")
	}
	// The next process leaves out the published ones.
	parsed, err := queue.ParsePosition(got.Next, got.Metadata())
	if err != nil {
		t.Fatal(err)
	}
	next := newPlan(t)
	next.own(map[schemas.Topic]queue.Position{schemas.TopicMessages: parsed})
	for i := range 5 {
		next.add(schemas.TopicMessages, fmt.Sprintf("a%d", i), 10-i)
	}
	if _, ids := next.take(9, start); !slices.Equal(ids, []string{"a4", "a2", "a0"}) {
		t.Errorf("the next process takes %v", ids)
	}
}

func TestADisownedPartitionIsForgotten(t *testing.T) {
	h := newPlan(t)
	h.add(schemas.TopicMessages, "a", 1)
	h.add(schemas.TopicMessages, "b", 2)
	it := h.Next(start)
	h.Drain(0)
	if h.Next(start) != nil {
		t.Error("a drained partition gives an asset")
	}
	h.Disown(0)
	if h.Done(it, plan.Result{Kind: plan.Stored, SHA256: "ab"}, start) != nil {
		t.Error("a disowned partition has an outcome")
	}
	h.Published(it)
	if c := h.Census(); c != (plan.Census{}) {
		t.Errorf("the census is %+v", c)
	}
	if h.Next(start.Add(time.Hour)) != nil || h.Commit() != nil {
		t.Error("something is left")
	}
}

// A log was cut at 60 and continues with other records. The committed offset may not pass an open asset of the new ones.
func TestACutLogForgetsTheAssetsOfItsOldRecords(t *testing.T) {
	h := newPlan(t)
	at := queue.Place{Topic: schemas.TopicMessages}
	for i := range 50 {
		h.add(schemas.TopicMessages, fmt.Sprint("old ", i), 5)
	}
	taken := h.Next(start)
	h.Reset(at, 0)
	h.next[schemas.TopicMessages] = 0
	h.add(schemas.TopicMessages, "new", 5)
	if o := h.Done(taken, plan.Result{Kind: plan.Stored, SHA256: "0123456789"}, start); o != nil {
		t.Errorf("an outcome of a record that is gone: %+v", o)
	}
	if p := h.Commit()[at]; p.Next > 0 {
		t.Errorf("the committed offset %d passes the open asset at 0", p.Next)
	}
	if it := h.Next(start); it == nil || it.Asset.EventID != "new" || h.Next(start) != nil {
		t.Errorf("next is %+v", it)
	}
}
