package task

import (
	"encoding/json"

	"github.com/coexstream/coexstream/processors/account"
	"github.com/coexstream/coexstream/processors/history"
	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// account emits an account event and tells the numbers of the WABA where it parts two onboardings: those that are known,
// and those that will be.
func (t *Task) account(o *Origin, c *split.Change) {
	var content schemas.Hash
	content, t.scratch = account.EventID(t.scratch, c)
	id := t.undated.id(c, content)
	if !t.first(o, o.ReceivedAt, id, id, schemas.RankConcrete) {
		t.counts.Duplicates[KindAccount]++
		return
	}
	t.undated.note(c, content, id, o.ReceivedAt)
	e := event{topic: schemas.TopicAccount, ceType: schemas.TypeAccount, id: id, source: t.source(c),
		time: unix(c.EntryTime), origin: t.place(o, c.Entry, c.Index), trace: o}
	v := schemas.Account{
		WABAID: string(c.WABA), PhoneNumber: string(c.PhoneNumber), PhoneNumberID: t.numberConcerned(c), Event: string(c.AccountEvent),
		Time: c.EntryTime, Original: json.RawMessage(c.Value),
	}
	if string(c.EntryID) != v.WABAID {
		v.EntryID = string(c.EntryID)
	}
	t.put(&e, o, t.arena.copy(str(businessOf(c))), t.value(&v, len(c.Value)))
	kind := account.KindOf(c.AccountEvent)
	if kind == account.Neither {
		return
	}
	parts := history.Boundary{Opens: kind == account.Opens, Time: unix(c.EntryTime), ReceivedAt: o.ReceivedAt}
	t.announced.add(v.WABAID, announcement{v.PhoneNumber, parts})
	told := freshEvent{phone: phoneKey(v.PhoneNumber), parts: parts, begins: kind != account.Closes, named: o.named()}
	if o.Replay != nil {
		told.replay = string(o.Replay.ID)
	}
	if b := t.businesses[v.WABAID]; b != nil {
		t.announce(b, told)
	}
}

// numberConcerned is the phone_number_id of the number that an account event is about: that in the metadata, else that of
// the number of the WABA which value.phone_number spells. It is empty where that is not known. A number counts as known
// when a webhook of the live lane named it: whether one of the other lane did by then depends on when each is read, and a
// replay would tell otherwise.
func (t *Task) numberConcerned(c *split.Change) string {
	if len(c.PhoneNumberID) > 0 {
		return string(c.PhoneNumberID)
	}
	if len(c.WABA) == 0 {
		return ""
	}
	b := t.businesses[str(c.WABA)] // of a replay with a state of its own: the numbers that it has seen by then
	digits, ok := identity.Canonical(c.PhoneNumber)
	if b == nil || !ok {
		return ""
	}
	var id string
	for _, n := range b.byPhone[digits] {
		if n.live && identity.IsPhone(bytesOf(n.id.DisplayPhoneNumber)) && (id == "" || n.id.PhoneNumberID < id) {
			id = n.id.PhoneNumberID
		}
	}
	return id
}
