package partition

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/coexstream/coexstream/processors/contacts"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// addressBook applies the state_sync items of a change to the table of contacts. done is the number of processed
// items of the change, after those of live. It returns false if the rest has to wait.
func (p *Partition) addressBook(o *Origin, c *split.Change, n *number, done *int) bool {
	if *done <= itemsOf(c) && n.history.ContactsCame(o.ReceivedAt) {
		p.touch(n)
	}
	origin := p.place(o, c.Entry, c.Index)
	offset, entry, index := placeOf(origin)
	change := func(i int) (change contacts.Change, known bool) {
		item := &c.StateSync[i]
		change = contacts.ChangeOf(c.PhoneNumberID, item, p.content(c, item.Raw), c.EntryTime, contacts.ArrivalOf(o.ReceivedAt.UnixMilli(), offset, entry, index, i))
		return change, (len(item.Type) == 0 || string(item.Type) == "contact") && len(change.ID()) > 0
	}
	before, began := itemsOf(c), *done
	var unknown bool
	for ; *done-before < len(c.StateSync); *done++ {
		if *done > began && p.pause() {
			return false
		}
		i := *done - before
		item := &c.StateSync[i]
		change, known := change(i)
		if !known {
			unknown = true
			continue
		}
		var verdict contacts.Verdict
		p.effects, verdict = p.contacts.Apply(p.effects[:0], change)
		switch verdict {
		case contacts.Duplicate:
			p.counts.Duplicates[KindContact]++
		case contacts.Stale:
			p.counts.Duplicates[KindContactStale]++
		}
		for k := range p.effects {
			p.contact(o, c, n, origin, item, &p.effects[k])
		}
	}
	for i := range began - before { // those of earlier parts
		_, known := change(i)
		unknown = unknown || !known
	}
	if unknown {
		p.other(o, c) // an item with an unknown type, or without a contact
	}
	return true
}

// flushContacts writes the changes of contacts to `state` that their rows do not contain. The partition and its
// replay states share one table.
func (p *Partition) flushContacts() {
	if p.outer != nil {
		return
	}
	p.contacts.TakeState(func(key string, value []byte) { p.state(p.arena.copy(stateContacts, key), value) })
}

// placeOf parses an origin topic/partition/offset#entry.change. It returns the offset of the record that the ingress
// wrote, and the place in its body. Invalid parts are 0.
func placeOf(origin []byte) (offset int64, entry, change int) {
	label, path, _ := bytes.Cut(origin, []byte{'#'})
	offset, _ = strconv.ParseInt(str(label[bytes.LastIndexByte(label, '/')+1:]), 10, 64)
	first, rest, _ := bytes.Cut(path, []byte{'.'})
	second, _, _ := bytes.Cut(rest, []byte{'.'})
	entry, _ = strconv.Atoi(str(first))
	change, _ = strconv.Atoi(str(second))
	return offset, entry, change
}

// contact emits one row, or one tombstone, of the table of contacts.
func (p *Partition) contact(o *Origin, c *split.Change, n *number, origin []byte, item *split.ContactItem, effect *contacts.Effect) {
	id := string(effect.ID)
	e := event{topic: schemas.TopicContacts, ceType: schemas.TypeContact, source: n.source, origin: origin, trace: o,
		subject: p.arena.copy(id)}
	if ms := effect.Version.TimestampMS; ms > 0 {
		e.time = time.UnixMilli(ms)
	}
	var extra [headersExtraMax]Header
	hs := extra[:0]
	buf := p.arena.room(headerTextBytes + len(effect.Phone) + len(effect.User) + len(effect.Linked) + len("0123456789abcdef,")*len(effect.Tied))
	p.arena.done(effect.AppendHeaders(buf, func(name string, value []byte) { hs = append(hs, Header{name, value}) }))
	key := p.key(n.id.PhoneNumberID, id)
	e.id, p.scratch = schemas.HashParts(p.scratch, []byte(schemas.TypeContact), key, hs[0].Value, hs[1].Value, hs[2].Value, hs[3].Value)
	if effect.Tombstone() {
		e.ceType = schemas.TypeContactRemoved
		p.emit(&e, key, nil, hs...)
		return
	}
	state := schemas.ContactState{
		WABAID: n.id.WABAID, PhoneNumberID: n.id.PhoneNumberID, DisplayPhoneNumber: str(n.display(c, o.ReceivedAt)),
		ID: id, PhoneNumber: string(effect.Phone), UserID: string(effect.User),
		ParentUserID: string(item.ParentUserID), Username: string(item.Username),
		FullName: string(item.FullName), FirstName: string(item.FirstName),
		TimestampMS: effect.Version.TimestampMS, Version: effect.Version.Number,
		Original: json.RawMessage(item.Raw),
	}
	p.put(&e, o, key, p.value(&state, len(item.Raw)), hs...)
}

// headerTextBytes is the room for a contact's action, timestamp, version, digest and arrival.
const headerTextBytes = 160
