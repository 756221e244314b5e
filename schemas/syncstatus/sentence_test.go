package syncstatus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
	"github.com/coexstream/coexstream/schemas/syncstatus"
)

var now = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)

func before(d time.Duration) *time.Time { t := now.Add(-d); return &t }

// asked is a sync of a number that was onboarded three hours ago, and whose history was requested two hours ago.
func asked(status string, state syncrequest.State) *schemas.Sync {
	s := &schemas.Sync{
		Status: status, State: schemas.SyncRunning, OrderKnown: true, OpenedAt: *before(2 * time.Hour), LastAt: *before(2 * time.Hour),
		OnboardedAt: before(3 * time.Hour), RequestDeadlineAt: before(-21 * time.Hour),
		Requests: []schemas.SyncRequest{{SyncType: "history", State: string(state), At: *before(2 * time.Hour), RequestedBy: "onboarding", Attempts: 1}},
	}
	if state == syncrequest.Accepted {
		s.RequestedAt = before(2 * time.Hour)
	}
	return s
}

// came is one of which chunks have come.
func came(status string, phases ...schemas.SyncPhase) *schemas.Sync {
	s := asked(status, syncrequest.Accepted)
	s.Chunks, s.Messages, s.Progress, s.Phases = 2, 1204, 55, phases
	return s
}

