package judge

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// script is a sync of one number, written by hand: each chunk with its place, its messages and its time of arrival. A
// message's text is its wamid and its version.
type script struct {
	t      *testing.T
	s      scene
	bodies int
}

const (
	handWABA   = "100000000000001"
	handNumber = "200000000000001"
)

func newScript(t *testing.T) *script {
	return &script{t: t, s: scene{lines: []truth.Line{
		{Head: &truth.Head{Version: truth.Version}},
		{Number: &truth.Number{WABA: handWABA, PhoneNumberID: handNumber, Display: "15550000001"}},
	}}}
}

// message is one message of a chunk: its wamid, its rank and its text.
type message struct {
	wamid, typ, text string
}

func (m message) original() []byte { return []byte(`{"id":"` + m.wamid + m.text + `"}`) }

func (s *script) chunk(at time.Duration, phase, order, progress int32, ms ...message) {
	body := fmt.Appendf(nil, "%d/%d/%d/%v", phase, order, s.bodies, ms)
	p := truth.Part{Kind: truth.KindChunk, Window: 1, Phase: &phase, Order: &order, Progress: &progress, People: []truth.Person{{User: "t"}}, Digest: truth.Sum(body)}
	for _, m := range ms {
		p.Items = append(p.Items, truth.Item{
			WAMID: m.wamid, Rank: rankOf(m.typ), Timestamp: 1, Direction: truth.In, Type: m.typ, Status: "READ", Digest: truth.Sum(m.original()),
		})
	}
	s.s.lines = append(s.s.lines,
		truth.Line{Body: &truth.Body{Index: s.bodies, Hash: truth.Sum(body), Length: len(body), Parts: []truth.Part{p}}},
		truth.Line{Sent: &truth.Sent{Body: s.bodies, Acked: true}})
	s.s.raw = append(s.s.raw, Record{Topic: schemas.TopicRawBulk, Offset: int64(s.bodies), Value: body, Headers: []Header{
		{schemas.HeaderSource, []byte("s")}, {schemas.HeaderProvider, []byte("meta")}, {schemas.HeaderRequestID, []byte("r")},
		{schemas.HeaderReceivedAt, strconv.AppendInt(nil, start.Add(at).UnixMilli(), 10)},
	}})
	s.bodies++
}

func (s *script) event(phase, order, progress int32, late bool, m message) {
	rank := rankOf(m.typ)
	v := schemas.Message{
		Kind: kindOfMessage(m.typ, rank), Rank: &rank, Contact: &schemas.Contact{UserID: "t"}, WABAID: handWABA, PhoneNumberID: handNumber, DisplayPhoneNumber: "15550000001", WAMID: m.wamid, Thread: "t", Direction: "inbound",
		Timestamp: 1, Type: m.typ, Status: "READ", Historical: true, Original: m.original(),
		Sync: &schemas.SyncPosition{Window: 1, Phase: &phase, ChunkOrder: &order, Progress: &progress, Late: late},
	}
	s.s.events = append(s.s.events, Record{
		Topic: schemas.TopicHistory, Offset: int64(len(s.s.events)), Key: []byte(handNumber + "/t"), Value: v.AppendJSON(nil),
		Headers: ce(schemas.TypeHistory, fmt.Sprint(m.wamid, rankOf(m.typ))),
	})
}

func (s *script) sync(state string, chunks, messages int64) {
	v := schemas.Sync{
		WABAID: handWABA, PhoneNumberID: handNumber, DisplayPhoneNumber: "15550000001", Window: 1, State: state, Chunks: chunks, Messages: messages,
	}
	s.s.events = append(s.s.events, Record{
		Topic: schemas.TopicSyncs, Key: []byte(handNumber), Value: v.AppendJSON(nil), Headers: ce(schemas.TypeSync, fmt.Sprint(len(s.s.events))),
	})
}

func (s *script) expect(ok bool, faults ...Fault) {
	s.t.Helper()
	opt := options()
	opt.Partitions = 0
	v := judgement(s.t, &s.s, opt)
	if v.OK() != ok {
		s.t.Fatal(show(v))
	}
	for _, f := range faults {
		if v.Count(f) == 0 {
			s.t.Fatalf("no %s:\n%s", f, show(v))
		}
	}
}

