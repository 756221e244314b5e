package judge

import (
	"cmp"
	"slices"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// singleKey is the identity of an account event, or of a change of an unknown field: its content.
type singleKey struct {
	event  truth.Kind
	owner  string // WABA
	digest truth.Digest
	name   string // of an account event, because a field may have the same words
	time   int64  // 0: it has none, and may occur several times
}

// single is one webhook with it.
type single struct {
	number  *number
	account *truth.Account
	other   *truth.Other
}

// once is an event that is expected once; without a time, once for each time that it happened.
type once struct {
	key     singleKey
	bodies  []int32
	tellers []single
	owed    []int32         // the first body of each time that it happened
	seen    map[string]bool // by ce_id
}

func (j *Judge) single(key singleKey) *once {
	o := j.singles[key]
	if o == nil {
		o = &once{key: key, seen: map[string]bool{}}
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

// expectSingles computes how often each event is expected. An account event without a time happened again if the log
// has another one between, about its number or the whole business. The end of an onboarding also happened again if a
// sign between shows the number connected.
func (j *Judge) expectSingles() {
	type telling struct {
		o    *once
		body int32
		s    single
	}
	undated := map[string][]telling{} // of businesses
	for _, o := range j.singles {
		for i, b := range o.bodies {
			switch {
			case !j.bodies[b].present():
			case o.key.event == truth.KindAccount:
				undated[o.key.owner] = append(undated[o.key.owner], telling{o, b, o.tellers[i]})
			case len(o.owed) == 0:
				o.owed = append(o.owed, b)
			}
		}
	}
	connected := j.connectedAt()
	for _, all := range undated {
		slices.SortFunc(all, func(a, b telling) int {
			x, y := &j.bodies[a.body], &j.bodies[b.body]
			return cmp.Or(cmp.Compare(x.receivedMS, y.receivedMS), cmp.Compare(x.offset, y.offset), cmp.Compare(a.body, b.body))
		})
		last, at := map[*number]*once{}, map[*number]int64{}
		for _, t := range all {
			n, ms := t.s.number, j.bodies[t.body].receivedMS
			back := ends(t.o.key.name) && anyWithin(connected[n], at[n], ms)
			again := t.o.key.time == 0 && (last[n] != t.o || back)
			at[n] = ms
			if len(t.o.owed) == 0 || again {
				t.o.owed = append(t.o.owed, t.body)
			}
			if t.s.account.Phone == "" {
				clear(last)
			}
			last[n] = t.o
		}
	}
	for _, o := range j.singles {
		j.owe(o.topic(), len(o.owed))
	}
}

// ends reports whether an account event ends an onboarding.
func ends(event string) bool { return event == "PARTNER_REMOVED" || event == "ACCOUNT_OFFBOARDED" }

// connectedAt returns, for each number, the sorted receipts of webhooks that show it connected: those with history,
// messages, echoes and contacts.
func (j *Judge) connectedAt() map[*number][]int64 {
	at := map[*number][]int64{}
	note := func(n *number, body int32) {
		if b := &j.bodies[body]; b.present() {
			at[n] = append(at[n], b.receivedMS)
		}
	}
	for i := range j.parts {
		switch p := &j.parts[i]; p.kind {
		case kindChunk, kindMedia, kindEcho, kindMessage, kindDecline:
			note(&j.numbers[p.number], p.body)
		}
	}
	for i := range j.numbers {
		for _, w := range j.numbers[i].windows {
			for _, f := range w.failures {
				note(&j.numbers[i], f.body)
			}
		}
	}
	for i, book := range j.contacts {
		for k := range book.told {
			note(&j.numbers[i], book.told[k].body)
		}
	}
	for _, list := range at {
		slices.Sort(list)
	}
	return at
}

// anyWithin reports whether one of sorted times is within two others.
func anyWithin(sorted []int64, from, to int64) bool {
	i, _ := slices.BinarySearch(sorted, from)
	return i < len(sorted) && sorted[i] <= to
}

// account judges an account event.
func (j *Judge) account(r *Record, e *event) {
	o := j.singles[singleKey{event: truth.KindAccount, owner: e.WABAID, digest: e.digest, name: e.Event, time: e.Time}]
	if !j.onlyOnce(r, e, o) {
		return
	}
	var d differences
	a := o.tellers[0].account
	d.text("entry_id", e.EntryID, a.EntryID)
	d.text("phone_number", e.PhoneNumber, a.Phone)
	d.text("event", e.Event, a.Event)
	// The number of the event may be unknown.
	if e.PhoneNumberID != "" && !slices.ContainsFunc(o.tellers, func(s single) bool { return s.number.PhoneNumberID == e.PhoneNumberID }) {
		d.text("phone_number_id", e.PhoneNumberID, o.tellers[0].number.PhoneNumberID)
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

// onlyOnce reports whether the event needs further checks.
func (j *Judge) onlyOnce(r *Record, e *event, o *once) bool {
	switch {
	case o == nil && j.altered(r, e):
		return false
	case o == nil || len(o.owed) == 0:
		j.fault(r.Topic, Unexpected, "%s: nobody sent this to WABA %s", r, e.WABAID)
		return false
	}
	id, _ := r.header(schemas.HeaderCEID)
	if o.seen[id] || len(o.seen) == len(o.owed) {
		j.fault(r.Topic, Duplicated, "%s: WABA %s, %s", r, e.WABAID, o.key.digest)
		return false
	}
	bodies := o.bodies
	if len(o.owed) > 1 {
		bodies = o.owed[len(o.seen) : len(o.seen)+1]
	}
	o.seen[id] = true
	j.missing--
	j.inOrder(r, bodies, 0)
	return true
}

// altered returns the event whose text was altered: the only one of its kind, name and owner that was not seen yet.
func (j *Judge) altered(r *Record, e *event) bool {
	var match *once
	for _, o := range j.singles {
		if o.topic() != r.Topic || len(o.seen) >= len(o.owed) || o.key.owner != e.WABAID {
			continue
		}
		t := o.tellers[0]
		if t.account != nil && o.key.digest != e.digest && (t.account.Event != e.Event || t.account.Time != e.Time) || t.other != nil && t.other.Field != e.Field {
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
	id, _ := r.header(schemas.HeaderCEID)
	match.seen[id] = true
	j.missing--
	j.fault(r.Topic, WrongContent, "%s: this differs from the change that was sent to WABA %s", r, e.WABAID)
	return true
}
