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

// numberDirectory knows the WABAs of numbers whose bodies may come here without a WABA: those whose phone_number_id
// belongs to this partition. Other partitions report a number with a note in `rerouted`. They do so when the number
// becomes known, and when a live webhook names it that was received earlier than all others. They also do so after
// each account event that begins an onboarding, because the number may have moved to another WABA, or retention may
// have removed the first note: see onboardings. An entry is kept while there is room, because a decline can come at any later
// onboarding. It takes some hundred bytes.
type numberDirectory struct {
	of      map[string]*directory.Number // by phone_number_id
	changed []string
	order   []string       // the ids by their last entry; those that were entered again are in it twice
	entered map[string]int // how often an id is in order
}

// directoryMax bounds the entries of a partition. If there are more, those with the oldest entry are removed.
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

// wabaReport is a report of a number's WABA: when a live webhook named it, or zero, and the replay that wrote the record,
// if any.
type wabaReport struct {
	named  time.Time
	replay string
}

// introduce reports a number's WABA to the partition of the number's id. It does so once, and again if a live
// webhook named the number that was received earlier, or if it is the first after an onboarding began.
func (p *Partition) introduce(n *number, o *Origin) {
	named := o.named()
	earlier := !named.IsZero() && (n.named.IsZero() || named.Before(n.named))
	anew := p.namesAnew(n, o)
	if n.introduced && !earlier && !anew || n.id.WABAID == "" || p.outer != nil {
		return
	}
	if earlier {
		n.named = named
		n.business.count(n)
	}
	if anew {
		n.namedAnew = o.ReceivedAt
	}
	by := wabaReport{named: named}
	if o.Replay != nil {
		by.replay = str(o.Replay.ID)
	}
	p.reportWABA(n, by)
}

// introduceAgain does so for an account event that begins an onboarding. The report names a time only if a live
// webhook has named the number. For other topics, that would depend on when each is read. Events that were
// received with one body name it once.
func (p *Partition) introduceAgain(n *number, at time.Time, by wabaReport) {
	if n.id.WABAID == "" || p.outer != nil || n.namedAtOnce.Equal(at) {
		return
	}
	n.namedAtOnce = at
	if n.named.IsZero() {
		by.named = time.Time{}
	}
	p.reportWABA(n, by)
}

func (p *Partition) reportWABA(n *number, by wabaReport) {
	n.introduced, n.identityWritten = true, false
	to := p.cfg.PartitionOf(bytesOf(n.id.PhoneNumberID))
	if to == p.cfg.Partition {
		p.enter(n.id.PhoneNumberID, n.id.WABAID, by)
		return
	}
	kind, at := schemas.ReroutedNumber, by.named
	if at.IsZero() {
		kind, at = schemas.ReroutedKnown, p.now
	}
	hs := []Header{
		{schemas.HeaderReceivedAt, p.unixMilli(at)},
		{schemas.HeaderRerouted, []byte(kind)},
		{schemas.HeaderWABA, p.arena.copy(n.id.WABAID)},
	}
	if by.replay != "" {
		hs = append(hs, Header{schemas.HeaderReplay, p.arena.copy(by.replay)})
	}
	p.out(Record{Topic: schemas.TopicRerouted, Partition: to, Key: p.arena.copy(n.id.PhoneNumberID), Headers: hs})
	p.counts.Events[schemas.TopicRerouted]++
}

func (p *Partition) unixMilli(at time.Time) []byte {
	return p.arena.done(strconv.AppendInt(p.arena.room(20), at.UnixMilli(), 10))
}

// Number processes the note of another partition about a number. The key of the record is the number's id.
func (p *Partition) Number(o *Origin) {
	if len(o.Key) == 0 || len(o.WABA) == 0 {
		return
	}
	var by wabaReport
	if !o.Unnamed {
		by.named = o.ReceivedAt
	}
	if o.Replay != nil {
		by.replay = str(o.Replay.ID)
	}
	p.enter(string(o.Key), string(o.WABA), by)
}

// enter notes a number's WABA. The sync that the number has here without a WABA moves to the partition of the WABA.
func (p *Partition) enter(phoneNumberID, waba string, by wabaReport) {
	d := &p.directory
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
	if n, ok := p.numbers["/"+phoneNumberID]; ok && !n.moved {
		var decline *decline
		if at, failure, ok := n.history.Declined(); ok && by.replay == "" {
			decline = newDecline(at, failure)
		}
		p.move(n, decline)
	}
}

// follow moves the sync of a number without a WABA again, if a record changed it after the WABA became known.
func (p *Partition) follow(o *Origin, n *number, c *split.Change) {
	var decline *decline
	if o.Replay == nil {
		decline = p.declineOf(o, c)
	}
	p.move(n, decline)
}

// decline is a decline that is passed on to the partition of its WABA.
type decline struct {
	at     time.Time
	errors []byte
}

func newDecline(at time.Time, failure []byte) *decline {
	if failure == nil { // too long, or invalid
		failure = []byte(`[{"code":` + strconv.Itoa(split.DeclinedCode) + `}]`)
	}
	return &decline{at, failure}
}

// element returns the decline as an element of value.history[].
func (d *decline) element() []byte { return slices.Concat([]byte(`{"errors":`), d.errors, []byte(`}`)) }

