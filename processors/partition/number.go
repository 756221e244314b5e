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

// number is all that is known of one phone number of one WABA.
type number struct {
	key      string // escaped "waba/phone_number_id", in state keys
	id       history.Identity
	source   []byte       // ce_source
	wabaHash schemas.Hash // of its WABA: see known
	history  *history.Number
	media    *media.Book

	told bool // its identity is in `state`
	// introduced: the partition of its id knows its WABA. moved: it has none, and its sync goes on under its WABA; removing: what
	// was told of that until then is to be taken back. again: its sync is told again as it is.
	introduced, moved, again bool
	removing                 time.Time // zero: it is not
	named                    time.Time // when the first live webhook was received that named it; see introduce
	namedAnew                time.Time // when that was received that named it anew; see onboardings
	namedAtOnce              time.Time // when the account event was received that named it last; not in `state`
	displayAt                time.Time // when that was received from which its display number is

	counted, countedLive bool // see business.count
	countedPhone         string

	business      *business
	share         *sourceShare
	phone         string  // its display number, see phoneKey
	heard         int     // how many of the business's fresh account events it was told
	usedMS        int64   // when it was heard of last, see usedPrecision; 0: not known
	before, after *number // of recency

	active  int64  // when something last showed it connected, in Unix milliseconds; 0 after a restart
	live    bool   // a webhook of the live lane named it
	replay  string // the replay that wrote the last record that concerned it; "": none did
	changed bool
	wanting bool
	behind  bool // records of its business wait: see setBehind

	// Of the schedule.
	due       time.Time
	place     int
	scheduled bool
	stale     bool
}

// display is the number as people write it: as the change has it, else as the webhook had it that was received first, unless
// that was after this one.
func (n *number) display(c *split.Change, receivedAt time.Time) []byte {
	switch {
	case len(c.DisplayPhoneNumber) > 0:
		return c.DisplayPhoneNumber
	case n.displayAt.After(receivedAt):
		return nil
	}
	return bytesOf(n.id.DisplayPhoneNumber)
}

// show notes how a webhook writes the number. The one that was received first counts, whatever is processed first.
func (n *number) show(display []byte, receivedAt time.Time) (changed bool) {
	if len(display) == 0 || n.id.DisplayPhoneNumber != "" && !receivedAt.Before(n.displayAt) {
		return false
	}
	changed = n.id.DisplayPhoneNumber != str(display)
	n.displayAt, n.told = receivedAt, false
	if changed {
		n.id.DisplayPhoneNumber = string(display)
	}
	return changed
}

// known is under which key the partition knows something of the number again. Of one without a WABA, or with another one, it is
// another key than of the same number: these two are of different partitions, or by chance of one, and that must not matter.
func (n *number) known(key schemas.Hash) schemas.Hash {
	if n.id.WABAID == "" {
		key.Lo = ^key.Lo
		return key
	}
	key.Hi ^= n.wabaHash.Hi
	key.Lo ^= n.wabaHash.Lo
	return key
}

// numberKey is a number's place in state keys. Ids are digits in practice; escaping keeps keys of odd ones
// unambiguous.
func numberKey(waba, phoneNumberID string) string {
	return url.QueryEscape(waba) + "/" + url.QueryEscape(phoneNumberID)
}

// number finds or makes the number of a change. It is nil, and there is a reason, where there is no room for another one.
func (t *Partition) number(o *Origin, c *split.Change) (*number, schemas.Reason) {
	waba, phoneNumberID, display := c.WABA, c.PhoneNumberID, c.DisplayPhoneNumber
	t.scratch = append(append(append(t.scratch[:0], waba...), '/'), phoneNumberID...)
	n, ok := t.numbers[str(t.scratch)]
	if !ok {
		by := str(o.Source)
		if reason := t.roomFor(str(waba), by); reason != "" {
			return nil, reason
		}
		n = t.addNumber(history.Identity{WABAID: string(waba), PhoneNumberID: string(phoneNumberID), DisplayPhoneNumber: string(display)})
		t.countNumber(n, t.sourceShare(by))
		n.displayAt = o.ReceivedAt
	} else if n.show(display, o.ReceivedAt) {
		n.history.Name(n.id)
		t.applyFreshEvents(n) // as what it was until now
		n.business.named(n)
	}
	t.applyFreshEvents(n)
	t.used(n)
	t.introduce(n, o)
	t.touch(n)
	return n, ""
}

