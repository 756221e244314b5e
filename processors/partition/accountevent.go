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

// accountEvent is the event of an account webhook. One without a time waits in this form in `state`, see undated.
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

	time time.Time // zero while it waits
}

func (e *accountEvent) closes() bool { return account.KindOf([]byte(e.Event)) == account.Closes }

// account emits an account event, unless it left before.
func (p *Partition) account(o *Origin, c *split.Change, name []byte) {
	var content schemas.Hash
	content, p.scratch = account.EventID(p.scratch, c)
	place := p.place(o, c.Entry, c.Index)
	id, undated := content, c.EntryTime == 0
	if undated { // only its place in the raw log distinguishes it from another one with the same content
		id, p.scratch = schemas.HashParts(p.scratch, content.AppendHex(nil), strconv.AppendInt(nil, o.ReceivedAt.UnixMilli(), 10), place)
	}
	if again := o.Requeue.event() != ""; (again || !undated) && !p.first(o, o.ReceivedAt, id, id, schemas.RankConcrete) {
		p.counts.Duplicates[KindAccount]++
		return
	}
	v := schemas.Account{
		WABAID: string(c.WABA), PhoneNumber: string(c.PhoneNumber), PhoneNumberID: p.numberConcerned(c), Event: string(name),
		Time: c.EntryTime, Original: json.RawMessage(c.Value),
	}
	if string(c.EntryID) != v.WABAID {
		v.EntryID = string(c.EntryID)
	}
	phone, said := phoneKey(v.PhoneNumber), content
	if undated && phone != v.PhoneNumber {
		said, p.scratch = account.Said(p.scratch, c, phone)
	}
	e := &accountEvent{
		Number: phone, Content: said, ReceivedMS: o.ReceivedAt.UnixMilli(), NamedMS: millisOf(o.named()), Received: string(o.Received), ID: id,
		Key: string(businessOf(c)), CESource: string(p.source(c)), Origin: string(place), Source: string(o.Source),
		Traces: [2]string{string(o.TraceParent), string(o.TraceState)}, WABA: v.WABAID, Event: v.Event, Phone: v.PhoneNumber,
		Value: p.value(&v, len(c.Value)), time: unix(c.EntryTime),
	}
	if o.Replay != nil {
		e.Replay = string(o.Replay.ID)
	}
	waits := func() *accountEvent { // a waiting event outlives the transaction's memory
		w := *e
		if len(w.Value) <= undatedValueMax {
			w.Value = bytes.Clone(w.Value)
		}
		return &w
	}
	if undated && o.Requeue.event() == "" && !p.undated.arrives(v.WABAID, waits(), p.activeOf(v.WABAID, e.Number)) {
		p.counts.Duplicates[KindAccount]++
		return
	}
	if len(e.Value) > p.cfg.EventBytesMax {
		p.eventTooLong(o, id, longerThanEvents)
	} else {
		p.emitAccount(e)
	}
	p.addBoundary(e)
	p.undated.turns(v.WABAID, turn{ms: e.ReceivedMS, number: e.Number, event: e}, p.leaveAccount)
}

// leaveAccount emits a repetition that proved to be a separate event.
func (p *Partition) leaveAccount(e *accountEvent) {
	p.emitAccount(e)
	p.addBoundary(e)
}

func (p *Partition) emitAccount(a *accountEvent) {
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
	p.emit(&e, []byte(a.Key), a.Value)
}

// addBoundary records an account event that separates two onboardings, for the known numbers of the WABA and for later
// ones.
func (p *Partition) addBoundary(e *accountEvent) {
	kind := account.KindOf([]byte(e.Event))
	if kind == account.Neither {
		return
	}
	parts := history.Boundary{Opens: kind == account.Opens, Time: e.time, ReceivedAt: time.UnixMilli(e.ReceivedMS)}
	if b := p.businesses[e.WABA]; b != nil {
		parts.Seq = p.addFreshEvent(b, freshEvent{phone: e.Number, parts: parts, begins: kind != account.Closes, named: timeOfMillis(e.NamedMS), replay: e.Replay})
	}
	p.pendingBoundaries.add(e.WABA, pendingBoundary{e.Phone, parts})
}

// connected notes a sign that a number is connected: a chunk of its history, a message, an echo, a contact.
func (p *Partition) connected(o *Origin, n *number) {
	at := turn{ms: o.ReceivedAt.UnixMilli(), number: n.phone, between: !bytes.HasPrefix(o.Label, liveLane)}
	active := at.ms
	if !at.between {
		active-- // of the same millisecond: it counts as earlier than an event that is processed later
	}
	n.active = max(n.active, active)
	if len(p.undated.of) > 0 {
		p.undated.turns(n.id.WABAID, at, p.leaveAccount)
	}
}

// activeOf returns the last time at which one of the numbers of an account event was seen connected; 0: not known.
func (p *Partition) activeOf(waba, phone string) (ms int64) {
	b := p.businesses[waba]
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

// numberConcerned returns the phone_number_id of an account event: the one in the metadata, or that of the WABA's
// number with value.phone_number. It is empty if that is not known. A number counts as known once a webhook of
// raw.live named it. For other topics, that would depend on when each is read, and a replay would differ.
func (p *Partition) numberConcerned(c *split.Change) string {
	if len(c.PhoneNumberID) > 0 {
		return string(c.PhoneNumberID)
	}
	if len(c.WABA) == 0 {
		return ""
	}
	b := p.businesses[str(c.WABA)] // for a replay with its own state: the numbers that it has seen so far
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
