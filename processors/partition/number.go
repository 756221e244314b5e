package partition

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/media"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// number is the state of one phone number of one WABA.
type number struct {
	key      string // escaped "waba/phone_number_id", in state keys
	id       history.Identity
	source   []byte       // ce_source
	wabaHash schemas.Hash // hash of its WABA: see known
	history  *history.Number
	media    *media.Book

	identityWritten bool // its identity is in `state`
	// introduced: the partition of its id knows its WABA. moved: it has no WABA, and its sync continues under its
	// WABA. removing: its sync up to that time has to be removed. againFor: its sync is emitted again unchanged, because
	// of the record with that label.
	introduced, moved bool
	againFor          string
	removing          time.Time // zero: nothing has to be removed
	named             time.Time // receipt of the first live webhook that named it; see introduce
	namedAnew         time.Time // receipt of the webhook that named it anew; see onboardings
	namedAtOnce       time.Time // receipt of the account event that named it last; not in `state`
	displayAt         time.Time // receipt of the webhook that its display number is from

	counted, countedLive bool // see business.count
	countedPhone         string

	business      *business
	share         *sourceShare
	phone         string  // its display number, see phoneKey
	applied       int     // how many of the business's fresh account events it has applied
	usedMS        int64   // when it was used last, see usedPrecision; 0: not known
	before, after *number // of recency

	active      int64  // when it was last seen connected, in Unix milliseconds; 0 after a restart
	live        bool   // a webhook of raw.live named it
	replay      string // the replay that wrote the last record that concerned it; "": none did
	changed     bool
	inHeldQueue bool
	behind      bool // records of its business are deferred: see setBehind

	// Of the schedule.
	due       time.Time
	place     int
	scheduled bool
	stale     bool
}

// display returns the display number of the change. If the change has none, it is that of the webhook that was
// received first, unless that was after this one.
func (n *number) display(c *split.Change, receivedAt time.Time) []byte {
	switch {
	case len(c.DisplayPhoneNumber) > 0:
		return c.DisplayPhoneNumber
	case n.displayAt.After(receivedAt):
		return nil
	}
	return bytesOf(n.id.DisplayPhoneNumber)
}

// show notes the display number of a webhook. The webhook that was received first counts, in any order of
// processing.
func (n *number) show(display []byte, receivedAt time.Time) (changed bool) {
	if len(display) == 0 || n.id.DisplayPhoneNumber != "" && !receivedAt.Before(n.displayAt) {
		return false
	}
	changed = n.id.DisplayPhoneNumber != str(display)
	n.displayAt, n.identityWritten = receivedAt, false
	if changed {
		n.id.DisplayPhoneNumber = string(display)
	}
	return changed
}

// known returns the key under which the partition remembers something of the number. The same phone number under
// another WABA, or without one, has other keys. Those are usually in different partitions, and the outcome must be
// the same if they share one.
func (n *number) known(key schemas.Hash) schemas.Hash {
	if n.id.WABAID == "" {
		key.Lo = ^key.Lo
		return key
	}
	key.Hi ^= n.wabaHash.Hi
	key.Lo ^= n.wabaHash.Lo
	return key
}

// numberKey returns a number's place in state keys. Ids are digits in practice; escaping keeps unusual ones
// unambiguous.
func numberKey(waba, phoneNumberID string) string {
	return url.QueryEscape(waba) + "/" + url.QueryEscape(phoneNumberID)
}

