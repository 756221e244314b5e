package judge

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// told is one change of an address book in the truth.
type told struct {
	truth.Contact
	body int32
}

// row is one row of the table.
type row struct {
	Phone, User, FullName, FirstName string
	TimestampMS, Version             int64
	Digest                           truth.Digest
}

// book is the address book of one number: its changes, the expected table, and the present one.
type book struct {
	told []told
	want map[string]row
	have map[string]row
	// last is the newest version of a key in the topic.
	last  map[string][2]int64
	wrong map[string]bool // keys whose rows differ

	texts map[truth.Digest]int // index into told, by the text of changes in the raw log
	names map[string]bool      // keys of changes
}

func newBook() *book {
	return &book{
		want: map[string]row{}, have: map[string]row{}, last: map[string][2]int64{}, wrong: map[string]bool{},
		texts: map[truth.Digest]int{}, names: map[string]bool{},
	}
}

func keyOfContact(phone, user string) string {
	if phone != "" {
		return phone
	}
	return user
}

// expectTables applies the changes in the order of time. The result is the table.
func (j *Judge) expectTables() {
	for _, b := range j.contacts {
		b.told = slices.DeleteFunc(b.told, func(t told) bool { return !j.bodies[t.body].present() })
		// Within one second, the later one counts: by the order of the raw log, and within a body by the order of the
		// array. A repeated body counts at its first place.
		slices.SortStableFunc(b.told, func(a, c told) int {
			x, y := &j.bodies[a.body], &j.bodies[c.body]
			return cmp.Or(cmp.Compare(a.TimestampMS, c.TimestampMS), cmp.Compare(a.Version, c.Version),
				cmp.Compare(x.receivedMS, y.receivedMS), cmp.Compare(x.offset, y.offset))
		})
		rows := map[string]string{} // the row key of a person, by the one spelling of its number
		for i, t := range b.told {
			b.texts[t.Digest], b.names[keyOfContact(t.Phone, t.User)] = i, true
			key := keyOfContact(t.Phone, t.User)
			if t.Phone != "" && t.User != "" {
				delete(b.want, t.User)
			}
			one := oneSpelling(key)
			delete(b.want, rows[one])
			if t.Remove {
				continue
			}
			rows[one] = key
			b.want[key] = row{t.Phone, t.User, t.FullName, t.FirstName, t.TimestampMS, t.Version, t.Digest}
		}
		for key := range b.want {
			b.wrong[key] = true
		}
		j.owe(schemas.TopicContacts, len(b.want))
	}
}

// contact judges a record of the contacts topic and applies it to the table.
func (j *Judge) contact(r *Record, e *event, n int32) {
	b := j.contacts[n]
	if b == nil {
		j.fault(r.Topic, Unexpected, "%s: number %s has no address book", r, e.PhoneNumberID)
		return
	}
	j.keyed(r, e.PhoneNumberID+"/"+e.ID)
	got := row{e.PhoneNumber, e.UserID, e.FullName, e.FirstName, e.TimestampMS, e.Version, e.digest}
	i, known := b.texts[got.Digest]
	switch {
	case !known && !b.names[e.ID]:
		j.fault(r.Topic, Unexpected, "%s: nobody told of contact %s of %s", r, e.ID, e.PhoneNumberID)
		return
	case !known:
		j.fault(r.Topic, WrongContent, "%s: contact %s of %s: original differs from the sent one", r, e.ID, e.PhoneNumberID)
		j.apply(b, e.ID, row{Digest: b.want[e.ID].Digest}, e.TimestampMS, e.Version, r)
		return
	}
	t := &b.told[i]
	var d differences
	d.text("id", e.ID, keyOfContact(t.Phone, t.User))
	d.text("phone_number", got.Phone, t.Phone)
	d.text("user_id", got.User, t.User)
	d.text("full_name", got.FullName, t.FullName)
	d.text("first_name", got.FirstName, t.FirstName)
	d.number("timestamp_ms", got.TimestampMS, t.TimestampMS)
	d.number("version", got.Version, t.Version)
	j.differs(r, &d, "contact %s of %s", e.ID, e.PhoneNumberID)
	if len(d) > 0 {
		got = row{Digest: got.Digest}
	}
	j.apply(b, e.ID, got, e.TimestampMS, e.Version, r)
}

// contactGone judges a tombstone of the contacts topic: its headers still have the change and its time.
func (j *Judge) contactGone(p *Reading) {
	r, ceType := &p.record, p.ceType
	number, id, ok := cut(string(r.Key))
	n, known := j.byID[number]
	if !ok || !known {
		j.foreign++
		return
	}
	j.topics[r.Topic].Seen++
	j.envelope(p)
	j.partitioned(r, j.numbers[n].WABA)
	stamp, _ := r.header(schemas.HeaderContactTimestamp)
	ms, err := strconv.ParseInt(stamp, 10, 64)
	action, _ := r.header(schemas.HeaderContactAction)
	if err != nil || action != "remove" && action != "merge" || ceType != schemas.TypeContactRemoved {
		j.fault(r.Topic, BadHeaders, "%s: a tombstone of type %q, action %q, timestamp %q", r, ceType, action, stamp)
	}
	version, _ := r.header(schemas.HeaderContactVersion)
	v, _ := strconv.ParseInt(version, 10, 64)
	b := j.contacts[n]
	if b == nil {
		j.fault(r.Topic, Unexpected, "%s: number %s has no address book", r, number)
		return
	}
	if action == "remove" {
		if !slices.ContainsFunc(b.told, func(t told) bool {
			return t.Remove && oneSpelling(keyOfContact(t.Phone, t.User)) == oneSpelling(id) && t.TimestampMS == ms && t.Version == v
		}) {
			j.fault(r.Topic, Unexpected, "%s: nobody removed contact %s of %s at %d", r, id, number, ms)
			return
		}
		j.apply(b, id, row{}, ms, v, r)
	} else {
		delete(b.have, id)
		j.recheck(b, id)
	}
	j.unique(r, &event{PhoneNumberID: number}, n)
}

func cut(key string) (number, id string, ok bool) {
	for i := range len(key) {
		if key[i] == '/' {
			return key[:i], key[i+1:], true
		}
	}
	return key, "", false
}

// apply puts a row into the table as a consumer does; the zero row removes it.
func (j *Judge) apply(b *book, key string, v row, ms, version int64, r *Record) {
	if last, known := b.last[key]; known && (ms < last[0] || ms == last[0] && version < last[1]) {
		j.fault(r.Topic, OutOfOrder, "%s: contact %s at %d stands behind its version of %d", r, key, ms, last[0])
	}
	b.last[key] = [2]int64{ms, version}
	if v == (row{}) {
		delete(b.have, key)
	} else {
		b.have[key] = v
	}
	j.recheck(b, key)
}

// recheck compares one row of the table with the truth.
func (j *Judge) recheck(b *book, key string) {
	want, wanted := b.want[key]
	have, there := b.have[key]
	wrong := wanted != there || want.Digest != have.Digest
	switch {
	case wrong && !b.wrong[key]:
		b.wrong[key] = true
		j.missing++
	case !wrong && b.wrong[key]:
		delete(b.wrong, key)
		j.missing--
	}
}
