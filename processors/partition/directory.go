package partition

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/coexstream/coexstream/processors/directory"
	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// numberDirectory tells the WABA of numbers of which bodies may come here that name the number alone: those whose
// phone_number_id belongs to this partition. A note in `rerouted` tells this partition, unless it is the number's own. It
// comes when the number becomes known, when a live webhook names it that was received before all others that did, and after
// each account event that begins an onboarding, in case the number has moved to another WABA or retention removed the first:
// see onboardings.
// An entry is kept for as long as there is room: a decline can come at any later onboarding. It takes some hundred bytes.
type numberDirectory struct {
	of      map[string]*directory.Number // by phone_number_id
	changed []string
	order   []string       // the ids, in the order in which they were entered last; those that were entered again stand there twice
	entered map[string]int // how often an id stands in order
}

// directoryMax bounds the entries of a partition. Beyond it those go that were not entered for longest.
const directoryMax = 65536

// keep notes that an entry is the newest.
func (d *numberDirectory) keep(phoneNumberID string) {
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

// stateDirectory is d|phone_number_id: see directory.Number.
const stateDirectory = "d|"

// told is what is told of a number's WABA: when a live webhook named it, or zero; and the replay that told it, if one did.
type told struct {
	named  time.Time
	replay string
}

// introduce tells the partition of a number's id whose number it is: once, and again where a live webhook named it that was
// received before, or it is the first after an onboarding began.
func (t *Partition) introduce(n *number, o *Origin) {
	named := o.named()
	earlier := !named.IsZero() && (n.named.IsZero() || named.Before(n.named))
	anew := t.namesAnew(n, o)
	if n.introduced && !earlier && !anew || n.id.WABAID == "" || t.outer != nil {
		return
	}
	if earlier {
		n.named = named
		n.business.count(n)
	}
	if anew {
		n.namedAnew = o.ReceivedAt
	}
	by := told{named: named}
	if o.Replay != nil {
		by.replay = str(o.Replay.ID)
	}
	t.tellDirectory(n, by)
}

// introduceAgain does so at an account event that begins an onboarding. Only of a number that a live webhook named is it
// another name: whether one of the other lane did by then depends on when each lane is read. Events that were received with one
// body name it once.
func (t *Partition) introduceAgain(n *number, at time.Time, by told) {
	if n.id.WABAID == "" || t.outer != nil || n.namedAtOnce.Equal(at) {
		return
	}
	n.namedAtOnce = at
	if n.named.IsZero() {
		by.named = time.Time{}
	}
	t.tellDirectory(n, by)
}

func (t *Partition) tellDirectory(n *number, by told) {
	n.introduced, n.told = true, false
	p := t.cfg.PartitionOf(bytesOf(n.id.PhoneNumberID))
	if p == t.cfg.Partition {
		t.enter(n.id.PhoneNumberID, n.id.WABAID, by)
		return
	}
	kind, at := schemas.ReroutedNumber, by.named
	if at.IsZero() {
		kind, at = schemas.ReroutedKnown, t.now
	}
	hs := []Header{
		{schemas.HeaderReceivedAt, t.unixMilli(at)},
		{schemas.HeaderRerouted, []byte(kind)},
		{schemas.HeaderWABA, t.arena.copy(n.id.WABAID)},
	}
	if by.replay != "" {
		hs = append(hs, Header{schemas.HeaderReplay, t.arena.copy(by.replay)})
	}
	t.out(Record{Topic: schemas.TopicRerouted, Partition: p, Key: t.arena.copy(n.id.PhoneNumberID), Headers: hs})
	t.counts.Events[schemas.TopicRerouted]++
}

func (t *Partition) unixMilli(at time.Time) []byte {
	return t.arena.done(strconv.AppendInt(t.arena.room(20), at.UnixMilli(), 10))
}

// Number takes the note of another partition about a number. The record's key is its id.
func (t *Partition) Number(o *Origin) {
	if len(o.Key) == 0 || len(o.WABA) == 0 {
		return
	}
	var by told
	if !o.Unnamed {
		by.named = o.ReceivedAt
	}
	if o.Replay != nil {
		by.replay = str(o.Replay.ID)
	}
	t.enter(string(o.Key), string(o.WABA), by)
}

// enter notes a number's WABA. What was told of the number's sync without it moves to the WABA's partition.
func (t *Partition) enter(phoneNumberID, waba string, by told) {
	d := &t.directory
	known := d.of[phoneNumberID]
	if known == nil {
		if d.of == nil {
			d.of = map[string]*directory.Number{}
		}
		known = &directory.Number{}
		d.of[phoneNumberID] = known
	}
	var changed bool
	if by.named.IsZero() {
		changed = known.Known(waba)
	} else {
		changed = known.Named(waba, by.named)
	}
	d.keep(phoneNumberID)
	if changed {
		d.changed = append(d.changed, phoneNumberID)
	}
	if n, ok := t.numbers["/"+phoneNumberID]; ok && !n.moved {
		var decline *decline
		if at, failure, ok := n.history.Declined(); ok && by.replay == "" {
			decline = newDecline(at, failure)
		}
		t.move(n, decline)
	}
}

// follow moves the sync of a number without a WABA again, where something came of it after the WABA became known.
func (t *Partition) follow(o *Origin, n *number, c *split.Change) {
	var decline *decline
	if o.Replay == nil {
		decline = t.declineOf(o, c)
	}
	t.move(n, decline)
}

// decline is a decline on its way to the partition of its WABA.
type decline struct {
	at     time.Time
	errors []byte
}

func newDecline(at time.Time, failure []byte) *decline {
	if failure == nil { // too long, or odd
		failure = []byte(`[{"code":` + strconv.Itoa(split.DeclinedCode) + `}]`)
	}
	return &decline{at, failure}
}

// element is the decline as an element of value.history[].
func (d *decline) element() []byte { return slices.Concat([]byte(`{"errors":`), d.errors, []byte(`}`)) }

// declineOf is the decline that a change holds, as its number tells it; nil where it holds none.
func (t *Partition) declineOf(o *Origin, c *split.Change) *decline {
	declines := c.Declines()
	if len(declines) == 0 {
		return nil
	}
	alone := history.NewNumber(&t.cfg.History, history.Identity{})
	for _, errs := range declines {
		alone.Decline(t.now, o.ReceivedAt, errs)
	}
	_, failure, _ := alone.Declined()
	return newDecline(o.ReceivedAt, failure)
}

// move lets the sync of a number that was told without a WABA go on where its WABA is, once that is known: a tombstone takes
// its place here, and a decline is passed on as a webhook, with the time at which it was received. Where there was none, the sync
// there is told again, so that the tombstone is not the last that is said of the number. A replay passes the decline on
// itself, at its place in the order: see declined.
func (t *Partition) move(n *number, decline *decline) {
	known := t.directory.of[n.id.PhoneNumberID]
	opened, ok := n.history.Opened()
	if known == nil || !ok || t.outer != nil {
		return
	}
	n.moved, n.told = true, false
	t.touch(n)
	n.removing = opened
	if at, _, ok := n.history.Declined(); ok {
		n.removing = at
	}
	receivedAt, element := opened, []byte(nil)
	if decline != nil {
		receivedAt, element = decline.at, decline.element()
	}
	waba := known.Last()
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

// declined takes a bare value with a decline that a replay passes on as move would have.
func (t *Partition) declined(o *Origin, c *split.Change) {
	n, reason := t.number(o, c)
	if n == nil {
		t.DeadLetter(o, reason, "a decline of a number that there is no room for")
		return
	}
	t.concerns(o, n)
	if decline := t.declineOf(o, c); decline != nil {
		moved := &split.Change{
			EntryID: c.EntryID, WABA: c.WABA, Field: []byte(fieldHistory), PhoneNumberID: c.PhoneNumberID, DisplayPhoneNumber: c.DisplayPhoneNumber,
			History: []split.HistoryElement{{Raw: decline.element(), Errors: decline.errors}},
		}
		moved.MayHaveSpace() // the errors are verbatim
		t.history(inHand{origin: o}, moved, 0, n)
	}
	t.retell(n)
}

// removeSync takes back what was told of a number's sync here.
func (t *Partition) removeSync(n *number) {
	e := event{topic: schemas.TopicSyncs, ceType: schemas.TypeSyncRemoved, source: n.source, time: n.removing, subject: []byte(n.id.PhoneNumberID)}
	e.id, t.scratch = schemas.HashParts(t.scratch, []byte(schemas.TypeSyncRemoved), []byte(n.key))
	t.emit(&e, t.arena.copy(n.id.PhoneNumberID), nil, n.ofReplay()...)
}

// attribute gives a change that names a number alone its WABA, where that is settled: from the record, or from the directory.
// A replay into other topics says it with the record, or not at all: what the directory there knows by now depends on how
// far the replay's partitions are.
func (t *Partition) attribute(o *Origin, c *split.Change) {
	if len(c.WABA) > 0 || len(c.PhoneNumberID) == 0 || o.Requeue.event() != "" {
		return
	}
	if waba := t.wabaOf(o, c); len(waba) > 0 {
		c.Attribute(waba)
	}
}

// wabaOf is the WABA of a change that names a number alone; nil where nobody knows it.
func (t *Partition) wabaOf(o *Origin, c *split.Change) []byte {
	waba := o.WABA
	if len(waba) == 0 && (o.Replay == nil || o.Replay.Own) {
		home := t
		if t.outer != nil {
			home = t.outer
		}
		if known := home.directory.of[str(c.PhoneNumberID)]; known != nil {
			waba = bytesOf(known.Of(o.ReceivedAt))
		}
	}
	return waba
}

// flush writes what changed to `state`.
func (d *numberDirectory) flush(t *Partition) {
	for _, phoneNumberID := range d.changed {
		if _, ok := d.of[phoneNumberID]; !ok {
			t.state(t.arena.copy(stateDirectory, phoneNumberID), nil)
			continue
		}
		t.state(t.arena.copy(stateDirectory, phoneNumberID), t.arena.done(d.of[phoneNumberID].AppendRecord(t.arena.room(64))))
	}
	d.changed = d.changed[:0]
}

// restore takes a record of flush.
func (d *numberDirectory) restore(phoneNumberID string, value []byte) error {
	known, err := directory.Restore(value)
	if err != nil {
		return fmt.Errorf("number %s: %w", phoneNumberID, err)
	}
	if d.of == nil {
		d.of = map[string]*directory.Number{}
	}
	d.of[phoneNumberID] = known
	d.keep(phoneNumberID)
	return nil
}