// number finds or creates the number of a change. It returns nil and a reason if there is no room for another one.
func (p *Partition) number(o *Origin, c *split.Change) (*number, schemas.Reason) {
	waba, phoneNumberID, display := c.WABA, c.PhoneNumberID, c.DisplayPhoneNumber
	p.scratch = append(append(append(p.scratch[:0], waba...), '/'), phoneNumberID...)
	n, ok := p.numbers[str(p.scratch)]
	if !ok {
		by := str(o.Source)
		if reason := p.roomFor(str(waba), by); reason != "" {
			return nil, reason
		}
		n = p.addNumber(history.Identity{WABAID: string(waba), PhoneNumberID: string(phoneNumberID), DisplayPhoneNumber: string(display)})
		p.countNumber(n, p.sourceShare(by))
		n.displayAt = o.ReceivedAt
	} else if n.show(display, o.ReceivedAt) {
		n.history.Name(n.id)
		p.applyFreshEvents(n) // events up to now are applied under its former display number
		n.history.Write()     // and a restore does not apply them again under the new one
		n.business.named(n)
	}
	p.applyFreshEvents(n)
	p.used(n)
	p.introduce(n, o)
	p.touch(n)
	return n, ""
}

func (p *Partition) addNumber(id history.Identity) *number {
	n := &number{
		key: numberKey(id.WABAID, id.PhoneNumberID), id: id,
		source:   []byte("/whatsapp/" + numberKey(id.WABAID, id.PhoneNumberID)),
		wabaHash: schemas.HashBytes([]byte(id.WABAID)),
		history:  history.NewNumber(&p.cfg.History, id),
		media:    media.New(&p.cfg.Media),
	}
	n.behind = p.behindAtFirst(n)
	p.numbersOfWindows(n)
	p.numbers[id.WABAID+"/"+id.PhoneNumberID] = n
	n.business = p.business(id.WABAID)
	n.applied = len(n.business.fresh) // pendingBoundaries applies these
	n.business.numbers = append(n.business.numbers, n)
	n.business.named(n)
	p.recency.push(n)
	p.countNumber(n, p.sourceShare(""))
	return n
}

// State keys: a kind, the number, and the key within the kind.
const (
	stateNumber  = "n|" // n|waba/number: identity
	stateHistory = "h|" // h|waba/number|key of package history
	stateMedia   = "m|" // m|waba/number|key of package media
	stateRecent  = "r|" // r|bucket|page: see pages
	stateReplay  = "y|" // y|id of a replay: see replay
	// b|waba: account events, see pendingBoundaries
	statePendingBoundaries = "b|"
	// e|waba: the account events without a time, see undated
	stateUndated = "e|"
	// c|phone_number_id/contact: changes of a contact that its row does not contain, see contacts.Book.TakeState
	stateContacts = "c|"
	// d|phone_number_id: see directory
	// w|waba: see onboardings
	// q| and o|: see deferral
)

type identityRecord struct {
	WABAID             string `json:"waba_id"`
	PhoneNumberID      string `json:"phone_number_id"`
	DisplayPhoneNumber string `json:"display_phone_number,omitempty"`
	Introduced         bool   `json:"introduced,omitempty"`
	Moved              bool   `json:"moved,omitempty"`
	Replay             string `json:"replay,omitempty"`
	Live               bool   `json:"live,omitempty"`
	UsedMS             int64  `json:"used,omitempty"` // see usedPrecision
	Source             string `json:"source,omitempty"`
	NamedMS            int64  `json:"named,omitempty"`
	DisplayMS          int64  `json:"display,omitempty"` // 0: since ever
	NamedAnewMS        int64  `json:"anew,omitempty"`
}

func millisOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOfMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// Flush emits the state that changed, and the syncs. It ends a transaction's work.
func (p *Partition) Flush() {
	p.applyFreshEventsToAll()
	for _, n := range p.changed {
		n.changed = false
		p.flushNumber(n)
	}
	concerned := len(p.changed)
	clear(p.changed)
	p.changed = p.changed[:0]
	p.forgetIdle(concerned)
	p.people.End()
	p.pages.flush(p)
	p.pendingBoundaries.flush(p)
	p.onboardings.flush(p)
	p.undated.flush(p)
	p.flushContacts()
	p.directory.flush(p)
	p.deferral.flush(p)
	p.flushReplayStates()
	p.flushReplays()
}

