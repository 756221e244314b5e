package partition

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/coexstream/coexstream/processors/account"
	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// accountEvent is what an account event becomes. It is also how one without a time waits in `state`, see undated.
type accountEvent struct {
	Number     string       `json:"n,omitempty"` // see phoneKey
	Content    schemas.Hash `json:"c"`
	ReceivedMS int64        `json:"r"`
	NamedMS    int64        `json:"nm,omitempty"` // as Origin.named has it
	Received   string       `json:"rt,omitempty"` // as Origin has it
	ID         schemas.Hash `json:"id"`
	Key        string       `json:"k"`
	CESource   string       `json:"cs"`
	Origin     string       `json:"o"`
	Source     string       `json:"s,omitempty"`
	Traces     [2]string    `json:"tr"` // traceparent and tracestate
	Replay     string       `json:"rp,omitempty"`
	WABA       string       `json:"wa"`
	Event      string       `json:"e"` // value.event
	Phone      string       `json:"p,omitempty"`
	Value      []byte       `json:"v"` // of the event

	time time.Time // zero where it waits
}

func (e *accountEvent) closes() bool { return account.KindOf([]byte(e.Event)) == account.Closes }

// account emits an account event, unless it left before.
func (t *Partition) account(o *Origin, c *split.Change, name []byte) {
	var content schemas.Hash
	content, t.scratch = account.EventID(t.scratch, c)
	place := t.place(o, c.Entry, c.Index)
	id, undated := content, c.EntryTime == 0
	if undated { // its place in the raw log is what tells it from one that says the same
		id, t.scratch = schemas.HashParts(t.scratch, content.AppendHex(nil), strconv.AppendInt(nil, o.ReceivedAt.UnixMilli(), 10), place)
	}
	if again := o.Requeue.event() != ""; (again || !undated) && !t.first(o, o.ReceivedAt, id, id, schemas.RankConcrete) {
		t.counts.Duplicates[KindAccount]++
		return
	}
	v := schemas.Account{
		WABAID: string(c.WABA), PhoneNumber: string(c.PhoneNumber), PhoneNumberID: t.numberConcerned(c), Event: string(name),
		Time: c.EntryTime, Original: json.RawMessage(c.Value),
	}
	if string(c.EntryID) != v.WABAID {
		v.EntryID = string(c.EntryID)
	}
	phone, said := phoneKey(v.PhoneNumber), content
	if undated && phone != v.PhoneNumber {
		said, t.scratch = account.Said(t.scratch, c, phone)
	}
	e := &accountEvent{
		Number: phone, Content: said, ReceivedMS: o.ReceivedAt.UnixMilli(), NamedMS: millisOf(o.named()), Received: string(o.Received), ID: id,
		Key: string(businessOf(c)), CESource: string(t.source(c)), Origin: string(place), Source: string(o.Source),
		Traces: [2]string{string(o.TraceParent), string(o.TraceState)}, WABA: v.WABAID, Event: v.Event, Phone: v.PhoneNumber,
		Value: t.value(&v, len(c.Value)), time: unix(c.EntryTime),
	}
	if o.Replay != nil {
		e.Replay = string(o.Replay.ID)
	}
	waits := func() *accountEvent { // what waits outlives the transaction's memory
		w := *e
		if len(w.Value) <= undatedValueMax {
			w.Value = bytes.Clone(w.Value)
		}
		return &w
	}
	if undated && o.Requeue.event() == "" && !t.undated.arrives(v.WABAID, waits(), t.activeOf(v.WABAID, e.Number)) {
		t.counts.Duplicates[KindAccount]++
		return
	}
	if len(e.Value) > t.cfg.EventBytesMax {
		t.eventTooLong(o, id, longerThanEvents)
	} else {
		t.emitAccount(e)
	}
	t.parted(e)
	t.undated.turns(v.WABAID, turn{ms: e.ReceivedMS, number: e.Number, event: e}, t.leaveAccount)
}

// leaveAccount emits a repetition that turned out to be an event of its own.
func (t *Partition) leaveAccount(e *accountEvent) {
	t.emitAccount(e)
	t.parted(e)
}

func (t *Partition) emitAccount(a *accountEvent) {
	trace := &Origin{ReceivedAt: time.UnixMilli(a.ReceivedMS), Received: []byte(a.Received), Source: []byte(a.Source),
		TraceParent: []byte(a.Traces[0]), TraceState: []byte(a.Traces[1])}
	if a.Received == "" {
		trace.Received = nil
	}
	if a.Replay != "" {
		trace.Replay = &Replay{ID: []byte(a.Replay)}
	}
	e := event{topic: schemas.TopicAccount, ceType: schemas.TypeAccount, id: a.ID, source: []byte(a.CESource), time: a.time,
		origin: []byte(a.Origin), trace: trace}
	t.emit(&e, []byte(a.Key), a.Value)
}

// parted tells the numbers of the WABA, those that are known and those that will be, that an account event parts two onboardings.
func (t *Partition) parted(e *accountEvent) {
	kind := account.KindOf([]byte(e.Event))
	if kind == account.Neither {
		return
	}
	parts := history.Boundary{Opens: kind == account.Opens, Time: e.time, ReceivedAt: time.UnixMilli(e.ReceivedMS)}
	t.pendingBoundaries.add(e.WABA, pendingBoundary{e.Phone, parts})
	if b := t.businesses[e.WABA]; b != nil {
		t.announce(b, freshEvent{phone: e.Number, parts: parts, begins: kind != account.Closes, named: timeOfMillis(e.NamedMS), replay: e.Replay})
	}
}

// connected notes that something shows a number connected: a chunk of its history, a message, an echo, a contact.
func (t *Partition) connected(o *Origin, n *number) {
	at := turn{ms: o.ReceivedAt.UnixMilli(), number: n.phone, between: !bytes.HasPrefix(o.Label, liveLane)}
	active := at.ms
	if !at.between {
		active-- // at one millisecond it was before an event that is processed later
	}
	n.active = max(n.active, active)
	if len(t.undated.of) > 0 {
		t.undated.turns(n.id.WABAID, at, t.leaveAccount)
	}
}

// activeOf is when something last showed one of the numbers connected that an account event concerns; 0: it is not known.
func (t *Partition) activeOf(waba, phone string) (ms int64) {
	b := t.businesses[waba]
	if b == nil {
		return 0
	}
	for _, n := range b.numbers {
		if phone == "" || n.phone == "" || n.phone == phone {
			ms = max(ms, n.active)
		}
	}
	return ms
}

// numberConcerned is the phone_number_id of the number that an account event is about: that in the metadata, else that of
// the number of the WABA which value.phone_number spells. It is empty where that is not known. A number counts as known
// when a webhook of the live lane named it: whether one of the other lane did by then depends on when each is read, and a
// replay would tell otherwise.
func (t *Partition) numberConcerned(c *split.Change) string {
	if len(c.PhoneNumberID) > 0 {
		return string(c.PhoneNumberID)
	}
	if len(c.WABA) == 0 {
		return ""
	}
	b := t.businesses[str(c.WABA)] // of a replay with a state of its own: the numbers that it has seen by then
	digits, ok := identity.Canonical(c.PhoneNumber)
	if b == nil || !ok {
		return ""
	}
	var id string
	for _, n := range b.byPhone[digits] {
		if n.live && identity.IsPhone(bytesOf(n.id.DisplayPhoneNumber)) && (id == "" || n.id.PhoneNumberID < id) {
			id = n.id.PhoneNumberID
		}
	}
	return id
}
