package partition

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/processors/media"
	"github.com/coexstream/coexstream/processors/people"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// mediaFollowUp is a message or echo that is, or may be, the media follow-up of a past message. In this form it
// waits in `state` for its placeholder. Zero values are left out: readers of all versions take them as zero.
type mediaFollowUp struct {
	Key schemas.Hash
	// Doubtful marks an echo that only looks like a follow-up: without a placeholder it is an echo.
	Doubtful   bool `json:",omitzero"`
	Echo       bool `json:",omitzero"` // from message_echoes[]
	Message    split.Message
	Side       *people.Side `json:",omitempty"` // nil in records of earlier versions
	Profiles   []byte       `json:",omitzero"`  // of the Side
	Display    []byte       `json:",omitempty"` // the business's number as in the webhook
	Origin     []byte
	Source     []byte `json:",omitempty"`
	ReceivedAt time.Time
	Standby    bool   `json:",omitempty"`
	Replay     []byte `json:",omitempty"`
	Event      string `json:",omitempty"` // the requested event of a requeue; empty: all. See Requeue
}

func (p *Partition) emitWaiting(n *number, waited []media.FollowUp) {
	for _, w := range waited {
		p.emitMediaFollowUp(n, mediaFollowUpOf(w))
	}
}

func mediaFollowUpOf(w media.FollowUp) *mediaFollowUp {
	a := &mediaFollowUp{}
	if err := json.Unmarshal(w.Value, a); err != nil {
		panic(fmt.Sprintf("follow-up that this partition encoded: %v", err)) // RestoreState has checked those of other versions
	}
	return a
}

// pastMedia processes a message or echo that is, or may be, the media follow-up of a past message.
func (p *Partition) pastMedia(l *liveChange, msg *split.Message, echo bool) bool {
	var known bool
	if p.hasPlaceholders(l.n) {
		_, known = p.placeholderOf(l.n, p.messageKey(l.c, l.n.id.PhoneNumberID, msg), msg)
	}
	opened, running := l.n.history.Running()
	item := media.Item{
		Field: l.c.Field, Echo: echo, Type: msg.Type, Timestamp: msg.Timestamp, PlaceholderKnown: known,
		Awaiting: l.n.history.Awaiting(), ReceivedAt: l.o.ReceivedAt,
	}
	if running {
		item.WindowOpenedAt = opened
	}
	route := media.RouteOf(item)
	if route == media.Live {
		return false
	}
	side := *p.people.Message(l.c, l.n.display(l.c, l.o.ReceivedAt), msg, echo)
	key := p.messageKey(l.c, l.n.id.PhoneNumberID, msg)
	a := &mediaFollowUp{
		Key: key, Doubtful: route == media.Doubtful, Echo: echo, Message: *msg, Side: &side, Profiles: side.Profiles,
		Display: l.c.DisplayPhoneNumber, Origin: l.origin, Source: l.o.Source, ReceivedAt: l.o.ReceivedAt.UTC(), Standby: l.standby(),
	}
	if l.o.Replay != nil {
		a.Replay = l.o.Replay.ID
	}
	if l.o.Requeue != nil {
		a.Event = l.o.Requeue.Event
	}
	// Its chunk can still come, also with a sync that has not begun or begins again.
	if !known {
		value, err := json.Marshal(a)
		if err != nil {
			panic(fmt.Sprintf("marshal of numbers and bytes: %v", err))
		}
		if l.n.media.Wait(l.o.ReceivedAt, p.joinKey(l.n, key, msg.ID), value) {
			return true
		}
	}
	p.emitMediaFollowUp(l.n, a)
	return true
}

// emitMediaFollowUp emits a follow-up as past media, with the fields of its placeholder if that is known. An echo
// that only looked like one is emitted as an echo, marked historical.
func (p *Partition) emitMediaFollowUp(n *number, a *mediaFollowUp) {
	msg := &a.Message
	place, joined := p.placeholderOf(n, a.Key, msg)
	o := &Origin{ReceivedAt: a.ReceivedAt, Source: a.Source, Label: a.Origin, Key: []byte(n.id.WABAID), Value: msg.Raw}
	if a.Event != "" {
		o.Requeue = &Requeue{Event: a.Event}
	}
	if len(a.Replay) > 0 {
		o.Replay = &Replay{ID: a.Replay}
	}
	l := &liveChange{o: o, c: &split.Change{DisplayPhoneNumber: a.Display}, n: n, origin: a.Origin}
	l.c.MayHaveSpace()
	if a.Standby {
		l.c.Field = []byte(fieldStandby)
	}
	side := p.sideOf(n, a)
	if !joined && a.Doubtful {
		opened, ok := n.history.Opened()
		p.liveMessage(l, msg, &side, a.Echo, ok && media.Before(msg.Timestamp, opened))
		return
	}
	// Each message has one event, although its media follow-up may come in several forms.
	rank := min(rankOf(msg), schemas.RankConcrete)
	key, came := a.Key, false
	if a.Standby {
		came = p.left(o, p.now, n.known(schemas.MessageEventID(schemas.TypeMedia, key, 0)), rank)
		key = schemas.StandbyKey(key)
	}
	id := schemas.MessageEventID(schemas.TypeMedia, key, rank)
	first := !came && p.first(o, p.now, id, n.known(schemas.MessageEventID(schemas.TypeMedia, key, 0)), rank)
	if first && joined {
		first = p.firstOfTwins(l, msg.ID, place.Thread, rank)
	}
	if !first {
		p.counts.Duplicates[KindMedia]++
		return
	}
	e := l.event(schemas.TopicMedia, schemas.TypeMedia)
	m := l.message()
	fill(&m, msg)
	m.Kind, m.Rank = schemas.KindMedia, &ranks[rank]
	m.Historical, m.Joined = true, &joined
	m.WAMIDToken = p.wamidToken(msg.ID)
	if joined {
		m.Timestamp = place.Timestamp
		side = people.Joined(&side, place.Thread, place.Group, place.Direction)
	}
	on(&m, &side)
	e.id = id
	e.time, e.subject = unix(m.Timestamp), p.arena.copy(m.WAMID)
	m.Original = json.RawMessage(msg.Raw)
	p.put(&e, o, p.key(m.PhoneNumberID, cmp.Or(m.WAMID, id.Hex())), p.message(&m))
}

// sideOf returns the other side of a follow-up, as it was at its receipt.
func (p *Partition) sideOf(n *number, a *mediaFollowUp) people.Side {
	if a.Side == nil {
		side := *p.people.Message(&split.Change{}, bytesOf(n.id.DisplayPhoneNumber), &a.Message, a.Echo)
		if len(a.Profiles) > 0 && a.Profiles[0] == '[' {
			side.Profiles = a.Profiles
		}
		return side
	}
	side := *a.Side
	side.Profiles = a.Profiles
	return side
}