func (p *Partition) flushNumber(n *number) {
	if !n.identityWritten {
		n.identityWritten = true
		value, err := json.Marshal(identityRecord{n.id.WABAID, n.id.PhoneNumberID, n.id.DisplayPhoneNumber, n.introduced, n.moved, n.replay, n.live, n.usedMS, n.share.source, millisOf(n.named), millisOf(n.displayAt), millisOf(n.namedAnew)})
		if err != nil {
			panic(fmt.Sprintf("marshal of strings and flags: %v", err))
		}
		p.state(p.arena.copy(stateNumber, n.key), value)
	}
	n.history.TakeState(func(key string, value []byte) {
		p.state(p.arena.copy(stateHistory, n.key, "|", key), value)
	})
	n.media.TakeState(func(key string, value []byte) {
		p.state(p.arena.copy(stateMedia, n.key, "|", key), value)
	})
	if !n.removing.IsZero() {
		p.removeSync(n)
		n.removing = time.Time{}
	}
	if missed := n.history.TakeMissed(); p.outer == nil && n.replay == "" && !n.moved { // a replay repeats gaps that were counted
		p.counts.Gaps += missed
	}
	var before schemas.Hash
	for {
		s, ok := n.history.TakeSync()
		if !ok {
			n.againFor = ""
			return
		}
		if n.moved {
			continue
		}
		e := event{topic: schemas.TopicSyncs, ceType: schemas.TypeSync, source: n.source, time: timeOf(&s), subject: []byte(n.id.PhoneNumberID)}
		value := p.value(&s, 1024)
		// The id is a function of the emitted state. If the same state leaves again, its id is also one of the record that is
		// the cause, or of the state in between. So a repeated transaction emits the same id.
		e.id, p.scratch = schemas.HashParts(p.scratch, []byte(schemas.TypeSync), []byte(n.key), value)
		if n.againFor != "" {
			e.id, p.scratch = schemas.HashParts(p.scratch, []byte(schemas.TypeSync), []byte(n.key), value, []byte(schemas.ReroutedMoved), []byte(n.againFor))
		}
		if n.history.Retold() {
			e.id, p.scratch = schemas.HashParts(p.scratch, []byte(schemas.TypeSync), []byte(n.key), value, before.AppendHex(nil))
		}
		before = e.id
		p.emit(&e, p.arena.copy(n.id.PhoneNumberID), value, n.ofReplay()...)
	}
}

// concerns notes whether a replay wrote the record. The syncs of the number then belong to the replay, also those
// caused by time, until another record concerns the number.
func (p *Partition) concerns(o *Origin, n *number) {
	var id string
	if o.Replay != nil {
		id = str(o.Replay.ID)
	}
	p.concernedBy(n, id)
}

func (p *Partition) concernedBy(n *number, replay string) {
	if n.replay == replay || p.outer != nil { // a replay state emits no syncs
		return
	}
	n.replay, n.identityWritten = strings.Clone(replay), false
}

// ofReplay returns the header of an event that a replay caused; nil: none did.
func (n *number) ofReplay() []Header {
	if n.replay == "" {
		return nil
	}
	return []Header{{schemas.HeaderReplay, []byte(n.replay)}}
}

// retell makes the sync of a number be emitted again because of a record, even if nothing changed.
func (p *Partition) retell(o *Origin, n *number) {
	if n.history.Retell() {
		n.againFor = string(o.Label)
	}
}

// timeOf returns the time of a sync's state.
func timeOf(s *schemas.Sync) time.Time {
	if s.EndedAt != nil && s.EndedAt.After(s.LastAt) {
		return *s.EndedAt
	}
	return s.LastAt
}

// state emits a record of the state changelog; a nil value is a tombstone.
func (p *Partition) state(key, value []byte) {
	p.out(Record{Topic: schemas.TopicState, Partition: p.cfg.Partition, Key: key, Value: value})
}

