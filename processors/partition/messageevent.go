package partition

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/coexstream/coexstream/processors/people"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// Here a message becomes an event: a live message or an echo (liveMessage), and one of the past (pastMessage). The media
// of a past message is in mediafollowup.go.

// liveMessage emits the event of a live message or an echo, unless it left before.
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

// pastChunk is the common part of the events of one chunk of history.
type pastChunk struct {
	o *Origin
	n *number
	e event
	m schemas.Message

	key       []byte // of the previous event of the thread; nil: there is none
	keyThread string // of that event
}

// pastMessage emits the event of a message in a chunk. Its id is set in l.e. key identifies the message.
func (p *Partition) pastMessage(l *pastChunk, msg *split.Message, key schemas.Hash, rank schemas.Rank) {
	e, m := &l.e, &l.m
	fill(m, msg)
	on(m, p.people.Past(msg))
	classify(m, msg, rank)
	m.Status = upper(msg.Status)
	ofMedia := rank == schemas.RankPlaceholder && string(msg.Type) == "media_placeholder"
	if ofMedia {
		m.WAMIDToken = p.wamidToken(msg.ID)
	}
	if l.key == nil || m.Thread == "" || m.Thread != l.keyThread {
		l.key, l.keyThread = p.threadKey(m, e.id), m.Thread
	}
	e.time = unix(msg.Timestamp)
	e.subject = p.arena.copy(m.WAMID)
	p.put(e, l.o, l.key, p.message(m))
	if ofMedia {
		p.placeholder(l.n, key, m, l.o.ReceivedAt)
	}
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

func (l *liveChange) message() schemas.Message {
	return schemas.Message{
		WABAID: l.n.id.WABAID, PhoneNumberID: l.n.id.PhoneNumberID, DisplayPhoneNumber: str(l.n.display(l.c, l.o.ReceivedAt)),
		Standby: l.standby(),
	}
}

// on sets the fields of a message event that describe the other side of its item.
func on(m *schemas.Message, s *people.Side) {
	m.Direction, m.Thread, m.GroupID = s.Direction, s.Thread, s.GroupID
	m.Contact, m.Profiles = s.Person(), json.RawMessage(s.Profiles)
}

// message encodes the hot case without an interface, which would move the event to the heap.
func (p *Partition) message(m *schemas.Message) []byte {
	return p.arena.done(m.AppendJSON(p.arena.room(len(m.Original) + len(m.Profiles) + eventOverheadBytes)))
}

// threadKey returns the key of an event of a chat. A message without any known party has a key of its own. A key
// that all such messages of a number shared would mix the chats of strangers.
func (p *Partition) threadKey(m *schemas.Message, id schemas.Hash) []byte {
	switch {
	case m.Thread != "":
		return p.key(m.PhoneNumberID, m.Thread)
	case m.WAMID != "":
		return p.key(m.PhoneNumberID, m.WAMID)
	}
	return p.key(m.PhoneNumberID, id.Hex())
}

// fill sets the fields of a message event that come from the message itself. The strings are views of the body, and
// are encoded while the body is valid.
func fill(m *schemas.Message, msg *split.Message) {
	m.WAMID, m.OriginalWAMID, m.WAMIDToken = str(msg.ID), str(msg.OriginalID), ""
	m.From, m.To = str(msg.From), str(msg.To)
	if m.From == "" {
		m.From = str(msg.FromUserID)
	}
	if m.To == "" {
		m.To = str(msg.ToUserID)
	}
	m.Timestamp, m.Type, m.Status = msg.Timestamp, str(msg.Type), ""
	m.Original = json.RawMessage(msg.Raw)
}

// upper returns a history status in upper case, as documented. Lower case was seen.
func upper(status []byte) string {
	for _, c := range status {
		if 'a' <= c && c <= 'z' {
			return string(bytes.ToUpper(status))
		}
	}
	return str(status)
}

// ranks is never written: events point into it.
var ranks = [...]schemas.Rank{schemas.RankPlaceholder, schemas.RankConcrete, schemas.RankEdit, schemas.RankRevoke}

// classify sets the rank of a message's event and the fields that explain it.
func classify(m *schemas.Message, msg *split.Message, rank schemas.Rank) {
	m.Rank = &ranks[rank]
	if rank == schemas.RankPlaceholder {
		m.Kind = schemas.KindPlaceholder
		return
	}
	switch string(msg.Type) {
	case "reaction":
		m.Kind = schemas.KindReaction
	case "edit":
		m.Kind = schemas.KindEdit
	case "revoke":
		m.Kind = schemas.KindRevoke
	case "system":
		m.Kind = schemas.KindSystem
	default:
		m.Kind = schemas.KindMessage
	}
}
