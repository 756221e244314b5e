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

// live routes messages, echoes, statuses and errors of a change: to `messages` and `echoes`, or to `media`
// where they are the media follow-up of an earlier placeholder. done counts the items of the change that are; it is false where the
// rest has to wait.
func (t *Partition) live(o *Origin, c *split.Change, n *number, done *int) bool {
	l := liveChange{o: o, c: c, n: n, origin: t.place(o, c.Entry, c.Index)}
	messages, echoes, statuses := len(c.Messages), len(c.Echoes), len(c.Statuses)
	for began, items := *done, itemsOf(c); *done < items; *done++ {
		if *done > began && t.pause() {
			return false
		}
		i := *done
		switch {
		case i < messages:
			t.item(&l, &c.Messages[i], l.ofEchoes())
		case i < messages+echoes:
			t.item(&l, &c.Echoes[i-messages], true)
		case i < messages+echoes+statuses:
			t.status(&l, &c.Statuses[i-messages-echoes])
		case i < messages+echoes+statuses+len(c.Handovers):
			t.handover(&l, &c.Handovers[i-messages-echoes-statuses])
		default:
			t.failure(&l)
		}
	}
	return true
}

// itemsOf is how many items of a change are live, with all of its errors as one.
func itemsOf(c *split.Change) int {
	n := len(c.Messages) + len(c.Echoes) + len(c.Statuses) + len(c.Handovers)
	if len(c.Errors) > 0 {
		n++
	}
	return n
}

// liveChange is what the items of one change share.
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

// standby tells whether the items are copies of what another application answers.
func (l *liveChange) standby() bool { return string(l.c.Field) == fieldStandby }

// ofEchoes tells whether the field is that of echoes: its items are echoes then, whatever their array is called.
func (l *liveChange) ofEchoes() bool { return string(l.c.Field) == fieldEchoes }

// on sets what an event has from the other side of its item.
func on(m *schemas.Message, s *people.Side) {
	m.Direction, m.Thread, m.GroupID = s.Direction, s.Thread, s.GroupID
	m.Contact, m.Profiles = s.Person(), json.RawMessage(s.Profiles)
}

// item emits a message or an echo, unless it was seen at its rank or a higher one.
func (t *Partition) item(l *liveChange, msg *split.Message, echo bool) {
	if t.pastMedia(l, msg, echo) {
		return
	}
	t.liveMessage(l, msg, t.people.Message(l.c, l.n.display(l.c, l.o.ReceivedAt), msg, echo), echo, false)
}

func (t *Partition) liveMessage(l *liveChange, msg *split.Message, side *people.Side, echo, historical bool) {
	e, kind := l.event(schemas.TopicMessages, schemas.TypeMessage), KindMessage
	if echo {
		e, kind = l.event(schemas.TopicEchoes, schemas.TypeEcho), KindEcho
	}
	key, rank := t.liveKey(l.c, l.n, msg), rankOf(msg)
	if !t.firstVersion(&e, l, key, msg, rank) {
		t.counts.Duplicates[kind]++
		return
	}
	m := l.message()
	fill(&m, msg)
	classify(&m, msg, rank)
	m.Historical = historical
	on(&m, side)
	e.time, e.subject = unix(msg.Timestamp), t.arena.copy(m.WAMID)
	t.put(&e, l.o, t.threadKey(&m, e.id), t.message(&m))
}

// firstVersion gives an event of a message its id and tells whether it is to leave. Of each rank one leaves, but of edits
// each.
func (t *Partition) firstVersion(e *event, l *liveChange, key schemas.Hash, msg *split.Message, rank schemas.Rank) bool {
	o, message := l.o, l.n.known(schemas.MessageEventID(e.ceType, key, 0))
	if l.standby() {
		if t.left(o, o.ReceivedAt, message, rank) {
			// Of edits each leaves, so that of the message says nothing of this one, unless it was revoked.
			was, _ := t.recent.Lookup(o.ReceivedAt, message)
			edit := l.n.known(schemas.MessageEventID(e.ceType, t.editKey(l.c, key, msg), rank))
			if rank != schemas.RankEdit || was > rank || t.left(o, o.ReceivedAt, edit, schemas.RankPlaceholder) {
				return false
			}
		}
		key = schemas.StandbyKey(key)
		message = l.n.known(schemas.MessageEventID(e.ceType, key, 0))
	}
	if rank != schemas.RankEdit {
		e.id = schemas.MessageEventID(e.ceType, key, rank)
		return t.first(o, o.ReceivedAt, e.id, message, rank)
	}
	e.id = schemas.MessageEventID(e.ceType, t.editKey(l.c, key, msg), rank)
	if o.Requeue.event() == "" && !t.raise(o.ReceivedAt, message, rank) {
		if was, _ := t.recent.Lookup(o.ReceivedAt, message); was > rank {
			return false // it was revoked
		}
	}
	return t.first(o, o.ReceivedAt, e.id, l.n.known(e.id), rank)
}

