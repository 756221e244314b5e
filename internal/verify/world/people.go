package world

import "github.com/coexstream/coexstream/internal/verify/truth"

// entry is an entry of value.contacts[].
type entry struct {
	phone, user, parent, username, country, name string
	cut                                          bool // the name ends in half of a surrogate pair
}

// profile is a person in a webhook's contacts[]. Those known by their number have a user id there at times.
func (w *World) profile(n *number, person int, d *dice) entry {
	e := entry{name: firstNames[person%len(firstNames)]}
	if w.byUser(n, person) {
		e.user = w.user(n, person)
	} else {
		e.phone = digits(n.respelt(w.phone(n, person), d))
		if n.contexts {
			e.user = w.user(n, person)
		}
	}
	if e.user != "" && person%3 == 0 {
		e.username, e.country = "someone", e.user[:2]
		if person%2 == 0 {
			e.parent = e.user[:3] + "ENT." + e.user[len(e.user)-8:]
		}
	}
	return e
}

func (e *entry) append(dst []byte) []byte {
	dst = append(dst, `{"profile":{"name":`...)
	dst = appendQuoted(dst, e.name)
	if e.cut {
		dst = append(dst[:len(dst)-1], `\ud83d"`...)
	}
	if e.username != "" {
		dst = appendField(append(dst, ','), "username", e.username)
	}
	dst = append(dst, '}')
	for _, f := range [...]struct{ name, value string }{
		{"wa_id", e.phone}, {"user_id", e.user}, {"parent_user_id", e.parent}, {"country_code", e.country},
	} {
		if f.value != "" {
			dst = appendField(append(dst, ','), f.name, f.value)
		}
	}
	return append(dst, '}')
}

// known adds to a person what its entry says.
func (e *entry) known(p truth.Person) truth.Person {
	if p.Phone == "" {
		p.Phone = e.phone
	}
	if p.User == "" {
		p.User = e.user
	}
	p.Parent, p.Username, p.Country, p.Name = e.parent, e.username, e.country, e.name
	if e.cut {
		p.Name += "\ufffd"
	}
	p.Profiles = truth.Sum(append(e.append([]byte{'['}), ']'))
	return p
}

// appendEntries appends value.contacts, with an odd one, if there is any, in front.
func appendEntries(dst []byte, entries []entry, odd []byte) []byte {
	dst = append(dst, `"contacts":[`...)
	dst = append(dst, odd...)
	for i := range entries {
		if i > 0 || len(odd) > 0 {
			dst = append(dst, ',')
		}
		dst = entries[i].append(dst)
	}
	return append(dst, ']')
}

// group is the id of a group of a number.
func (w *World) group(n *number, index int32) string {
	return "120363" + w.user(n, int(index%7)+1<<18)[3:] + "@g.us"
}