// declineOf returns the decline in a change, as its number would emit it; nil: there is none.
func (p *Partition) declineOf(o *Origin, c *split.Change) *decline {
	declines := c.Declines()
	if len(declines) == 0 {
		return nil
	}
	alone := history.NewNumber(&p.cfg.History, history.Identity{})
	for _, errs := range declines {
		alone.Decline(p.now, o.ReceivedAt, errs)
	}
	_, failure, _ := alone.Declined()
	return newDecline(o.ReceivedAt, failure)
}

// move continues the sync of a number without a WABA under its WABA, once that is known. A tombstone replaces the
// sync here, and a decline is passed on as a webhook with its original time of receipt. Without a decline the sync
// under the WABA is emitted again, so that the tombstone is not the last record about the number. A replay passes on
// the decline itself, at its place in the order: see declined.
func (p *Partition) move(n *number, decline *decline) {
	known := p.directory.of[n.id.PhoneNumberID]
	opened, ok := n.history.Opened()
	if known == nil || !ok || p.outer != nil {
		return
	}
	n.moved, n.identityWritten = true, false
	p.touch(n)
	n.removing = opened
	if at, _, ok := n.history.Declined(); ok {
		n.removing = at
	}
	receivedAt, element := opened, []byte(nil)
	if decline != nil {
		receivedAt, element = decline.at, decline.element()
	}
	waba := known.Last()
	hs := []Header{{schemas.HeaderReceivedAt, p.unixMilli(receivedAt)}, {schemas.HeaderRerouted, []byte(schemas.ReroutedMoved)}}
	value := append(p.arena.room(512+len(element)), `{"object":"whatsapp_business_account","entry":[{"id":`...)
	value = quote(value, bytesOf(waba))
	value = append(value, `,"changes":[{"field":"history","value":{"messaging_product":"whatsapp","metadata":{`...)
	if display := n.id.DisplayPhoneNumber; display != "" {
		value = append(quote(append(value, `"display_phone_number":`...), bytesOf(display)), ',')
	}
	value = quote(append(value, `"phone_number_id":`...), bytesOf(n.id.PhoneNumberID))
	value = append(append(append(value, `},"history":[`...), element...), `]}}]}]}`...)
	value = p.arena.done(value)
	hs = append(hs, n.ofReplay()...)
	p.out(Record{Topic: schemas.TopicRerouted, Partition: p.cfg.PartitionOf(bytesOf(waba)), Key: p.arena.copy(waba), Value: value, Headers: hs})
	p.counts.Events[schemas.TopicRerouted]++
}

// declined processes a bare value with a decline that a replay passes on instead of move.
func (p *Partition) declined(o *Origin, c *split.Change) {
	n, reason := p.number(o, c)
	if n == nil {
		p.DeadLetter(o, reason, "there is no room for the number of this decline")
		return
	}
	p.concerns(o, n)
	if decline := p.declineOf(o, c); decline != nil {
		moved := &split.Change{
			EntryID: c.EntryID, WABA: c.WABA, Field: []byte(fieldHistory), PhoneNumberID: c.PhoneNumberID, DisplayPhoneNumber: c.DisplayPhoneNumber,
			History: []split.HistoryElement{{Raw: decline.element(), Errors: decline.errors}},
		}
		moved.MayHaveSpace() // the errors are verbatim
		p.history(inHand{origin: o}, moved, 0, n)
	}
	p.retell(o, n)
}

// removeSync writes the tombstone of a number's sync.
func (p *Partition) removeSync(n *number) {
	e := event{topic: schemas.TopicSyncs, ceType: schemas.TypeSyncRemoved, source: n.source, time: n.removing, subject: []byte(n.id.PhoneNumberID)}
	e.id, p.scratch = schemas.HashParts(p.scratch, []byte(schemas.TypeSyncRemoved), []byte(n.key))
	p.emit(&e, p.arena.copy(n.id.PhoneNumberID), nil, n.ofReplay()...)
}

// attribute sets the WABA of a change that names only a number, if it is settled: from the record, or from the
// directory. For a replay into other topics only the record counts, because the directory there depends on the
// progress of the replay's partitions.
func (p *Partition) attribute(o *Origin, c *split.Change) {
	if len(c.WABA) > 0 || len(c.PhoneNumberID) == 0 || o.Requeue.event() != "" {
		return
	}
	if waba := p.wabaOf(o, c); len(waba) > 0 {
		c.Attribute(waba)
	}
}

// wabaOf returns the WABA of a change that names only a number; nil: not known.
func (p *Partition) wabaOf(o *Origin, c *split.Change) []byte {
	waba := o.WABA
	if len(waba) == 0 && (o.Replay == nil || o.Replay.Own) {
		home := p
		if p.outer != nil {
			home = p.outer
		}
		if known := home.directory.of[str(c.PhoneNumberID)]; known != nil {
			waba = bytesOf(known.Of(o.ReceivedAt))
		}
	}
	return waba
}

// flush writes the changes to `state`.
func (d *numberDirectory) flush(p *Partition) {
	for _, phoneNumberID := range d.changed {
		if _, ok := d.of[phoneNumberID]; !ok {
			p.state(p.arena.copy(stateDirectory, phoneNumberID), nil)
			continue
		}
		p.state(p.arena.copy(stateDirectory, phoneNumberID), p.arena.done(d.of[phoneNumberID].AppendRecord(p.arena.room(64))))
	}
	d.changed = d.changed[:0]
}

// restore restores a record of flush.
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