// left tells whether the real one of a copy on standby left already, at this rank or a higher one.
func (t *Partition) left(o *Origin, at time.Time, key schemas.Hash, rank schemas.Rank) bool {
	if o.Requeue.event() != "" {
		return false // it names what it wants
	}
	was, seen := t.recent.Lookup(at, key)
	return seen && was >= rank
}

// firstBytes tells whether a status or an error, which all its bytes identify, is to leave, and under which id.
func (t *Partition) firstBytes(l *liveChange, id schemas.Hash) (schemas.Hash, bool) {
	if l.standby() {
		if t.left(l.o, l.o.ReceivedAt, l.n.known(id), schemas.RankConcrete) {
			return id, false
		}
		id = schemas.StandbyKey(id)
	}
	return id, t.first(l.o, l.o.ReceivedAt, id, l.n.known(id), schemas.RankConcrete)
}

// status emits a status. One message has several, and they may run backwards: each is an event of its own. Several may be
// of one second: of the participants of a group, of a payment, with different errors. So all bytes tell two apart.
func (t *Partition) status(l *liveChange, msg *split.Message) {
	var b [20]byte
	at := strconv.AppendInt(b[:0], msg.Timestamp, 10)
	var id schemas.Hash
	id, t.scratch = schemas.HashParts(t.scratch, []byte(schemas.TypeStatus), bytesOf(l.n.id.PhoneNumberID), msg.ID, msg.Status, at, t.content(l.c, msg.Raw))
	id, first := t.firstBytes(l, id)
	if !first {
		t.counts.Duplicates[KindStatus]++
		return
	}
	e := l.event(schemas.TopicMessages, schemas.TypeStatus)
	m := l.message()
	fill(&m, msg)
	on(&m, t.people.Status(l.c, l.n.display(l.c, l.o.ReceivedAt), msg))
	m.Kind = schemas.KindStatus
	m.Status, m.To = str(msg.Status), cmp.Or(str(msg.RecipientID), str(msg.RecipientUserID))
	e.id, e.time, e.subject = id, unix(msg.Timestamp), t.arena.copy(m.WAMID)
	t.put(&e, l.o, t.threadKey(&m, e.id), t.message(&m))
}

// failure emits the errors that a value has beside, or instead of, its messages: one event each.
func (t *Partition) failure(l *liveChange) {
	var errs []json.RawMessage
	switch {
	case l.c.Errors[0] == '{': // one without its array
		errs = []json.RawMessage{l.c.Errors}
	case json.Unmarshal(l.c.Errors, &errs) != nil:
		t.other(l.o, l.c) // text, or a number
		return
	}
	odd := false
	value := schemas.HashBytes(t.content(l.c, l.c.Value)).AppendHex(nil) // once for all: there may be many errors in a long value
	for i, failure := range errs {
		if len(failure) == 0 || failure[0] != '{' {
			odd = true
			continue
		}
		var id schemas.Hash
		id, t.scratch = schemas.HashParts(t.scratch, []byte(schemas.TypeError), bytesOf(l.n.id.PhoneNumberID), t.content(l.c, failure), value,
			strconv.AppendInt(nil, l.c.EntryTime, 10), strconv.AppendInt(nil, int64(i), 10))
		id, first := t.firstBytes(l, id)
		if !first {
			t.counts.Duplicates[KindMessage]++
			continue
		}
		e := l.event(schemas.TopicMessages, schemas.TypeError)
		m := l.message()
		on(&m, t.people.Named(l.c, l.n.display(l.c, l.o.ReceivedAt), recipientOf(failure)))
		m.Kind, m.Original = schemas.KindError, failure
		e.id, e.time = id, unix(l.c.EntryTime)
		t.put(&e, l.o, t.key(m.PhoneNumberID, cmp.Or(m.Thread, keyOfErrors)), t.message(&m))
	}
	if odd {
		t.other(l.o, l.c)
	}
}

// keyOfErrors is the second part of the key of an error that names nobody: those of a number stay in order.
const keyOfErrors = "errors"

// recipientOf is whom an error says that it is about, if it does.
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