// RestoreState restores the newest record of one key of the `state` topic.
func (p *Partition) RestoreState(key string, value []byte) error {
	kind, rest := key, ""
	if len(key) > 2 {
		kind, rest = key[:2], key[2:]
	}
	switch kind {
	case stateNumber:
		var id identityRecord
		if err := json.Unmarshal(value, &id); err != nil {
			return fmt.Errorf("identity of a number: %w", err)
		}
		n := p.restoring(id.WABAID, id.PhoneNumberID)
		n.id, n.identityWritten = history.Identity{WABAID: id.WABAID, PhoneNumberID: id.PhoneNumberID, DisplayPhoneNumber: id.DisplayPhoneNumber}, true
		p.countNumber(n, p.sourceShare(id.Source))
		n.introduced, n.moved, n.replay, n.live = id.Introduced, id.Moved, id.Replay, id.Live
		n.usedMS, n.named, n.displayAt = id.UsedMS, timeOfMillis(id.NamedMS), timeOfMillis(id.DisplayMS)
		n.namedAnew = timeOfMillis(id.NamedAnewMS)
		n.business.named(n)
		n.history.Name(n.id)
		return nil
	case stateHistory, stateMedia:
		where, key, ok := strings.Cut(rest, "|")
		waba, phone, ok2 := strings.Cut(where, "/")
		if !ok || !ok2 {
			return fmt.Errorf("key has no number")
		}
		waba, err := url.QueryUnescape(waba)
		if err == nil {
			phone, err = url.QueryUnescape(phone)
		}
		if err != nil {
			return fmt.Errorf("key's number: %w", err)
		}
		n := p.restoring(waba, phone)
		if kind == stateHistory {
			return n.history.Restore(key, value)
		}
		return n.media.Restore(key, value)
	case stateReplayState:
		return p.restoreReplayState(rest, value)
	case stateReplay:
		return p.restoreReplay(rest, value)
	case stateDirectory:
		return p.directory.restore(rest, value)
	case statePendingBoundaries:
		return p.pendingBoundaries.restore(rest, value)
	case stateOnboarding:
		return p.onboardings.restore(rest, value)
	case stateUndated:
		return p.undated.restore(rest, value)
	case stateDeferred:
		return p.deferral.queue.Restore(rest, value)
	case stateBegun:
		return p.deferral.restoreBegun(value)
	case stateContacts:
		return p.contacts.RestoreLate(rest, value)
	case stateRecent:
		return p.pages.restore(p, rest, value)
	}
	return fmt.Errorf("unknown kind of state; it was written by a newer version")
}

func (p *Partition) restoring(waba, phoneNumberID string) *number {
	if n, ok := p.numbers[waba+"/"+phoneNumberID]; ok {
		return n
	}
	return p.addNumber(history.Identity{WABAID: waba, PhoneNumberID: phoneNumberID})
}

// RestoreContact restores one record of the `contacts` topic, in offset order.
func (p *Partition) RestoreContact(key []byte, header func(string) []byte, removed bool) error {
	return p.contacts.Restore(key, header, removed)
}

// Restored ends the restore.
func (p *Partition) Restored() error {
	p.deferral.restored(p)
	all := make([]*number, 0, p.recency.n)
	p.recency.each(func(n *number) { all = append(all, n) })
	slices.SortStableFunc(all, func(a, b *number) int { return cmp.Compare(a.usedMS, b.usedMS) })
	for _, n := range all {
		p.recency.renew(n)
		if err := n.history.Restored(p.now); err != nil {
			return fmt.Errorf("history of number %s: %w", n.key, err)
		}
		p.pendingBoundaries.applyAgain(p, n)
		p.enqueueHeld(n)
		p.schedule.touched(n)
	}
	for _, r := range p.replays.open {
		if r.own == nil {
			continue
		}
		if err := r.own.Restored(); err != nil {
			return fmt.Errorf("state of replay %s: %w", r.id, err)
		}
		if r.ending {
			r.own.finish(r.seen)
		}
	}
	return nil
}

// Incomplete returns the number of state records that were missing at the restore, because their log was lost.
func (p *Partition) Incomplete() (n int) {
	p.recency.each(func(number *number) { n += number.history.Incomplete() })
	for _, r := range p.replays.open {
		if r.own != nil {
			n += r.own.Incomplete()
		}
	}
	return n
}
