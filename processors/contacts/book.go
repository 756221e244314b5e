package contacts

import (
	"unsafe"

	"github.com/coexstream/coexstream/schemas"
)

// Book holds the address books of all numbers of one partition. It is not safe for concurrent use.
type Book struct {
	entries map[schemas.Hash]entry
	alone   map[schemas.Hash]Version // see entry.alone
	links   links
	scratch []byte
}

// entry is what is known of an id, a phone number or a BSUID, of one business's number.
type entry struct {
	newest Version // the newest change that names the id
	links  uint32  // head of the list of the ids that were named together with it
	shown  bool    // there is a row under the id
	// alone: the newest change names no other id. Where it does, the newest that names this id alone is in
	// Book.alone, if there was one.
	alone bool
}

// New makes an empty Book.
func New() *Book {
	return &Book{entries: make(map[schemas.Hash]entry), alone: make(map[schemas.Hash]Version)}
}

// Verdict is what became of a change.
type Verdict uint8

// The verdicts.
const (
	Applied   Verdict = iota // it is the contact's newest
	Duplicate                // it is known already
	Stale                    // something newer is known; what it tells of the contact's ids may still merge rows
	Nobody                   // it names neither a phone number nor a BSUID
)

var verdictNames = [...]string{Applied: "applied", Duplicate: "duplicate", Stale: "stale", Nobody: "nobody"}

// String is the verdict in lower case.
func (v Verdict) String() string { return verdictNames[v] }

// Apply takes a change and appends the records that it brings about to dst: at most one Put, and that is the
// change's own, before any Merge.
func (b *Book) Apply(dst []Effect, c Change) ([]Effect, Verdict) {
	switch {
	case len(c.Phone) > 0 && len(c.User) > 0 && string(c.Phone) != string(c.User):
		return b.applyPair(dst, c)
	case len(c.ID()) > 0:
		return b.applyAlone(dst, c)
	}
	return dst, Nobody
}

// applyAlone takes a change that names one id.
func (b *Book) applyAlone(dst []Effect, c Change) ([]Effect, Verdict) {
	id := c.ID()
	h := b.hash(c.Number, id)
	before, existed := b.entries[h]
	if single, ok := b.single(h, before); existed && (c.Version == before.newest || ok && c.Version == single) {
		return dst, Duplicate
	}
	e := b.raise(h, c.Version, true)
	newest := e.newest == c.Version
	hidden := !newest
	for at := e.links; at != 0; at = b.links.cells[at].next {
		oh := b.hash(c.Number, b.links.id(b.links.cells[at].other))
		if single, ok := b.single(oh, b.entries[oh]); ok && single.after(c.Version) {
			hidden = true
			break
		}
	}
	linked := b.links.first(e.links)
	switch {
	case !hidden:
		dst = append(dst, Effect{ID: id, Action: action(c), Version: c.Version, Phone: c.Phone, User: c.User, Linked: linked})
		e.shown = !c.Remove
	case newest && e.shown:
		dst = append(dst, Effect{ID: id, Action: Merge, Version: c.Version, Phone: c.Phone, User: c.User, Linked: linked})
		e.shown = false
	}
	b.entries[h] = e
	for at := e.links; at != 0; at = b.links.cells[at].next {
		other := b.links.id(b.links.cells[at].other)
		oh := b.hash(c.Number, other)
		o := b.entries[oh]
		switch {
		case !o.shown:
		case o.alone && c.Version.after(o.newest):
			dst = b.hide(dst, oh, named(Effect{ID: other, Linked: id}, other, len(c.Phone) == 0))
		case newest && existed && o.newest == before.newest:
			// The row under the phone number is that of the BSUID's newest change so far.
			dst = b.hide(dst, oh, Effect{ID: other, Phone: other, User: id})
		}
	}
	if hidden {
		return dst, Stale
	}
	return dst, Applied
}

// applyPair takes a change that names a phone number and a BSUID.
func (b *Book) applyPair(dst []Effect, c Change) ([]Effect, Verdict) {
	ph, uh := b.hash(c.Number, c.Phone), b.hash(c.Number, c.User)
	phoneBefore, userBefore := b.entries[ph], b.entries[uh]
	if c.Version == phoneBefore.newest || c.Version == userBefore.newest {
		return dst, Duplicate
	}
	b.raise(ph, c.Version, false)
	b.raise(uh, c.Version, false)
	fresh := b.link(ph, uh, c.Phone, c.User)
	p, u := b.entries[ph], b.entries[uh]
	newestOfPhone, newestOfUser := p.newest == c.Version, u.newest == c.Version
	verdict, told := Stale, len(dst)

	switch pair := (Effect{ID: c.Phone, Phone: c.Phone, User: c.User, Version: c.Version}); {
	case newestOfPhone && newestOfUser:
		verdict = Applied
		pair.Action = action(c)
		dst = append(dst, pair)
		p.shown = !c.Remove
		b.entries[ph] = p
	case newestOfPhone && p.shown:
		dst = b.hide(dst, ph, pair)
	}
	if newestOfUser {
		dst = b.leave(dst, c, uh, userBefore.newest)
	}
	if fresh {
		dst = b.join(dst, c, ph, uh)
		if len(dst) == told {
			dst = b.remember(dst, c, ph, uh)
		}
	}
	return dst, verdict
}

