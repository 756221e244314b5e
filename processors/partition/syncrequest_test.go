package partition_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// request is a step of a request at the time of the harness.
func (p *harness) request(step syncrequest.Record) []record {
	p.t.Helper()
	step.At = p.clock.UnixMilli()
	if step.WABAID == "" {
		step.WABAID = waba
	}
	if step.PhoneNumberID == "" {
		step.PhoneNumberID = phone
	}
	if step.SyncType == "" {
		step.SyncType = syncrequest.History
	}
	step.Attempt, step.RequestedBy, step.Provider = "01JDZ5K9V7Q2X3Y4Z5A6B7C8D9", "cli", "meta"
	return p.fromDesk(string(step.Append(nil)))
}

func (p *harness) fromDesk(body string) []record {
	p.t.Helper()
	if p.sources == nil {
		p.sources = map[int]string{}
	}
	p.sources[len(p.raw)] = syncrequest.Source
	return p.webhook(body)
}

func TestARequestStandsOnSyncsBeforeAnythingCame(t *testing.T) {
	p := newPartition(t)
	p.request(syncrequest.Record{State: syncrequest.Intended, OnboardedAt: start.Add(-time.Hour).UnixMilli()})
	p.restart()
	p.clock = p.clock.Add(time.Second)
	p.request(syncrequest.Record{State: syncrequest.Accepted, RequestID: "r1", OnboardedAt: start.Add(-time.Hour).UnixMilli()})
	s := p.lastSync()
	if s.Status != schemas.SyncStatusRequested || s.State != schemas.SyncRunning || s.Window != 1 || s.Chunks != 0 {
		t.Fatalf("%+v", s)
	}
	if !s.OnboardedAt.Equal(start.Add(-time.Hour)) || !s.RequestDeadlineAt.Equal(start.Add(23*time.Hour)) || !s.RequestedAt.Equal(start.Add(time.Second)) || !s.DeadlineAt.Equal(start.Add(time.Second+30*time.Minute)) {
		t.Errorf("onboarded %v, requested %v until %v, next wait %v", s.OnboardedAt, s.RequestedAt, s.RequestDeadlineAt, s.DeadlineAt)
	}
	r := s.Request("history")
	if r == nil || r.RequestID != "r1" || r.RequestedBy != "cli" || r.Attempts != 1 || r.ArrivedAt != nil {
		t.Errorf("%+v", r)
	}
	p.restart()
	p.tick(31 * time.Minute)
	if s := p.lastSync(); s.Status != schemas.SyncStatusSilent {
		t.Errorf("after 31 minutes: %s", s.Status)
	}
	p.restart()
	p.webhook(chunk(0, 1, 55, "a"))
	s = p.lastSync()
	if s.Status != schemas.SyncStatusRunning || s.Window != 1 || s.Chunks != 1 || s.DisplayPhoneNumber != biz || s.Request("history").ArrivedAt == nil {
		t.Errorf("after the first chunk: %+v", s)
	}
}

func TestContactsThatWereRequestedArrive(t *testing.T) {
	p := newPartition(t)
	p.request(syncrequest.Record{State: syncrequest.Accepted, SyncType: syncrequest.Contacts})
	p.clock = p.clock.Add(time.Minute)
	p.webhook(body("doc-contacts-add"))
	s := p.lastSync()
	if r := s.Request("contacts"); s.Status != schemas.SyncStatusNotRequested || r == nil || r.ArrivedAt == nil || !r.ArrivedAt.Equal(p.clock) {
		t.Errorf("%+v", s)
	}
}

func TestABusinessThatLeavesEndsItsRequest(t *testing.T) {
	p := newPartition(t)
	p.request(syncrequest.Record{State: syncrequest.Accepted})
	p.clock = p.clock.Add(time.Hour)
	removed := envelope("account_update", `{"event":"PARTNER_REMOVED","phone_number":"`+biz+`"}`)
	p.webhook(strings.Replace(removed, "1772366400", strconv.FormatInt(p.clock.Unix(), 10), 1))
	if s := p.lastSync(); s.Status != schemas.SyncStatusOffboarded || s.State != schemas.SyncOffboarded {
		t.Errorf("%+v", s)
	}
}

func TestARecordOfTheDeskThatIsNoRequestBecomesADeadLetter(t *testing.T) {
	for name, bad := range map[string]string{
		"not JSON":     `{`,
		"a webhook":    body("message-text"),
		"another type": strings.Replace(string(syncrequest.Record{WABAID: waba}.Append(nil)), waba, "", 1),
	} {
		p := newPartition(t)
		p.fromDesk(bad)
		letters := p.topics[schemas.TopicDLQ]
		if len(letters) != 1 || letters[0].headers[schemas.HeaderDLQReason] != string(schemas.ReasonSyncRequest) || string(letters[0].value) != bad || letters[0].headers[schemas.HeaderSource] != syncrequest.Source {
			t.Errorf("%s: %v", name, letters)
		}
		if n := len(p.topics[schemas.TopicSyncs]) + len(p.topics[schemas.TopicMessages]); n != 0 {
			t.Errorf("%s: %d events", name, n)
		}
	}
}

