package task

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// directory tells the WABA of numbers of which bodies may come here that name the number alone: those whose
// phone_number_id belongs to this partition. When a number becomes known, a note in `rerouted` tells this partition of its
// id, unless that is the number's own; another one comes with each account event, in case the number has moved to another WABA
// or retention removed the first. An entry is kept for as long as there is room: a
// decline can come at any later onboarding. It takes some hundred bytes.
type directory struct {
	of      map[string]string // by phone_number_id
	changed []string
	order   []string       // the ids, in the order in which they were entered last; those that were entered again stand there twice
	entered map[string]int // how often an id stands in order
}

// directoryMax bounds the entries of a partition. Beyond it those go that were not entered for longest.
const directoryMax = 65536

// keep notes that an entry is the newest.
func (d *directory) keep(phoneNumberID string) {
	if d.entered == nil {
		d.entered = map[string]int{}
	}
	d.order = append(d.order, phoneNumberID)
	d.entered[phoneNumberID]++
	for len(d.of) > directoryMax || len(d.order) > 2*directoryMax {
		first := d.order[0]
		d.order = d.order[1:]
		if d.entered[first]--; d.entered[first] == 0 {
			delete(d.entered, first)
			delete(d.of, first)
			d.changed = append(d.changed, first)
		}
	}
}

// stateDirectory is d|phone_number_id: the WABA behind a byte of version.
const (
	stateDirectory   = "d|"
	directoryVersion = 1
)

// introduce tells the partition of a number's id whose number it is.
func (t *Task) introduce(n *number) {
	if n.introduced || n.id.WABAID == "" || t.outer != nil {
		return
	}
	n.introduced, n.told = true, false
	p := t.cfg.PartitionOf(bytesOf(n.id.PhoneNumberID))
	if p == t.cfg.Partition {
		t.enter(n.id.PhoneNumberID, n.id.WABAID)
		return
	}
	t.out(Record{Topic: schemas.TopicRerouted, Partition: p, Key: t.arena.copy(n.id.PhoneNumberID), Headers: []Header{
		{schemas.HeaderReceivedAt, t.unixMilli(t.now)},
		{schemas.HeaderRerouted, []byte(schemas.ReroutedNumber)},
		{schemas.HeaderWABA, t.arena.copy(n.id.WABAID)},
	}})
	t.counts.Events[schemas.TopicRerouted]++
}

func (t *Task) unixMilli(at time.Time) []byte {
	return t.arena.done(strconv.AppendInt(t.arena.room(20), at.UnixMilli(), 10))
}

// Number takes the note of another partition about a number. The record's key is its id.
func (t *Task) Number(o *Origin) {
	t.passed(o.ReceivedAt)
	if len(o.Key) > 0 && len(o.WABA) > 0 {
		t.enter(string(o.Key), string(o.WABA))
	}
}

// enter notes a number's WABA. What was told of the number without it moves to the WABA's partition.
func (t *Task) enter(phoneNumberID, waba string) {
	d := &t.directory
	if d.of[phoneNumberID] == waba {
		d.keep(phoneNumberID)
		return
	}
	if d.of == nil {
		d.of = map[string]string{}
	}
	d.of[phoneNumberID] = waba
	d.keep(phoneNumberID)
	d.changed = append(d.changed, phoneNumberID)
	if n, ok := t.numbers["/"+phoneNumberID]; ok && !n.moved {
		t.move(n, waba)
	}
}

// move lets the sync of a number that was told without a WABA go on where its WABA is: a tombstone takes its place here,
// and a decline is passed on as a webhook, with the time at which it was received. Where there was none, the sync
// there is told again, so that the tombstone is not the last that is said of the number.
func (t *Task) move(n *number, waba string) {
	n.moved, n.told = true, false
	t.touch(n)
	if _, ok := n.history.Opened(); !ok {
		return
	}
	n.removing = true
	receivedAt, element := t.now, []byte(nil)
	if at, failure, ok := n.history.Declined(); ok {
		if failure == nil {
			failure = []byte(`[{"code":` + strconv.Itoa(declinedCode) + `}]`)
		}
		receivedAt, element = at, slices.Concat([]byte(`{"errors":`), failure, []byte(`}`))
	}
	hs := []Header{{schemas.HeaderReceivedAt, t.unixMilli(receivedAt)}, {schemas.HeaderRerouted, []byte(schemas.ReroutedMoved)}}
	value := append(t.arena.room(512+len(element)), `{"object":"whatsapp_business_account","entry":[{"id":`...)
	value = quote(value, bytesOf(waba))
	value = append(value, `,"changes":[{"field":"history","value":{"messaging_product":"whatsapp","metadata":{`...)
	if display := n.id.DisplayPhoneNumber; display != "" {
		value = append(quote(append(value, `"display_phone_number":`...), bytesOf(display)), ',')
	}
	value = quote(append(value, `"phone_number_id":`...), bytesOf(n.id.PhoneNumberID))
	value = append(append(append(value, `},"history":[`...), element...), `]}}]}]}`...)
	value = t.arena.done(value)
	hs = append(hs, n.ofReplay()...)
	t.out(Record{Topic: schemas.TopicRerouted, Partition: t.cfg.PartitionOf(bytesOf(waba)), Key: t.arena.copy(waba), Value: value, Headers: hs})
	t.counts.Events[schemas.TopicRerouted]++
}

// removeSync takes back what was told of a number's sync here.
func (t *Task) removeSync(n *number) {
	e := event{topic: schemas.TopicSyncs, ceType: schemas.TypeSyncRemoved, source: n.source, time: t.now, subject: []byte(n.id.PhoneNumberID)}
	e.id, t.scratch = schemas.HashParts(t.scratch, []byte(schemas.TypeSyncRemoved), []byte(n.key))
	t.emit(&e, t.arena.copy(n.id.PhoneNumberID), nil, n.ofReplay()...)
}

// attribute gives a change that names a number alone its WABA, where that is known: from the record, or from the directory.
func (t *Task) attribute(o *Origin, c *split.Change) {
	if len(c.WABA) > 0 || len(c.PhoneNumberID) == 0 || o.Requeue.event() != "" {
		return
	}
	if waba := t.wabaOf(o, c); len(waba) > 0 {
		c.Attribute(waba)
	}
}

// wabaOf is the WABA of a change that names a number alone; nil where nobody knows it.
func (t *Task) wabaOf(o *Origin, c *split.Change) []byte {
	waba := o.WABA
	if len(waba) == 0 {
		home := t
		if t.outer != nil {
			home = t.outer
		}
		waba = bytesOf(home.directory.of[str(c.PhoneNumberID)])
	}
	return waba
}

// flush writes what changed to `state`.
func (d *directory) flush(t *Task) {
	for _, phoneNumberID := range d.changed {
		if _, ok := d.of[phoneNumberID]; !ok {
			t.state(t.arena.copy(stateDirectory, phoneNumberID), nil)
			continue
		}
		value := append(t.arena.room(64), directoryVersion)
		value = t.arena.done(append(value, d.of[phoneNumberID]...))
		t.state(t.arena.copy(stateDirectory, phoneNumberID), value)
	}
	d.changed = d.changed[:0]
}

// restore takes a record of flush.
func (d *directory) restore(phoneNumberID string, value []byte) error {
	if len(value) < 2 || value[0] != directoryVersion {
		return fmt.Errorf("WABA of number %s: not a record of version %d", phoneNumberID, directoryVersion)
	}
	if d.of == nil {
		d.of = map[string]string{}
	}
	d.of[phoneNumberID] = string(value[1:])
	d.keep(phoneNumberID)
	return nil
}
