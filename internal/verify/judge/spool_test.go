package judge

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

const (
	endedAt   = 40 * time.Second // an account event ended the onboarding
	drainedAt = 46 * time.Second // the spool was empty again
)

// account adds an account event: when it happened, was sent and was received. It is in raw.live.
func (s *script) account(at time.Duration, name string) {
	body := fmt.Appendf(nil, "%q", fmt.Sprint(name, s.bodies))
	when := start.Add(at)
	s.s.lines = append(s.s.lines,
		truth.Line{Body: &truth.Body{Index: s.bodies, Hash: truth.Sum(body), Length: len(body), Parts: []truth.Part{{
			Kind: truth.KindAccount, Account: &truth.Account{EntryID: handWABA, Event: name, Time: when.Unix(), Digest: truth.Sum(body)},
		}}}},
		truth.Line{Sent: &truth.Sent{Body: s.bodies, Acked: true, FirstMS: when.UnixMilli(), LastMS: when.UnixMilli()}})
	s.s.raw = append(s.s.raw, Record{Topic: schemas.TopicRawLive, Offset: int64(s.bodies), Value: body, Headers: []Header{
		{schemas.HeaderSource, []byte("s")}, {schemas.HeaderProvider, []byte("meta")}, {schemas.HeaderRequestID, []byte("r")},
		{schemas.HeaderReceivedAt, strconv.AppendInt(nil, when.UnixMilli(), 10)},
	}})
	s.s.events = append(s.s.events, Record{
		Topic: schemas.TopicAccount, Offset: int64(len(s.s.events)), Key: []byte(handWABA), Headers: ce(schemas.TypeAccount, string(body)),
		Value: fmt.Appendf(nil, `{"waba_id":%q,"entry_id":%q,"event":%q,"time":%d,"original":%s}`, handWABA, handWABA, name, when.Unix(), body),
	})
	s.bodies++
}

// left is event for a message that the processor wrote at a time.
func (s *script) left(at time.Duration, phase, order, progress int32, late bool, m message) {
	s.event(phase, order, progress, late, m)
	s.s.events[len(s.s.events)-1].TimeMS = start.Add(at).UnixMilli()
}

// foreign puts a record of another run into raw.bulk, before the i-th record of the log.
func (s *script) foreign(i int, at time.Duration) {
	s.s.raw = slices.Insert(s.s.raw, i, Record{Topic: schemas.TopicRawBulk, Value: []byte("of another run"), Headers: []Header{
		{schemas.HeaderReceivedAt, strconv.AppendInt(nil, start.Add(at).UnixMilli(), 10)},
	}})
}

// each calls change for the events of the history.
func (s *script) each(change func(*Record)) {
	for i := range s.s.events {
		if s.s.events[i].Topic == schemas.TopicHistory {
			change(&s.s.events[i])
		}
	}
}

// TestAnAccountEventPassesChunksInTheSpool: chunks were acknowledged, and waited in the spool of the ingress while an
// account event ended the onboarding. So the processor closed the window, which released the chunk that was held. Then it
// read the others, and marked them late. Without such an event, or before it, the mark is a fault.
func TestAnAccountEventPassesChunksInTheSpool(t *testing.T) {
	at := func(d time.Duration) func(*script) {
		return func(s *script) { s.each(func(r *Record) { r.TimeMS = start.Add(d).UnixMilli() }) }
	}
	unknown := func(s *script) { s.each(func(r *Record) { r.TimeMS = 0 }) }
	body := func(s *script) (*truth.Part, *Record) { return &s.s.lines[8].Body.Parts[0], &s.s.raw[3] }
	for name, c := range map[string]struct {
		event string
		alter func(*script)
		late  bool
	}{
		"offboarded":                   {event: "ACCOUNT_OFFBOARDED", late: true},
		"removed":                      {event: "PARTNER_REMOVED", late: true},
		"reconnected":                  {event: "ACCOUNT_RECONNECTED", late: true},
		"an event that ends no sync":   {event: "PARTNER_ADDED"},
		"they left before it was sent": {event: "ACCOUNT_OFFBOARDED", alter: at(endedAt - 2*time.Second)},
		"they left at an unknown time": {event: "ACCOUNT_OFFBOARDED", alter: unknown},
		"a replay marked them": {event: "ACCOUNT_OFFBOARDED", alter: func(s *script) {
			s.each(func(r *Record) { r.Headers = append(r.Headers, Header{schemas.HeaderReplay, []byte("r")}) })
		}},
		"the event is not in the raw log": {event: "ACCOUNT_OFFBOARDED", alter: func(s *script) { s.s.raw = s.s.raw[:3] }},
		"the event ended an earlier sync": {event: "ACCOUNT_OFFBOARDED", alter: func(s *script) {
			part, _ := body(s)
			part.Account.Time -= 39
		}},
		"the event came before them": {event: "ACCOUNT_OFFBOARDED", alter: func(s *script) {
			_, raw := body(s)
			raw.Headers[3].Value = strconv.AppendInt(nil, start.UnixMilli(), 10)
		}},
		"overtaken in the log by what came behind the event": {event: "ACCOUNT_OFFBOARDED", late: true, alter: func(s *script) {
			unknown(s)
			s.foreign(1, endedAt+time.Second)
		}},
		"overtaken in the log by what came before the event": {event: "ACCOUNT_OFFBOARDED", alter: func(s *script) {
			unknown(s)
			s.foreign(1, endedAt-time.Second)
		}},
		"the held chunk stands behind them in the log": {event: "ACCOUNT_OFFBOARDED", alter: func(s *script) { s.s.raw[0].Offset = 9 }},
		"without a chunk_order": {event: "ACCOUNT_OFFBOARDED", late: true, alter: func(s *script) {
			for _, i := range []int{2, 4, 6} {
				s.s.lines[i].Body.Parts[0].Order = nil
			}
			s.each(func(r *Record) { r.Value = bytes.Replace(r.Value, []byte(`,"chunk_order":1`), nil, 1) })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.chunk(0, 1, 1, 100, a)
			s.chunk(30*time.Second, 0, 1, 100, b)
			s.chunk(35*time.Second, 2, 1, 100, message{"c", "text", ""})
			s.account(endedAt, c.event)
			s.left(endedAt+5*time.Second, 1, 1, 100, false, a)
			s.left(drainedAt, 0, 1, 100, true, b)
			s.left(drainedAt, 2, 1, 100, true, message{"c", "text", ""})
			s.sync(schemas.SyncOffboarded, 3, 3)
			if c.alter != nil {
				c.alter(s)
			}
			if c.late {
				s.expect(true)
			} else {
				s.expect(false, NotLate)
			}
		})
	}
}