func (t *Partition) addNumber(id history.Identity) *number {
	n := &number{
		key: numberKey(id.WABAID, id.PhoneNumberID), id: id,
		source:   []byte("/whatsapp/" + numberKey(id.WABAID, id.PhoneNumberID)),
		wabaHash: schemas.HashBytes([]byte(id.WABAID)),
		history:  history.NewNumber(&t.cfg.History, id),
		media:    media.New(&t.cfg.Media),
	}
	n.behind = t.behindAtFirst(n)
	t.numbersOfWindows(n)
	t.numbers[id.WABAID+"/"+id.PhoneNumberID] = n
	n.business = t.business(id.WABAID)
	n.heard = len(n.business.fresh) // it hears of them from announced
	n.business.numbers = append(n.business.numbers, n)
	n.business.named(n)
	t.recency.push(n)
	t.countNumber(n, t.sourceShare(""))
	return n
}

// State keys: a kind, the number, and what the number's parts call it.
const (
	stateNumber  = "n|" // n|waba/number: identity
	stateHistory = "h|" // h|waba/number|key of package history
	stateMedia   = "m|" // m|waba/number|key of package media
	stateRecent  = "r|" // r|bucket|page: see pages
	stateReplay  = "y|" // y|id of a replay: see replay
	// b|waba: account events, see announced
	stateAnnounced = "b|"
	// e|waba: the account events without a time, see undated
	stateUndated = "e|"
	// c|phone_number_id/contact: changes of a contact that its row does not tell, see contacts.Book.TakeState
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
func (t *Partition) Flush() {
	t.applyFreshEventsToAll()
	for _, n := range t.changed {
		n.changed = false
		t.flushNumber(n)
	}
	concerned := len(t.changed)
	clear(t.changed)
	t.changed = t.changed[:0]
	t.forgetIdle(concerned)
	t.people.End()
	t.pages.flush(t)
	t.pendingBoundaries.flush(t)
	t.onboardings.flush(t)
	t.undated.flush(t)
	t.flushContacts()
	t.directory.flush(t)
	t.deferral.flush(t)
	t.flushReplayStates()
	t.flushReplays()
}

func (t *Partition) flushNumber(n *number) {
	if !n.told {
		n.told = true
		value, err := json.Marshal(identityRecord{n.id.WABAID, n.id.PhoneNumberID, n.id.DisplayPhoneNumber, n.introduced, n.moved, n.replay, n.live, n.usedMS, n.share.source, millisOf(n.named), millisOf(n.displayAt), millisOf(n.namedAnew)})
		if err != nil {
			panic(fmt.Sprintf("marshal of strings and flags: %v", err))
		}
		t.state(t.arena.copy(stateNumber, n.key), value)
	}
	n.history.TakeState(func(key string, value []byte) {
		t.state(t.arena.copy(stateHistory, n.key, "|", key), value)
	})
	n.media.TakeState(func(key string, value []byte) {
		t.state(t.arena.copy(stateMedia, n.key, "|", key), value)
	})
	if !n.removing.IsZero() {
		t.removeSync(n)
		n.removing = time.Time{}
	}
	for {
		s, ok := n.history.TakeSync()
		if !ok {
			return
		}
		if n.moved {
			continue
		}
		e := event{topic: schemas.TopicSyncs, ceType: schemas.TypeSync, source: n.source, time: timeOf(&s), subject: []byte(n.id.PhoneNumberID)}
		value := t.value(&s, 1024)
		// The id is a function of the state told, so that a transaction that is done again tells the same.
		e.id, t.scratch = schemas.HashParts(t.scratch, []byte(schemas.TypeSync), []byte(n.key), value)
		if n.again {
			n.again = false
			e.id, t.scratch = schemas.HashParts(t.scratch, []byte(schemas.TypeSync), []byte(n.key), value, []byte(schemas.ReroutedMoved))
		}
		t.emit(&e, t.arena.copy(n.id.PhoneNumberID), value, n.ofReplay()...)
	}
}

// concerns notes whether a record that concerns a number was written by a replay. What is told of its sync is an event of
// the replay then, until something else concerns it: also what time brings about later.
func (t *Partition) concerns(o *Origin, n *number) {
	var id string
	if o.Replay != nil {
		id = str(o.Replay.ID)
	}
	t.concernedBy(n, id)
}

func (t *Partition) concernedBy(n *number, replay string) {
	if n.replay == replay || t.outer != nil { // a replay state tells no syncs
		return
	}
	n.replay, n.told = strings.Clone(replay), false
}

// ofReplay is the header of an event that a replay brought about.
func (n *number) ofReplay() []Header {
	if n.replay == "" {
		return nil
	}
	return []Header{{schemas.HeaderReplay, []byte(n.replay)}}
}

// retell lets a number's sync be told even where nothing changed.
func (t *Partition) retell(n *number) {
	n.again = n.history.Retell()
}

// timeOf is when the state of a sync came about.
func timeOf(s *schemas.Sync) time.Time {
	if s.EndedAt != nil && s.EndedAt.After(s.LastAt) {
		return *s.EndedAt
	}
	return s.LastAt
}

// state emits a record of the state changelog; a nil value is a tombstone.
func (t *Partition) state(key, value []byte) {
	t.out(Record{Topic: schemas.TopicState, Partition: t.cfg.Partition, Key: key, Value: value})
}

// RestoreState takes the newest record of one key of the `state` topic.
func (t *Partition) RestoreState(key string, value []byte) error {
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
		n := t.restoring(id.WABAID, id.PhoneNumberID)
		n.id, n.told = history.Identity{WABAID: id.WABAID, PhoneNumberID: id.PhoneNumberID, DisplayPhoneNumber: id.DisplayPhoneNumber}, true
		t.countNumber(n, t.sourceShare(id.Source))
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
		n := t.restoring(waba, phone)
		if kind == stateHistory {
			return n.history.Restore(key, value)
		}
		return n.media.Restore(key, value)
	case stateReplayState:
		return t.restoreReplayState(rest, value)
	case stateReplay:
		return t.restoreReplay(rest, value)
	case stateDirectory:
		return t.directory.restore(rest, value)
	case stateAnnounced:
		return t.pendingBoundaries.restore(rest, value)
	case stateOnboarding:
		return t.onboardings.restore(rest, value)
	case stateUndated:
		return t.undated.restore(rest, value)
	case stateDeferred:
		return t.deferral.queue.Restore(rest, value)
	case stateBegun:
		return t.deferral.restoreBegun(value)
	case stateContacts:
		return t.contacts.RestoreLate(rest, value)
	case stateRecent:
		return t.pages.restore(t, rest, value)
	}
	return fmt.Errorf("unknown kind of state; it was written by a newer version")
}