func TestEveryStatusHasASentenceThatSaysTheNextStep(t *testing.T) {
	said := map[string]bool{}
	for _, c := range []struct {
		name string
		sync *schemas.Sync
		more func(*schemas.Sync)
		want string
	}{
		{"intended", asked(schemas.SyncStatusIntended, syncrequest.Intended), nil,
			"no history yet; the request of 2026-03-01 12:00 UTC has no recorded outcome; look at the desk's log before anybody requests again; it is possible until 2026-03-02 11:00 UTC (21 hours left)"},
		{"contacts alone", asked(schemas.SyncStatusNotRequested, syncrequest.Accepted), func(s *schemas.Sync) { s.Requests[0].SyncType = "contacts" },
			"no history yet; it was not requested; request it; it is possible until 2026-03-02 11:00 UTC (21 hours left)"},
		{"not requested, onboarded at an unknown time", asked(schemas.SyncStatusNotRequested, syncrequest.NotSent), func(s *schemas.Sync) { s.RequestDeadlineAt = nil },
			"no history yet; it was not requested; request it; it is possible for 24 hours after the onboarding, whose time is not known"},
		{"deadline near", asked(schemas.SyncStatusDeadlineNear, syncrequest.Refused), func(s *schemas.Sync) {
			s.RequestDeadlineAt = before(-59 * time.Minute)
			s.Requests[0].Error = &schemas.SyncRequestError{Code: 190, Message: "Invalid\ntoken"}
		}, "no history yet; no request was accepted (code 190: Invalid token); request it now; it is possible until 2026-03-01 14:59 UTC (59 minutes left)"},
		{"deadline near and unknown", asked(schemas.SyncStatusDeadlineNear, syncrequest.Unknown), nil,
			"no history yet; the request of 2026-03-01 12:00 UTC was sent and not answered; a person has to decide whether to request again; it is possible until 2026-03-02 11:00 UTC (21 hours left)"},
		{"missed", asked(schemas.SyncStatusMissed, syncrequest.NotSent), func(s *schemas.Sync) { s.RequestDeadlineAt = before(time.Hour) },
			"no history; no request was accepted before the time for it ended at 2026-03-01 13:00 UTC; onboard the number again to get another 24 hours"},
		{"unknown", asked(schemas.SyncStatusUnknown, syncrequest.Unknown), func(s *schemas.Sync) { s.RequestDeadlineAt = before(time.Hour) },
			"no history yet; the request of 2026-03-01 12:00 UTC was sent and not answered; webhooks would be the proof; a person has to decide whether to request again; the time for a request ended at 2026-03-01 13:00 UTC"},
		{"refused: too late", asked(schemas.SyncStatusRefused, syncrequest.Refused), func(s *schemas.Sync) {
			s.RequestDeadlineAt, s.Requests[0].Error = before(time.Hour), &schemas.SyncRequestError{Code: syncrequest.CodeTooLate}
		}, "no history; the vendor refused the request of 2026-03-01 12:00 UTC (code 2593108); onboard the number again to get another 24 hours; the time for a request ended at 2026-03-01 13:00 UTC"},
		{"refused: a permission", asked(schemas.SyncStatusRefused, syncrequest.Refused), func(s *schemas.Sync) { s.Requests[0].Error = &schemas.SyncRequestError{Code: 200} },
			"no history; the vendor refused the request of 2026-03-01 12:00 UTC (code 200); mend the cause and request it again; it is possible until 2026-03-02 11:00 UTC (21 hours left)"},
		{"requested", asked(schemas.SyncStatusRequested, syncrequest.Accepted), func(s *schemas.Sync) { s.DeadlineAt = before(-30 * time.Minute) },
			"no history yet; it was requested at 2026-03-01 12:00 UTC by onboarding; the first chunk is expected until 2026-03-01 14:30 UTC; wait"},
		{"requested before", asked(schemas.SyncStatusSilent, syncrequest.Refused), func(s *schemas.Sync) {
			s.Requests[0].Error = &schemas.SyncRequestError{Code: syncrequest.CodeRequested}
		},
			"no history yet; it was requested before 2026-03-01 12:00 UTC, and nothing came; do not request again; check the subscription of the field history and the answers of the ingress, then ask the vendor"},
		{"silent", asked(schemas.SyncStatusSilent, syncrequest.Accepted), func(s *schemas.Sync) { s.Requests[0].RequestID = "b1a5" },
			"no history yet; it was requested at 2026-03-01 12:00 UTC by onboarding, and nothing came; do not request again; check the subscription of the field history and the answers of the ingress, then ask the vendor with the request id b1a5"},
		{"running", came(schemas.SyncStatusRunning, schemas.SyncPhase{Phase: 0, Left: 1}, schemas.SyncPhase{Phase: 1, Left: 1, Gaps: []schemas.SyncGap{{From: 2, To: 2}}}), func(s *schemas.Sync) { s.DeadlineAt = before(-time.Hour) },
			"1204 messages of 2025-12-01 to 2026-03-01 are there; chunk 2 of phase 1 is missing so far; more is expected until 2026-03-01 15:00 UTC; wait"},
		{"stalled", came(schemas.SyncStatusStalled, schemas.SyncPhase{Phase: 0, Left: 2}), func(s *schemas.Sync) { s.DeadlineAt = before(-4 * time.Hour) },
			"1204 messages of 2026-02-28 to 2026-03-01 are there; no chunk came since 2026-03-01 12:00 UTC; more is waited for until 2026-03-01 18:00 UTC; check the answers of the ingress and the lag of raw.bulk"},
		{"hole", came(schemas.SyncStatusHole, schemas.SyncPhase{Phase: 0, Left: 1, Gaps: []schemas.SyncGap{{From: 2, To: 4, GivenUp: true}, {From: 6, To: 6, Lost: true}}}), func(s *schemas.Sync) { s.State = schemas.SyncDone },
			"1204 messages of 2026-02-28 to 2026-03-01 are there; chunks 2 to 4 of phase 0, chunk 6 of phase 0 are missing and not waited for; look in dlq for the missing chunks, then ask the vendor for them"},
		{"complete", came(schemas.SyncStatusDone, schemas.SyncPhase{Phase: 0, Left: 1}, schemas.SyncPhase{Phase: 2, Left: 1}), func(s *schemas.Sync) { s.EndReason, s.Progress = schemas.SyncEndComplete, 100 },
			"1204 messages of 2025-09-02 to 2026-03-01 are there; nothing is missing; nothing to do"},
		{"ended early", came(schemas.SyncStatusDone, schemas.SyncPhase{Phase: 0, Left: 1}), func(s *schemas.Sync) { s.EndReason = schemas.SyncEndQuiet },
			"1204 messages of 2026-02-28 to 2026-03-01 are there; the sender stopped at 55 %; nothing is waited for; ask the vendor for the rest"},
		{"ended without an order", came(schemas.SyncStatusDone), func(s *schemas.Sync) { s.EndReason, s.OrderKnown, s.Messages = schemas.SyncEndQuiet, false, 1 },
			"1 message is there; no gap is known; nothing is waited for; nothing to do"},
		{"declined", asked(schemas.SyncStatusDeclined, syncrequest.Accepted), nil,
			"no history; the business does not share its history; it can share it only in a new onboarding"},
		{"offboarded", asked(schemas.SyncStatusOffboarded, syncrequest.Accepted), func(s *schemas.Sync) { s.EndedAt = before(time.Hour) },
			"no history; the business disconnected at 2026-03-01 13:00 UTC; onboard the number again"},
		{"of a later version", asked("paused", syncrequest.Accepted), nil,
			"no history; the status is paused; a newer version knows it"},
	} {
		if c.more != nil {
			c.more(c.sync)
		}
		if got := syncstatus.Sentence(c.sync, now); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		said[c.sync.Status] = true
	}
	for _, status := range schemas.SyncStatuses() {
		if !said[status] {
			t.Errorf("no sentence of status %s was looked at", status)
		}
	}
}