// A window that is closed stays closed: of two chunks in the spool, the second one cannot be in time if the first is late.
func TestBehindAChunkThatTheEndOfItsWindowMadeLateAllAreLate(t *testing.T) {
	for late, ok := range map[bool]bool{true: true, false: false} {
		s := newScript(t)
		s.chunk(30*time.Second, 0, 1, 100, b)
		s.chunk(35*time.Second, 1, 1, 100, a)
		s.account(endedAt, "ACCOUNT_OFFBOARDED")
		s.left(drainedAt, 0, 1, 100, true, b)
		s.left(drainedAt, 1, 1, 100, late, a)
		s.sync(schemas.SyncOffboarded, 2, 2)
		if ok {
			s.expect(true)
		} else {
			s.expect(false, NotLate)
		}
	}
}

// A wait ended while a chunk was in the spool: it was received and acknowledged in time, and read when time had passed.
// Its messages leave when it is read, so their time shows that. A chunk that went straight to Kafka leaves the same records
// if the processor was behind: its wrong mark is not found (rightlyLate).
func TestAWaitEndsWhileAChunkIsInTheSpool(t *testing.T) {
	const hold = 2*time.Minute + time.Second // a chunk of the next phase waits since 1 s
	for name, c := range map[string]struct {
		left time.Duration
		late bool
	}{
		"within the hold":                     {hold - time.Second, false},
		"within the grace of the tick":        {hold + 3*time.Second, false},
		"behind the hold and the grace":       {hold + 6*time.Second, true},
		"behind a long time":                  {10 * time.Minute, true},
		"behind the hold, at an unknown time": {-time.Duration(start.UnixMilli()) * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.chunk(0, 0, 1, 25, a)
			s.chunk(time.Second, 1, 1, 50, b)
			s.chunk(hold-10*time.Second, 0, 2, 40, message{"c", "text", ""})
			s.left(0, 0, 1, 25, false, a)
			s.left(hold, 1, 1, 50, false, b)
			s.left(c.left, 0, 2, 40, true, message{"c", "text", ""})
			s.sync(schemas.SyncRunning, 3, 3)
			if c.late {
				s.expect(true)
			} else {
				s.expect(false, NotLate)
			}
		})
	}
}

// A chunk that waited in the spool repeats a message. The one that left first has it, in its words.
func TestWhatAChunkFromTheSpoolRepeatsMayComeFromEither(t *testing.T) {
	for spooled, ok := range map[bool]bool{true: true, false: false} {
		s := newScript(t)
		s.chunk(0, 1, 1, 100, a)
		s.chunk(30*time.Second, 0, 1, 100, message{"a", "text", "2"}, b)
		s.account(endedAt, "ACCOUNT_OFFBOARDED")
		if spooled {
			s.foreign(1, 35*time.Second)
		}
		s.left(endedAt+5*time.Second, 1, 1, 100, false, a)
		s.left(drainedAt, 0, 1, 100, true, b)
		s.sync(schemas.SyncOffboarded, 2, 2)
		if ok {
			s.expect(true)
		} else {
			s.expect(false)
		}
	}
}