var a, b, c = message{"a", "text", ""}, message{"b", "text", ""}, message{"c", "text", ""}

// A chunk arrives after its place was given up, with a message that a later chunk had already. Either event is right,
// in the same words or in others.
func TestWhatALateChunkRepeatsMayComeFromEither(t *testing.T) {
	for _, text := range []string{"", "2"} {
		s := newScript(t)
		s.chunk(0, 0, 2, 50, a, b)
		s.chunk(time.Hour, 0, 1, 25, message{"a", "text", text}, c)
		s.event(0, 2, 50, false, a)
		s.event(0, 2, 50, false, b)
		s.event(0, 1, 25, true, c)
		s.sync(schemas.SyncRunning, 2, 3)
		s.expect(true)
	}
}

// The same without the hour is a fault: the first chunk's telling counts.
func TestWhatAnEarlyChunkTellsCounts(t *testing.T) {
	s := newScript(t)
	s.chunk(0, 0, 2, 50, a, b)
	s.chunk(time.Minute, 0, 1, 25, message{"a", "text", "2"}, c)
	s.event(0, 2, 50, false, a)
	s.event(0, 2, 50, false, b)
	s.event(0, 1, 25, false, c)
	s.sync(schemas.SyncRunning, 2, 3)
	s.expect(false, WrongContent, OutOfOrder)
}

// A late chunk raises a placeholder: both versions leave, the higher one has to.
func TestALateChunkRaisesAPlaceholder(t *testing.T) {
	held := message{"a", "media_placeholder", ""}
	s := newScript(t)
	s.chunk(0, 0, 2, 50, held)
	s.chunk(time.Hour, 0, 1, 25, a)
	s.event(0, 2, 50, false, held)
	s.event(0, 1, 25, true, a)
	s.sync(schemas.SyncRunning, 2, 2)
	s.expect(true)
	s.s.events = s.s.events[:1]
	s.sync(schemas.SyncRunning, 2, 1)
	s.expect(false, Lost)
}

// A phase may be taken for finished when nothing of it came for the phase hold while a later one waited.
func TestTheEndOfAPhaseMayBeTakenForReachedAfterTheHold(t *testing.T) {
	for at, late := range map[time.Duration]bool{time.Minute: false, 3 * time.Minute: true} {
		s := newScript(t)
		s.chunk(0, 0, 1, 25, a)
		s.chunk(time.Second, 1, 1, 50, b)
		s.chunk(at, 0, 2, 40, c)
		s.event(0, 1, 25, false, a)
		s.event(1, 1, 50, false, b)
		s.event(0, 2, 40, true, c)
		s.sync(schemas.SyncRunning, 3, 3)
		if late {
			s.expect(true)
		} else {
			s.expect(false, NotLate)
		}
	}
}