func TestASyncWithoutARequestHasAStatusToo(t *testing.T) {
	hole := []schemas.SyncPhase{{Gaps: []schemas.SyncGap{{From: 1, To: 1, GivenUp: true}}}}
	for _, c := range []struct {
		sync schemas.Sync
		want string
	}{
		{schemas.Sync{State: schemas.SyncRunning, LastAt: now}, schemas.SyncStatusRunning},
		{schemas.Sync{State: schemas.SyncRunning, LastAt: *before(2 * time.Hour)}, schemas.SyncStatusStalled},
		{schemas.Sync{State: schemas.SyncRunning, LastAt: now, Phases: hole}, schemas.SyncStatusHole},
		{schemas.Sync{State: schemas.SyncDone, Phases: hole}, schemas.SyncStatusHole},
		{schemas.Sync{State: schemas.SyncDone}, schemas.SyncStatusDone},
		{schemas.Sync{State: schemas.SyncDeclined}, schemas.SyncStatusDeclined},
		{schemas.Sync{State: schemas.SyncOffboarded, Phases: hole}, schemas.SyncStatusOffboarded},
	} {
		if got := syncstatus.Of(&c.sync, now); got != c.want {
			t.Errorf("%+v: %s, want %s", c.sync, got, c.want)
		}
		if syncstatus.Sentence(&c.sync, now) == "" {
			t.Errorf("%+v has no sentence", c.sync)
		}
	}
}

// A consumer may read the event of another program.
func TestEveryStatusHasASentenceWithoutARequest(t *testing.T) {
	for _, status := range schemas.SyncStatuses() {
		s := schemas.Sync{Status: status, State: schemas.SyncRunning}
		if syncstatus.Sentence(&s, now) == "" {
			t.Errorf("%s has no sentence", status)
		}
	}
}

func TestAMessageOfTheVendorIsCut(t *testing.T) {
	s := asked(schemas.SyncStatusRefused, syncrequest.Refused)
	s.Requests[0].Error = &schemas.SyncRequestError{Code: 1, Message: strings.Repeat("é", 1000)}
	if got := syncstatus.Sentence(s, now); strings.Count(got, "é") != 119 {
		t.Errorf("%d characters", strings.Count(got, "é"))
	}
}

func TestARefusalIsFoundWhereverItStands(t *testing.T) {
	request := asked(schemas.SyncStatusRefused, syncrequest.Refused)
	request.Requests[0].Error = &schemas.SyncRequestError{Code: syncrequest.CodeTooLate, Message: "too late"}
	for name, c := range map[string]struct {
		sync *schemas.Sync
		code int64
		text string
	}{
		"by webhook": {&schemas.Sync{Error: []byte(`[{"code":1},{"code":"2593109","title":"off"}]`)}, 2593109, "off"},
		"by request": {request, 2593108, "too late"},
		"none":       {asked(schemas.SyncStatusRequested, syncrequest.Accepted), 0, ""},
	} {
		if code, text := syncstatus.Refusal(c.sync); code != c.code || text != c.text {
			t.Errorf("%s: %d %q", name, code, text)
		}
	}
}
