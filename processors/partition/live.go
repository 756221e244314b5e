package partition

import (
	"cmp"
	"encoding/json"
	"strconv"
	"time"

	"github.com/coexstream/coexstream/processors/people"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// live routes messages, echoes, statuses and errors of a change to `messages` and `echoes`, or to `media` if they
// are the media follow-up of an earlier placeholder. done is the number of processed items of the change. live
// returns false if the rest has to wait.
func (p *Partition) live(o *Origin, c *split.Change, n *number, done *int) bool {
	l := liveChange{o: o, c: c, n: n, origin: p.place(o, c.Entry, c.Index)}
	messages, echoes, statuses := len(c.Messages), len(c.Echoes), len(c.Statuses)
	for began, items := *done, itemsOf(c); *done < items; *done++ {
		if *done > began && p.pause() {
			return false
		}
		i := *done
		switch {
		case i < messages:
			p.item(&l, &c.Messages[i], l.ofEchoes())
		case i < messages+echoes:
			p.item(&l, &c.Echoes[i-messages], true)
		case i < messages+echoes+statuses:
			p.status(&l, &c.Statuses[i-messages-echoes])
		case i < messages+echoes+statuses+len(c.Handovers):
			p.handover(&l, &c.Handovers[i-messages-echoes-statuses])
		default:
			p.failure(&l)
		}
	}
	return true
}

// itemsOf returns the number of live items of a change. All its errors count as one.
func itemsOf(c *split.Change) int {
	n := len(c.Messages) + len(c.Echoes) + len(c.Statuses) + len(c.Handovers)
	if len(c.Errors) > 0 {
		n++
	}
	return n
}

// liveChange is the common part of the items of one change.
type liveChange struct {
	o      *Origin
	c      *split.Change
	n      *number
	origin []byte
}

func (l *liveChange) event(topic schemas.Topic, ceType string) event {
	return event{topic: topic, ceType: ceType, source: l.n.source, origin: l.origin, trace: l.o}
}

func (l *liveChange) message() schemas.Message {
	return schemas.Message{
		WABAID: l.n.id.WABAID, PhoneNumberID: l.n.id.PhoneNumberID, DisplayPhoneNumber: str(l.n.display(l.c, l.o.ReceivedAt)),
		Standby: l.standby(),
	}
}

// standby reports whether the items are copies of messages that another application answers.
func (l *liveChange) standby() bool { return string(l.c.Field) == fieldStandby }

// ofEchoes reports whether the field is that of echoes. Then its items are echoes, under any name of their array.
func (l *liveChange) ofEchoes() bool { return string(l.c.Field) == fieldEchoes }

// on sets the fields of a message event that describe the other side of its item.
func on(m *schemas.Message, s *people.Side) {
	m.Direction, m.Thread, m.GroupID = s.Direction, s.Thread, s.GroupID
	m.Contact, m.Profiles = s.Person(), json.RawMessage(s.Profiles)
}

// item emits a message or an echo, unless it was seen at its rank or a higher one.
func (p *Partition) item(l *liveChange, msg *split.Message, echo bool) {
	if p.pastMedia(l, msg, echo) {
		return
	}
	p.liveMessage(l, msg, p.people.Message(l.c, l.n.display(l.c, l.o.ReceivedAt), msg, echo), echo, false)
}

func (p *Partition) liveMessage(l *liveChange, msg *split.Message, side *people.Side, echo, historical bool) {
	e, kind := l.event(schemas.TopicMessages, schemas.TypeMessage), KindMessage
	if echo {
		e, kind = l.event(schemas.TopicEchoes, schemas.TypeEcho), KindEcho
	}
	key, rank := p.liveKey(l.c, l.n, msg), rankOf(msg)
	if !p.firstVersion(&e, l, key, msg, rank) {
		p.counts.Duplicates[kind]++
		return
	}
	m := l.message()
	fill(&m, msg)
	classify(&m, msg, rank)
	m.Historical = historical
	on(&m, side)
	e.time, e.subject = unix(msg.Timestamp), p.arena.copy(m.WAMID)
	p.put(&e, l.o, p.threadKey(&m, e.id), p.message(&m))
}

// firstVersion sets the id of a message's event, and reports whether the event leaves. One event of each rank
// leaves, but every different edit.
func (p *Partition) firstVersion(e *event, l *liveChange, key schemas.Hash, msg *split.Message, rank schemas.Rank) bool {
	o, message := l.o, l.n.known(schemas.MessageEventID(e.ceType, key, 0))
	if l.standby() {
		if p.left(o, o.ReceivedAt, message, rank) {
			// Every different edit leaves. So an earlier event of the message does not exclude this edit, unless the
			// message was revoked.
			was, _ := p.recent.Lookup(o.ReceivedAt, message)
			edit := l.n.known(schemas.MessageEventID(e.ceType, p.editKey(l.c, key, msg), rank))
			if rank != schemas.RankEdit || was > rank || p.left(o, o.ReceivedAt, edit, schemas.RankPlaceholder) {
				return false
			}
		}
		key = schemas.StandbyKey(key)
		message = l.n.known(schemas.MessageEventID(e.ceType, key, 0))
	}
	if rank != schemas.RankEdit {
		e.id = schemas.MessageEventID(e.ceType, key, rank)
		return p.first(o, o.ReceivedAt, e.id, message, rank)
	}
	e.id = schemas.MessageEventID(e.ceType, p.editKey(l.c, key, msg), rank)
	if o.Requeue.event() == "" && !p.raise(o.ReceivedAt, message, rank) {
		if was, _ := p.recent.Lookup(o.ReceivedAt, message); was > rank {
			return false // it was revoked
		}
	}
	return p.first(o, o.ReceivedAt, e.id, l.n.known(e.id), rank)
}

// left reports whether the original of a copy on standby has left already, at this rank or a higher one.
func (p *Partition) left(o *Origin, at time.Time, key schemas.Hash, rank schemas.Rank) bool {
	if o.Requeue.event() != "" {
		return false // it names the requested event
	}
	was, seen := p.recent.Lookup(at, key)
	return seen && was >= rank
}

// firstBytes sets the id of a status or an error, which all its bytes identify, and reports whether it leaves.
func (p *Partition) firstBytes(l *liveChange, id schemas.Hash) (schemas.Hash, bool) {
	if l.standby() {
		if p.left(l.o, l.o.ReceivedAt, l.n.known(id), schemas.RankConcrete) {
			return id, false
		}
		id = schemas.StandbyKey(id)
	}
	return id, p.first(l.o, l.o.ReceivedAt, id, l.n.known(id), schemas.RankConcrete)
}

// status emits a status. A message has several statuses, also out of order, and each is a separate event. Several
// can have the same second: of the participants of a group, of a payment, with different errors. So all bytes are
// part of their identity.
func (p *Partition) status(l *liveChange, msg *split.Message) {
	var b [20]byte
	at := strconv.AppendInt(b[:0], msg.Timestamp, 10)
	var id schemas.Hash
	id, p.scratch = schemas.HashParts(p.scratch, []byte(schemas.TypeStatus), bytesOf(l.n.id.PhoneNumberID), msg.ID, msg.Status, at, p.content(l.c, msg.Raw))
	id, first := p.firstBytes(l, id)
	if !first {
		p.counts.Duplicates[KindStatus]++
		return
	}
	e := l.event(schemas.TopicMessages, schemas.TypeStatus)
	m := l.message()
	fill(&m, msg)
	on(&m, p.people.Status(l.c, l.n.display(l.c, l.o.ReceivedAt), msg))
	m.Kind = schemas.KindStatus
	m.Status, m.To = str(msg.Status), cmp.Or(str(msg.RecipientID), str(msg.RecipientUserID))
	e.id, e.time, e.subject = id, unix(msg.Timestamp), p.arena.copy(m.WAMID)
	p.put(&e, l.o, p.threadKey(&m, e.id), p.message(&m))
}

// failure emits the errors beside, or instead of, the messages of a value, one event each.
func (p *Partition) failure(l *liveChange) {
	var errs []json.RawMessage
	switch {
	case l.c.Errors[0] == '{': // a single error without its array
		errs = []json.RawMessage{l.c.Errors}
	case json.Unmarshal(l.c.Errors, &errs) != nil:
		p.other(l.o, l.c) // text, or a number
		return
	}
	odd := false
	value := schemas.HashBytes(p.content(l.c, l.c.Value)).AppendHex(nil) // once for all: a long value may have many errors
	for i, failure := range errs {
		if len(failure) == 0 || failure[0] != '{' {
			odd = true
			continue
		}
		var id schemas.Hash
		id, p.scratch = schemas.HashParts(p.scratch, []byte(schemas.TypeError), bytesOf(l.n.id.PhoneNumberID), p.content(l.c, failure), value,
			strconv.AppendInt(nil, l.c.EntryTime, 10), strconv.AppendInt(nil, int64(i), 10))
		id, first := p.firstBytes(l, id)
		if !first {
			p.counts.Duplicates[KindMessage]++
			continue
		}
		e := l.event(schemas.TopicMessages, schemas.TypeError)
		m := l.message()
		on(&m, p.people.Named(l.c, l.n.display(l.c, l.o.ReceivedAt), recipientOf(failure)))
		m.Kind, m.Original = schemas.KindError, failure
		e.id, e.time = id, unix(l.c.EntryTime)
		p.put(&e, l.o, p.key(m.PhoneNumberID, cmp.Or(m.Thread, keyOfErrors)), p.message(&m))
	}
	if odd {
		p.other(l.o, l.c)
	}
}

// keyOfErrors is the second part of the key of an error without a recipient. It keeps those of a number in order.
const keyOfErrors = "errors"

// recipientOf returns the recipient that an error names, if any.
func recipientOf(failure json.RawMessage) people.Who {
	text := func(raw json.RawMessage) (id []byte) {
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return []byte(s)
		}
		var n json.Number
		if json.Unmarshal(raw, &n) == nil {
			return []byte(n)
		}
		return nil
	}
	var r struct {
		ID           json.RawMessage `json:"recipient_id"`
		UserID       json.RawMessage `json:"recipient_user_id"`
		ParentUserID json.RawMessage `json:"recipient_parent_user_id"`
	}
	if json.Unmarshal(failure, &r) != nil {
		return people.Who{}
	}
	return people.Who{ID: text(r.ID), UserID: text(r.UserID), ParentUserID: text(r.ParentUserID)}
}