// TestAWaitMayBeOverWhenAChunkIsReadLate: a chunk was received in time. It may be marked late if the processor's time had
// passed when it was in the log: by a record of any business that stands before it and was received later, or by the clock,
// which stays behind by the contract's grace. Otherwise the mark is a fault.
func TestAWaitMayBeOverWhenAChunkIsReadLate(t *testing.T) {
	const inTime, over = 2*time.Minute - 3*time.Second, 2*time.Minute + time.Second + time.Second/2 // the hold ends at 2:01
	for name, c := range map[string]struct {
		overtaken time.Duration // a foreign record before it was received then; 0: none
		of        int32         // its partition
		acked     time.Duration // when it was acknowledged
		split     bool          // it came through the partition of another WABA
		late      bool
	}{
		"at once":                                 {acked: inTime},
		"overtaken by a record within the hold":   {acked: inTime, overtaken: inTime + time.Second},
		"overtaken by a record behind the hold":   {acked: inTime, overtaken: over, late: true},
		"overtaken by one of another partition":   {acked: inTime, overtaken: over, of: 1},
		"acknowledged within the grace":           {acked: over + 4*time.Second},
		"acknowledged when the hold was over":     {acked: over + 5*time.Second, late: true},
		"acknowledged within the grace, in doubt": {acked: over + 4*time.Second, overtaken: over, late: true},
		"through the partition of another WABA":   {acked: inTime, split: true, late: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.chunk(0, 0, 1, 25, a)
			s.chunk(time.Second, 1, 1, 50, b)
			if c.overtaken > 0 {
				s.s.raw = append(s.s.raw, Record{Topic: schemas.TopicRawBulk, Partition: c.of, Offset: 100, Value: []byte("of another run"), Headers: []Header{
					{schemas.HeaderReceivedAt, strconv.AppendInt(nil, start.Add(c.overtaken).UnixMilli(), 10)},
				}})
			}
			s.chunk(inTime, 0, 2, 40, message{"c", "text", ""})
			s.s.raw[len(s.s.raw)-1].Offset = 101
			s.s.lines[len(s.s.lines)-1].Sent.LastMS = start.Add(c.acked).UnixMilli()
			s.s.lines[len(s.s.lines)-2].Body.Parts[0].Split = c.split
			s.event(0, 1, 25, false, a)
			s.event(1, 1, 50, false, b)
			s.event(0, 2, 40, true, message{"c", "text", ""})
			s.sync(schemas.SyncRunning, 3, 3)
			if c.late {
				s.expect(true)
			} else {
				s.expect(false, NotLate)
			}
		})
	}
}

// A chunk may count as the continuation of the phase before, as far as that was known then, if no chunk between them
// came for the phase hold.
func TestAChunkMayGoOnFromThePhaseBefore(t *testing.T) {
	for at, late := range map[time.Duration]bool{2 * time.Minute: false, 4 * time.Minute: true} {
		s := newScript(t)
		s.chunk(0, 2, 2, 97, b)
		s.chunk(time.Minute, 0, 1, 100, a)
		s.chunk(at, 2, 1, 44, c)
		s.chunk(5*time.Minute, 1, 4, 100, message{"d", "text", ""})
		s.event(0, 1, 100, false, a)
		s.event(2, 2, 97, false, b)
		s.event(2, 1, 44, true, c)
		s.event(1, 4, 100, true, message{"d", "text", ""})
		s.sync(schemas.SyncRunning, 4, 4)
		if late {
			s.expect(true)
		} else {
			s.expect(false, NotLate)
		}
	}
}

// Chunks without chunk_order leave as they came.
func TestWithoutAnOrderArrivalIsTheOrder(t *testing.T) {
	s := newScript(t)
	s.chunk(0, 0, 1, 25, b)
	s.chunk(time.Second, 0, 1, 50, a)
	for i := range s.s.lines {
		if bl := s.s.lines[i].Body; bl != nil {
			bl.Parts[0].Order = nil
		}
	}
	s.event(0, 1, 25, false, b)
	s.event(0, 1, 50, false, a)
	s.sync(schemas.SyncRunning, 2, 2)
	s.expect(false, WrongContent) // chunk_order appears although nobody sent it
}

// A chunk that never came holds back the chunks behind it while its wait lasts. They are not owed yet.
func TestBehindAHoleNothingIsOwedYet(t *testing.T) {
	s := newScript(t)
	s.chunk(59*time.Minute, 0, 1, 25, a)
	s.chunk(59*time.Minute, 0, 2, 30, b)
	s.chunk(59*time.Minute, 0, 3, 40, c)
	s.s.raw = append(s.s.raw[:1:1], s.s.raw[2])
	s.s.lines[5].Sent.Acked = false
	s.event(0, 1, 25, false, a)
	s.sync(schemas.SyncRunning, 1, 1)
	s.expect(true)

	gone := newScript(t) // the same, but it came long ago
	gone.chunk(0, 0, 1, 25, a)
	gone.chunk(0, 0, 2, 30, b)
	gone.chunk(0, 0, 3, 40, c)
	gone.s.raw = append(gone.s.raw[:1:1], gone.s.raw[2])
	gone.s.lines[5].Sent.Acked = false
	gone.event(0, 1, 25, false, a)
	gone.sync(schemas.SyncRunning, 1, 1)
	gone.expect(false, Lost)
}
