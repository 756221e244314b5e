package judge

import (
	"strconv"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// onboardedAgo is how long before the start the number was onboarded.
const onboardedAgo = time.Minute

// step adds a record of the desk to the raw log.
func (s *script) step(at time.Duration, typ syncrequest.SyncType, state syncrequest.State, attempt string, code int64) {
	r := syncrequest.Record{
		WABAID: handWABA, PhoneNumberID: handNumber, SyncType: typ, State: state, Attempt: attempt, At: start.Add(at).UnixMilli(),
		OnboardedAt: start.Add(-onboardedAgo).UnixMilli(), RequestedBy: "cli", Provider: "meta",
	}
	switch state {
	case syncrequest.Accepted:
		r.RequestID = "req-" + attempt
	case syncrequest.Refused:
		r.Error = &syncrequest.Failure{Code: code}
	}
	s.s.raw = append(s.s.raw, Record{Topic: schemas.TopicRawLive, Offset: int64(len(s.s.raw)), Value: r.Append(nil), Headers: []Header{
		{schemas.HeaderSource, []byte(syncrequest.Source)}, {schemas.HeaderProvider, []byte("meta")}, {schemas.HeaderRequestID, []byte(attempt)},
		{schemas.HeaderReceivedAt, strconv.AppendInt(nil, start.Add(at+time.Second).UnixMilli(), 10)},
	}})
}

// both requests contacts and history, both accepted at once.
func (s *script) both() {
	for i, t := range []syncrequest.SyncType{syncrequest.Contacts, syncrequest.History} {
		s.step(time.Duration(i)*time.Second, t, syncrequest.Intended, string(t), 0)
		s.step(time.Duration(i)*time.Second+time.Millisecond, t, syncrequest.Accepted, string(t), 0)
	}
}

func (s *script) decline(at time.Duration) {
	b := []byte("declined")
	s.s.lines = append(s.s.lines,
		truth.Line{Body: &truth.Body{Index: s.bodies, Hash: truth.Sum(b), Length: len(b), Parts: []truth.Part{{Kind: truth.KindDecline, Window: 1}}}},
		truth.Line{Sent: &truth.Sent{Body: s.bodies, Acked: true}})
	s.s.raw = append(s.s.raw, Record{Topic: schemas.TopicRawBulk, Offset: int64(s.bodies), Value: b, Headers: []Header{
		{schemas.HeaderSource, []byte("s")}, {schemas.HeaderProvider, []byte("meta")}, {schemas.HeaderRequestID, []byte("r")},
		{schemas.HeaderReceivedAt, strconv.AppendInt(nil, start.Add(at).UnixMilli(), 10)},
	}})
	s.bodies++
}

func instant(d time.Duration) *time.Time {
	t := start.Add(d).UTC()
	return &t
}

// asksBoth is the record on `syncs` of requests that were both accepted.
func asksBoth(status string, change ...func(*schemas.Sync)) *schemas.Sync {
	v := &schemas.Sync{
		WABAID: handWABA, PhoneNumberID: handNumber, Window: 1, State: schemas.SyncRunning, OrderKnown: true, Phases: []schemas.SyncPhase{}, Status: status,
		OnboardedAt: instant(-onboardedAgo), RequestDeadlineAt: instant(24*time.Hour - onboardedAgo),
	}
	for i, t := range []string{"contacts", "history"} {
		at := time.Duration(i)*time.Second + time.Millisecond
		v.Requests = append(v.Requests, schemas.SyncRequest{
			SyncType: t, State: "accepted", At: *instant(at), RequestedAt: instant(at), RequestedBy: "cli", Provider: "meta", RequestID: "req-" + t, Attempt: t, Attempts: 1,
		})
	}
	v.RequestedAt = v.Requests[1].RequestedAt
	for _, c := range change {
		c(v)
	}
	return v
}

func (s *script) tell(v *schemas.Sync) {
	s.s.events = append(s.s.events, Record{
		Topic: schemas.TopicSyncs, Key: []byte(handNumber), Value: v.AppendJSON(nil), Headers: ce(schemas.TypeSync, strconv.Itoa(len(s.s.events))),
	})
}

const (
	minute = time.Minute
	hour   = time.Hour
)

// TestTheStatusOfARequestedSyncFollowsFromTheRawLog plays requests and webhooks by hand, and gives the judge the right record or a wrong one.
func TestTheStatusOfARequestedSyncFollowsFromTheRawLog(t *testing.T) {
	waiting := func(v *schemas.Sync) { v.DeadlineAt = instant(30*minute + time.Second + time.Millisecond) }
	arrived := func(v *schemas.Sync) {
		v.DisplayPhoneNumber, v.Chunks, v.Messages = "15550000001", 1, 1
		v.Phases = []schemas.SyncPhase{{Phase: 0, Left: 1}}
	}
	hole := func(v *schemas.Sync) {
		arrived(v)
		v.Chunks, v.Messages, v.Phases = 2, 2, []schemas.SyncPhase{{Phase: 0, Left: 2, Gaps: []schemas.SyncGap{{From: 2, To: 2, GivenUp: true}}}}
	}
	declined := func(v *schemas.Sync) { v.DisplayPhoneNumber, v.State = "15550000001", schemas.SyncDeclined }
	complete := func(v *schemas.Sync) { arrived(v); v.State = schemas.SyncDone }
	message1, message3 := message{wamid: "wamid.A", typ: "text"}, message{wamid: "wamid.C", typ: "text"}
	chunk := func(s *script) {
		s.chunk(minute, 0, 1, 50, message1)
		s.event(0, 1, 50, false, message1)
	}
	whole := func(s *script) {
		s.chunk(minute, 2, 1, 100, message1)
		s.event(2, 1, 100, false, message1)
	}
	gap := func(s *script) { // the second chunk was sent, and is not in the raw log
		s.chunk(minute, 0, 1, 30, message1)
		s.chunk(2*minute, 0, 2, 60, message{wamid: "wamid.B", typ: "text"})
		s.s.raw = s.s.raw[:len(s.s.raw)-1]
		s.s.lines[len(s.s.lines)-1].Sent.Acked = false
		s.chunk(3*minute, 0, 3, 90, message3)
		s.event(0, 1, 30, false, message1)
		s.event(0, 3, 90, false, message3)
	}
	// one has a request of the history alone, which did not come to an acceptance.
	one := func(state syncrequest.State, code int64, change ...func(*schemas.Sync)) (func(*script), func(status string) *schemas.Sync) {
		return func(s *script) {
				s.step(0, syncrequest.History, syncrequest.Intended, "a", 0)
				if state != syncrequest.Intended {
					s.step(time.Second, syncrequest.History, state, "a", code)
				}
			}, func(status string) *schemas.Sync {
				return asksBoth(status, append([]func(*schemas.Sync){func(v *schemas.Sync) {
					q := schemas.SyncRequest{SyncType: "history", State: string(state), At: *instant(time.Second), RequestedBy: "cli", Provider: "meta", Attempt: "a", Attempts: 1}
					if state == syncrequest.Intended {
						q.At = *instant(0)
					}
					if code != 0 {
						q.Error = &schemas.SyncRequestError{Code: code}
					}
					v.Requests, v.RequestedAt = []schemas.SyncRequest{q}, nil
				}}, change...)...)
			}
	}
	near := func(v *schemas.Sync) { v.DeadlineAt = v.RequestDeadlineAt }
	early := func(v *schemas.Sync) { v.DeadlineAt = instant(20*hour - onboardedAgo) }
	intended, toldIntended := one(syncrequest.Intended, 0, early)
	notSent, toldNotSent := one(syncrequest.NotSent, 0, early)
	unknown, toldUnknown := one(syncrequest.Unknown, 0, early)
	refused, toldRefused := one(syncrequest.Refused, 100, early)
	tooLate, toldTooLate := one(syncrequest.Refused, syncrequest.CodeTooLate)
	lateNotSent, toldNear := one(syncrequest.NotSent, 0, near)
	over, toldMissed := one(syncrequest.NotSent, 0, func(v *schemas.Sync) { v.State = schemas.SyncDone })

	for name, c := range map[string]struct {
		asOf time.Duration
		play func(*script)
		tell *schemas.Sync
		// wrong is a record that another state of affairs would have.
		wrong *schemas.Sync
	}{
		"requested":        {10 * minute, (*script).both, asksBoth("requested", waiting), asksBoth("silent")},
		"silent":           {40 * minute, (*script).both, asksBoth("silent"), asksBoth("requested", waiting)},
		"running":          {10 * minute, func(s *script) { s.both(); chunk(s) }, asksBoth("running", arrived), asksBoth("stalled", arrived)},
		"stalled":          {3 * hour, func(s *script) { s.both(); chunk(s) }, asksBoth("stalled", arrived), asksBoth("running", arrived)},
		"hole":             {hour, func(s *script) { s.both(); gap(s) }, asksBoth("hole", hole), asksBoth("running", arrived, func(v *schemas.Sync) { v.Chunks = 2 })},
		"done":             {hour, func(s *script) { s.both(); whole(s) }, asksBoth("done", complete), asksBoth("running", complete)},
		"declined":         {hour, func(s *script) { s.both(); s.decline(minute) }, asksBoth("declined", declined), asksBoth("requested", waiting)},
		"deadline near":    {21 * hour, lateNotSent, toldNear("deadline_near"), toldNotSent("not_requested")},
		"missed":           {25 * hour, over, toldMissed("missed"), toldNear("deadline_near")},
		"intended":         {hour, intended, toldIntended("intended"), toldNotSent("not_requested")},
		"not sent":         {hour, notSent, toldNotSent("not_requested"), toldIntended("intended")},
		"unknown":          {hour, unknown, toldUnknown("unknown"), asksBoth("requested", waiting)},
		"refused":          {hour, refused, toldRefused("refused"), toldUnknown("unknown")},
		"window missed":    {hour, tooLate, toldTooLate("refused"), toldRefused("refused")},
		"requested before": {10 * minute, (*script).both, asksBoth("requested", waiting), asksBoth("requested", waiting, func(v *schemas.Sync) { v.Requests[1].RequestID = "another" })},
		"its time":         {10 * minute, (*script).both, asksBoth("requested", waiting), asksBoth("requested", waiting, func(v *schemas.Sync) { v.RequestDeadlineAt = instant(24 * hour) })},
		"its wait":         {10 * minute, (*script).both, asksBoth("requested", waiting), asksBoth("requested", func(v *schemas.Sync) { v.DeadlineAt = instant(hour) })},
		"its attempts":     {10 * minute, (*script).both, asksBoth("requested", waiting), asksBoth("requested", waiting, func(v *schemas.Sync) { v.Requests[0].Attempts = 2 })},
		"nothing":          {10 * minute, func(s *script) { s.both(); chunk(s) }, asksBoth("running", arrived), asksBoth("", arrived, func(v *schemas.Sync) { v.Requests = nil })},
	} {
		t.Run(name, func(t *testing.T) {
			judged := func(v *schemas.Sync) Verdict {
				s := newScript(t)
				c.play(s)
				if v != nil {
					s.tell(v)
				}
				s.s.lines = append(s.s.lines, truth.Line{End: &truth.End{}})
				opt := options()
				opt.Partitions, opt.AsOf = 0, start.Add(c.asOf)
				return judgement(t, &s.s, opt)
			}
			if v := judged(c.tell); v.Faults != 0 {
				t.Errorf("the right record:\n%s", show(v))
			}
			if v := judged(c.wrong); v.Count(WrongTable)+v.Count(WrongContent)+v.Count(Lost) == 0 {
				t.Errorf("the wrong record passes:\n%s", show(v))
			}
			if v := judged(nil); v.Count(Lost) == 0 {
				t.Errorf("no record passes:\n%s", show(v))
			}
		})
	}
}

// A wait that ends while the check reads leaves two right statuses. Another wait leaves one.
func TestAWaitThatEndsDuringTheCheckAllowsBothStatuses(t *testing.T) {
	for _, c := range []struct {
		asOf   time.Duration
		status string
		ok     bool
	}{{29 * minute, "requested", true}, {29 * minute, "silent", true}, {31 * minute, "silent", true}, {31 * minute, "requested", false}} {
		s := newScript(t)
		s.both()
		s.tell(asksBoth(c.status, func(v *schemas.Sync) {
			if c.status == "requested" {
				v.DeadlineAt = instant(30*minute + time.Second + time.Millisecond)
			}
		}))
		s.s.lines = append(s.s.lines, truth.Line{End: &truth.End{}})
		opt := options()
		opt.Partitions, opt.AsOf = 0, start.Add(c.asOf)
		if v := judgement(t, &s.s, opt); (v.Faults == 0) != c.ok {
			t.Errorf("%s after %v:\n%s", c.status, c.asOf, show(v))
		}
	}
}

// A status without a request in the raw log is a fault.
func TestAStatusWithoutARequestIsAFault(t *testing.T) {
	s := newScript(t)
	m := message{wamid: "wamid.A", typ: "text"}
	s.chunk(minute, 0, 1, 50, m)
	s.event(0, 1, 50, false, m)
	s.tell(asksBoth("running", func(v *schemas.Sync) { v.DisplayPhoneNumber, v.Chunks, v.Messages = "15550000001", 1, 1 }))
	opt := options()
	opt.Partitions = 0
	if v := judgement(t, &s.s, opt); v.Count(WrongContent) != 1 {
		t.Error(show(v))
	}
}
