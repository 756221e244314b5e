package judge

import (
	"slices"

	"github.com/coexstream/coexstream/bench/truth"
	"github.com/coexstream/coexstream/schemas"
)

// singleKey is the identity of an account event, or of a change of an unknown field: what it says.
type singleKey struct {
	event  truth.Kind
	owner  string // WABA
	digest truth.Digest
}

// single is one telling of it.
type single struct {
	number  *number
	account *truth.Account
	other   *truth.Other
}

// once is an event that has to be there once.
type once struct {
	key     singleKey
	bodies  []int32
	tellers []single
	owed    bool
	seen    bool
}

func (j *Judge) single(key singleKey) *once {
	o := j.singles[key]
	if o == nil {
		o = &once{key: key}
		j.singles[key] = o
	}
	return o
}

func (o *once) told(body int32, s single) {
	o.bodies = append(o.bodies, body)
	o.tellers = append(o.tellers, s)
}

func (o *once) topic() schemas.Topic {
	if o.key.event == truth.KindAccount {
		return schemas.TopicAccount
	}
	return schemas.TopicOther
}

// account judges an account event.
func (j *Judge) account(r *Record, e *event) {
	o := j.singles[singleKey{event: truth.KindAccount, owner: e.WABAID, digest: e.digest}]
	if !j.onlyOnce(r, e, o) {
		return
	}
	var d differences
	a := o.tellers[0].account
	d.text("entry_id", e.EntryID, a.EntryID)
	d.text("phone_number", e.PhoneNumber, a.Phone)
	d.text("event", e.Event, a.Event)
	// Which number it is about need not be known.
	if e.PhoneNumberID != "" && !slices.ContainsFunc(o.tellers, func(s single) bool { return s.number.PhoneNumberID == e.PhoneNumberID }) {
		d.text("phone_number_id", e.PhoneNumberID, o.tellers[0].number.PhoneNumberID)
	}
	if !slices.ContainsFunc(o.tellers, func(s single) bool { return s.account.Time == e.Time }) {
		d.number("time", e.Time, a.Time)
	}
	j.differs(r, &d, "account event %s of WABA %s", a.Event, e.WABAID)
	j.keyed(r, e.WABAID)
}

// other judges a change of an unknown field.
func (j *Judge) other(r *Record, e *event) {
	o := j.singles[singleKey{event: truth.KindOther, owner: e.WABAID, digest: e.digest}]
	if !j.onlyOnce(r, e, o) {
		return
	}
	var d differences
	d.text("field", e.Field, o.tellers[0].other.Field)
	j.differs(r, &d, "change of field %s of WABA %s", e.Field, e.WABAID)
	j.keyed(r, e.WABAID)
}

// onlyOnce says whether the event is to be looked at further.
func (j *Judge) onlyOnce(r *Record, e *event, o *once) bool {
	switch {
	case o == nil && j.altered(r, e):
		return false
	case o == nil || !o.owed:
		j.fault(r.Topic, Unexpected, "%s: nobody sent this to WABA %s", r, e.WABAID)
		return false
	case o.seen:
		j.fault(r.Topic, Duplicated, "%s: WABA %s, %s", r, e.WABAID, o.key.digest)
		return false
	}
	o.seen = true
	j.missing--
	j.inOrder(r, o.bodies, 0)
	return true
}

// altered finds the event whose text was altered: the only one of its kind, name and owner that was not
// seen yet.
func (j *Judge) altered(r *Record, e *event) bool {
	var match *once
	for _, o := range j.singles {
		if o.topic() != r.Topic || o.seen || !o.owed || o.key.owner != e.WABAID {
			continue
		}
		t := o.tellers[0]
		if t.account != nil && (t.account.Event != e.Event || t.account.Time != e.Time) || t.other != nil && t.other.Field != e.Field {
			continue
		}
		if match != nil {
			return false
		}
		match = o
	}
	if match == nil {
		return false
	}
	match.seen = true
	j.missing--
	j.fault(r.Topic, WrongContent, "%s: original is not what was sent to WABA %s", r, e.WABAID)
	return true
}
