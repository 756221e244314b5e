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

// addressBook writes what a state_sync changes in the table of contacts. done counts the items of the change that are,
// behind those of live; it is false where the rest has to wait.
func (t *Partition) addressBook(o *Origin, c *split.Change, n *number, done *int) bool {
	origin := t.place(o, c.Entry, c.Index)
	offset, entry, index := placeOf(origin)
	change := func(i int) (change contacts.Change, known bool) {
		item := &c.StateSync[i]
		change = contacts.ChangeOf(c.PhoneNumberID, item, t.content(c, item.Raw), c.EntryTime, contacts.ArrivalOf(o.ReceivedAt.UnixMilli(), offset, entry, index, i))
		return change, (len(item.Type) == 0 || string(item.Type) == "contact") && len(change.ID()) > 0
	}
	before, began := itemsOf(c), *done
	var unknown bool
	for ; *done-before < len(c.StateSync); *done++ {
		if *done > began && t.pause() {
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
		t.effects, verdict = t.contacts.Apply(t.effects[:0], change)
		switch verdict {
		case contacts.Duplicate:
			t.counts.Duplicates[KindContact]++
		case contacts.Stale:
			t.counts.Duplicates[KindContactStale]++
		}
		for k := range t.effects {
			t.contact(o, c, n, origin, item, &t.effects[k])
		}
	}
	for i := range began - before { // of earlier parts
		_, known := change(i)
		unknown = unknown || !known
	}
	if unknown {
		t.other(o, c) // an item of a type, or for a contact, that we cannot name
	}
	return true
}

// flushContacts writes what the rows of the table of contacts do not tell to `state`. The table is one for the partition and its
// replay states.
func (t *Partition) flushContacts() {
	if t.outer != nil {
		return
	}
	t.contacts.TakeState(func(key string, value []byte) { t.state(t.arena.copy(stateContacts, key), value) })
}

// placeOf reads an origin topic/partition/offset#entry.change: the offset of the record that the ingress wrote, and the
// place in its body. What cannot be read is 0.
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
func (t *Partition) contact(o *Origin, c *split.Change, n *number, origin []byte, item *split.ContactItem, effect *contacts.Effect) {
	id := string(effect.ID)
	e := event{topic: schemas.TopicContacts, ceType: schemas.TypeContact, source: n.source, origin: origin, trace: o,
		subject: t.arena.copy(id)}
	if ms := effect.Version.TimestampMS; ms > 0 {
		e.time = time.UnixMilli(ms)
	}
	var extra [headersExtraMax]Header
	hs := extra[:0]
	buf := t.arena.room(headerTextBytes + len(effect.Phone) + len(effect.User) + len(effect.Linked) + len("0123456789abcdef,")*len(effect.Tied))
	t.arena.done(effect.AppendHeaders(buf, func(name string, value []byte) { hs = append(hs, Header{name, value}) }))
	key := t.key(n.id.PhoneNumberID, id)
	e.id, t.scratch = schemas.HashParts(t.scratch, []byte(schemas.TypeContact), key, hs[0].Value, hs[1].Value, hs[2].Value, hs[3].Value)
	if effect.Tombstone() {
		e.ceType = schemas.TypeContactRemoved
		t.emit(&e, key, nil, hs...)
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
	t.put(&e, o, key, t.value(&state, len(item.Raw)), hs...)
}

// headerTextBytes is room for a contact's action, timestamp, version, digest and arrival.
const headerTextBytes = 160