func (t *Partition) restoring(waba, phoneNumberID string) *number {
	if n, ok := t.numbers[waba+"/"+phoneNumberID]; ok {
		return n
	}
	return t.addNumber(history.Identity{WABAID: waba, PhoneNumberID: phoneNumberID})
}

// RestoreContact takes one record of the `contacts` topic, in offset order.
func (t *Partition) RestoreContact(key []byte, header func(string) []byte, removed bool) error {
	return t.contacts.Restore(key, header, removed)
}

// Restored ends the restoration.
func (t *Partition) Restored() error {
	t.deferral.restored(t)
	all := make([]*number, 0, t.recency.n)
	t.recency.each(func(n *number) { all = append(all, n) })
	slices.SortStableFunc(all, func(a, b *number) int { return cmp.Compare(a.usedMS, b.usedMS) })
	for _, n := range all {
		t.recency.renew(n)
		if err := n.history.Restored(t.now); err != nil {
			return fmt.Errorf("history of number %s: %w", n.key, err)
		}
		t.want(n)
		t.schedule.touched(n)
	}
	for _, r := range t.replays.open {
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

// Incomplete is how many records were missing from the state when it was restored: they were lost with the log that held them.
func (t *Partition) Incomplete() (n int) {
	t.recency.each(func(number *number) { n += number.history.Incomplete() })
	for _, r := range t.replays.open {
		if r.own != nil {
			n += r.own.Incomplete()
		}
	}
	return n
}

// want puts a number in line if its next chunk has to be read again.
func (t *Partition) want(n *number) {
	if n.wanting {
		return
	}
	if _, ok := n.history.Next(t.now); ok {
		n.wanting = true
		t.wanting = append(t.wanting, n)
	}
}