// leave hides the row of what was the newest change of a BSUID before c: under the BSUID, or under another
// phone number that it named.
func (b *Book) leave(dst []Effect, c Change, uh schemas.Hash, was Version) []Effect {
	u := b.entries[uh]
	if u.shown {
		return b.hide(dst, uh, Effect{ID: c.User, Phone: c.Phone, User: c.User})
	}
	for at := u.links; at != 0; at = b.links.cells[at].next {
		other := b.links.id(b.links.cells[at].other)
		oh := b.hash(c.Number, other)
		if o := b.entries[oh]; o.shown && o.newest == was {
			return b.hide(dst, oh, Effect{ID: other, Phone: other, User: c.User})
		}
	}
	return dst
}

// join hides the older of the rows of a phone number and a BSUID that turn out to be one contact, where
// both were named alone.
func (b *Book) join(dst []Effect, c Change, ph, uh schemas.Hash) []Effect {
	p, u := b.entries[ph], b.entries[uh]
	ps, pok := b.single(ph, p)
	us, uok := b.single(uh, u)
	switch {
	case !pok || !uok:
	case p.shown && p.alone && us.after(ps):
		dst = b.hide(dst, ph, Effect{ID: c.Phone, Phone: c.Phone, Linked: c.User})
	case u.shown && u.alone && ps.after(us):
		dst = b.hide(dst, uh, Effect{ID: c.User, User: c.User, Linked: c.Phone})
	}
	return dst
}

// remember writes a link that no row tells, since the change that tells it is too old for a row, as a
// tombstone under an id that has no row.
func (b *Book) remember(dst []Effect, c Change, ph, uh schemas.Hash) []Effect {
	p, u := b.entries[ph], b.entries[uh]
	switch {
	case !u.shown && u.newest == c.Version:
		return b.hide(dst, uh, Effect{ID: c.User, Phone: c.Phone, User: c.User})
	case !p.shown && p.newest == c.Version:
		return b.hide(dst, ph, Effect{ID: c.Phone, Phone: c.Phone, User: c.User})
	case !u.shown && u.alone:
		return b.hide(dst, uh, Effect{ID: c.User, User: c.User, Linked: c.Phone})
	case !p.shown && p.alone:
		return b.hide(dst, ph, Effect{ID: c.Phone, Phone: c.Phone, Linked: c.User})
	}
	return dst
}

// hide appends the tombstone of a row that gives way to one under another id.
func (b *Book) hide(dst []Effect, h schemas.Hash, effect Effect) []Effect {
	e := b.entries[h]
	e.shown = false
	b.entries[h] = e
	effect.Action, effect.Version = Merge, e.newest
	return append(dst, effect)
}

func action(c Change) Action {
	if c.Remove {
		return Remove
	}
	return Put
}

// named is the effect of a change that names an id alone.
func named(e Effect, id []byte, isPhone bool) Effect {
	if isPhone {
		e.Phone = id
	} else {
		e.User = id
	}
	return e
}

// raise notes a change that names an id.
func (b *Book) raise(h schemas.Hash, v Version, alone bool) entry {
	e, existed := b.entries[h]
	switch {
	case !existed || v.after(e.newest):
		if alone {
			delete(b.alone, h)
		} else if existed && e.alone {
			b.alone[h] = e.newest
		}
		e.newest, e.alone = v, alone
		b.entries[h] = e
	case alone && !e.alone:
		if single, ok := b.alone[h]; !ok || v.after(single) {
			b.alone[h] = v
		}
	}
	return e
}

// single is the newest change that names an id alone.
func (b *Book) single(h schemas.Hash, e entry) (Version, bool) {
	if e.alone {
		return e.newest, true
	}
	v, ok := b.alone[h]
	return v, ok
}

// link notes that two ids, both with an entry, are one contact. It tells whether that is new.
func (b *Book) link(h, oh schemas.Hash, id, other []byte) bool {
	e, o := b.entries[h], b.entries[oh]
	if b.links.has(o.links, id) {
		return false
	}
	e.links = b.links.push(e.links, other)
	b.entries[h] = e
	o.links = b.links.push(o.links, id)
	b.entries[oh] = o
	return true
}

func (b *Book) hash(number, id []byte) schemas.Hash {
	h, scratch := schemas.HashParts(b.scratch, number, id)
	b.scratch = scratch
	return h
}

// Len is the number of ids that are known: of rows and of removed and merged ones.
func (b *Book) Len() int { return len(b.entries) }

// Bytes estimates what the Book costs: Go's maps are between 7/16 and 7/8 full.
func (b *Book) Bytes() int {
	const slot = int(unsafe.Sizeof(schemas.Hash{}) + unsafe.Sizeof(entry{}) + 1)
	const aloneSlot = int(unsafe.Sizeof(schemas.Hash{}) + unsafe.Sizeof(Version{}) + 1)
	return (len(b.entries)*slot+len(b.alone)*aloneSlot)*3/2 +
		cap(b.links.cells)*int(unsafe.Sizeof(cell{})) + cap(b.links.ids)
}