// A body from outside that looks like a request has another source.
func TestARequestOfAnotherSourceIsNoRequest(t *testing.T) {
	p := newPartition(t)
	p.webhook(string(syncrequest.Record{WABAID: waba, PhoneNumberID: phone, SyncType: syncrequest.History, State: syncrequest.Accepted, Attempt: "a", At: 1, RequestedBy: "x", Provider: "meta"}.Append(nil)))
	if letters := p.topics[schemas.TopicDLQ]; len(letters) != 1 || letters[0].headers[schemas.HeaderDLQReason] != string(schemas.ReasonObjectUnknown) {
		t.Errorf("%v", letters)
	}
	if len(p.topics[schemas.TopicSyncs]) != 0 {
		t.Error("a sync was emitted")
	}
}

func TestARequestInAnotherPartitionIsPassedOnUnchanged(t *testing.T) {
	p := newPartition(t)
	p.cfg.Partitions = 2
	p.cfg.PartitionOf = func([]byte) int32 { return 1 }
	p.restart()
	got := p.request(syncrequest.Record{State: syncrequest.Accepted})
	var passed []record
	for _, r := range got {
		if r.topic == schemas.TopicRerouted {
			passed = append(passed, r)
		}
	}
	if len(passed) != 1 || passed[0].partition != 1 || passed[0].key != waba || string(passed[0].value) != string(p.raw[0].body) ||
		passed[0].headers[schemas.HeaderSource] != syncrequest.Source || passed[0].headers[schemas.HeaderOrigin] != "raw.bulk/0/0" {
		t.Errorf("%+v", passed)
	}
	if len(p.topics[schemas.TopicSyncs]) != 0 {
		t.Error("the sync is told in the wrong partition")
	}
}

// A replay into empty topics gives the syncs of the first run; one with a state of its own gives none.
func TestAReplayOfRequestsGivesTheSameSyncs(t *testing.T) {
	first := newPartition(t)
	first.request(syncrequest.Record{State: syncrequest.Intended})
	first.clock = first.clock.Add(time.Second)
	first.request(syncrequest.Record{State: syncrequest.Accepted, RequestID: "r"})
	first.tick(40 * time.Minute)
	first.webhook(chunk(0, 1, 10, "a"))
	first.webhook(chunk(0, 3, 30, "b"))
	first.tick(20 * time.Hour)
	want := first.lastSync()
	if want.Status != schemas.SyncStatusHole {
		t.Fatalf("first run: %+v", want)
	}
	for _, own := range []bool{false, true} {
		again := newPartition(t)
		again.sources = first.sources
		for i, r := range first.raw {
			again.clock = r.at
			again.core.Pass(r.at)
			again.raw = append(again.raw, r)
			again.copied[i] = &partition.Replay{ID: []byte("again"), Own: own, Seen: r.at}
			if again.core.Replayed(again.origin(i)) {
				again.feed(i)
			}
			again.commit()
		}
		again.clock = first.clock
		again.tick(0)
		if own {
			if n := len(again.topics[schemas.TopicSyncs]); n != 0 {
				t.Errorf("a replay with a state of its own emitted %d syncs", n)
			}
			continue
		}
		if got := again.lastSync(); string(got.AppendJSON(nil)) != string(want.AppendJSON(nil)) {
			t.Errorf("replay:\n%s\nfirst run:\n%s", got.AppendJSON(nil), want.AppendJSON(nil))
		}
	}
}

func TestRequestsOfInventedNumbersAreBounded(t *testing.T) {
	p := newPartition(t)
	p.validateEvery = 1000
	const most = 4096 // numbers of one WABA
	for i := range most + 3 {
		p.sources = map[int]string{len(p.raw): syncrequest.Source}
		p.send(string(syncrequest.Record{
			WABAID: waba, PhoneNumberID: strconv.Itoa(i + 1), SyncType: syncrequest.History, State: syncrequest.Intended, Attempt: "a",
			At: p.clock.UnixMilli(), RequestedBy: "cli", Provider: "meta",
		}.Append(nil)))
	}
	p.commit()
	if n := p.core.Size().Numbers; n != most {
		t.Errorf("%d numbers", n)
	}
	if n := p.core.Size().Requested[schemas.SyncStatusIntended]; n != most {
		t.Errorf("%d requested syncs", n)
	}
	if letters := p.topics[schemas.TopicDLQ]; len(letters) != 3 || letters[0].headers[schemas.HeaderDLQReason] != string(schemas.ReasonTooManyNumbers) {
		t.Errorf("%d letters", len(letters))
	}
}
