package contacts

import (
	"unsafe"

	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/schemas"
)

// entry is the state of an id (a phone number or a BSUID) of one business's number. The two spellings of a phone number
// are one id.
type entry struct {
	newest Version // the newest change that names the id
	links  uint32  // head of the list of the ids that were named together with it
	shown  bool    // there is a row under the id
	told   bool    // the Book has seen a change that names it; otherwise newest has no meaning
	// alone: the newest change names no other id. If it names one, Book.alone has the newest change that names this id
	// alone, if there was one.
	alone  bool
	longer bool // the row is under the longer spelling of two
}

// Book holds the address books of all numbers of one partition. It is not safe for concurrent use.
type Book struct {
	entries dedup.Table[entry]
	alone   map[*entry]Version // see entry.alone
	ties    ties
	late    lateChanges
	links   links
	scratch []byte
}

// New returns an empty Book.
func New() *Book { return &Book{alone: make(map[*entry]Version), ties: ties{}} }

// Verdict is the result of applying a change.
type Verdict uint8

// The verdicts.
const (
	Applied   Verdict = iota // it is the contact's newest change
	Duplicate                // it is already known
	Stale                    // a newer change is known; its ids may still merge rows
	Nobody                   // it names neither a phone number nor a BSUID
)

var verdictNames = [...]string{Applied: "applied", Duplicate: "duplicate", Stale: "stale", Nobody: "nobody"}

// String is the verdict in lower case.
func (v Verdict) String() string { return verdictNames[v] }

// Apply applies a change and appends the resulting records to dst: at most one Put, for the change itself, before any
// Merge.
func (b *Book) Apply(dst []Effect, c Change) ([]Effect, Verdict) {
	switch {
	case len(c.Phone) > 0 && len(c.User) > 0 && string(c.Phone) != string(c.User):
		return b.applyPair(dst, c)
	case len(c.ID()) > 0:
		return b.applyAlone(dst, c)
	}
	return dst, Nobody
}

// applyAlone applies a change that names one id.
func (b *Book) applyAlone(dst []Effect, c Change) ([]Effect, Verdict) {
	id := c.ID()
	e := b.entry(c.Number, id)
	before := *e
	if b.seen(e, c.Version) && !b.overtaken(e, c.Version) {
		return dst, Duplicate
	}
	b.raise(e, c.Version, true)
	newest := e.newest == c.Version
	late := !newest && c.Version.tied(e.newest)
	hidden := !newest
	for at := e.links; at != 0 && !hidden; at = b.links.cells[at].next {
		single, ok := b.single(b.entry(c.Number, b.links.id(b.links.cells[at].other)))
		hidden = ok && single.after(c.Version)
		late = late || hidden && c.Version.tied(single)
	}
	if late {
		b.noteLate(e, &c, id)
	}
	own := Effect{ID: id, Action: action(c), Version: c.Version, Phone: c.Phone, User: c.User, Linked: b.links.first(e.links)}
	switch {
	case !hidden:
		dst = b.write(dst, e, own)
	case newest && e.shown:
		dst = b.hide(dst, e, own)
	}
	for at := e.links; at != 0; at = b.links.cells[at].next {
		other := b.links.id(b.links.cells[at].other)
		o := b.entry(c.Number, other)
		switch {
		case !o.shown:
		case o.alone && c.Version.after(o.newest):
			merged := Effect{ID: other, Linked: id}
			if len(c.Phone) > 0 {
				merged.User = other
			} else {
				merged.Phone = other
			}
			dst = b.hide(dst, o, merged)
		case newest && before.told && o.newest == before.newest:
			// The row under the phone number belonged to the BSUID's newest change.
			dst = b.hide(dst, o, Effect{ID: other, Phone: other, User: id})
		}
	}
	if hidden {
		return dst, Stale
	}
	return dst, Applied
}

// applyPair applies a change that names a phone number and a BSUID.
func (b *Book) applyPair(dst []Effect, c Change) ([]Effect, Verdict) {
	p, u := b.entry(c.Number, c.Phone), b.entry(c.Number, c.User)
	if (b.seen(p, c.Version) || b.seen(u, c.Version)) && !b.overtaken(p, c.Version) && !b.overtaken(u, c.Version) {
		return dst, Duplicate
	}
	before := *u
	b.raise(p, c.Version, false)
	b.raise(u, c.Version, false)
	if p.newest != c.Version && c.Version.tied(p.newest) {
		b.noteLate(p, &c, c.Phone)
	}
	if u.newest != c.Version && c.Version.tied(u.newest) {
		b.noteLate(u, &c, c.User)
	}
	fresh := b.link(p, u, c.Phone, c.User)
	newestOfPhone, newestOfUser := p.newest == c.Version, u.newest == c.Version
	verdict, told := Stale, len(dst)

	own := Effect{ID: c.Phone, Action: action(c), Version: c.Version, Phone: c.Phone, User: c.User}
	switch {
	case newestOfPhone && newestOfUser:
		verdict = Applied
		dst = b.write(dst, p, own)
	case newestOfPhone && p.shown:
		dst = b.hide(dst, p, own)
	}
	if newestOfUser && before.told {
		dst = b.leave(dst, c, u, before.newest)
	}
	if fresh {
		dst = b.join(dst, c, p, u)
		if len(dst) == told {
			dst = b.remember(dst, c, p, u)
		}
	}
	return dst, verdict
}

// leave hides the row of the change that was a BSUID's newest one before c. The row is under the BSUID, or under
// another phone number of that change.
func (b *Book) leave(dst []Effect, c Change, u *entry, was Version) []Effect {
	if u.shown {
		return b.hide(dst, u, Effect{ID: c.User, Phone: c.Phone, User: c.User})
	}
	for at := u.links; at != 0; at = b.links.cells[at].next {
		other := b.links.id(b.links.cells[at].other)
		if o := b.entry(c.Number, other); o.shown && o.newest == was {
			return b.hide(dst, o, Effect{ID: other, Phone: other, User: c.User})
		}
	}
	return dst
}

// join hides the older row of a phone number and a BSUID, if both were named alone and are one contact.
func (b *Book) join(dst []Effect, c Change, p, u *entry) []Effect {
	ps, pok := b.single(p)
	us, uok := b.single(u)
	switch {
	case !pok || !uok:
	case p.shown && p.alone && us.after(ps):
		dst = b.hide(dst, p, Effect{ID: c.Phone, Phone: c.Phone, Linked: c.User})
	case u.shown && u.alone && ps.after(us):
		dst = b.hide(dst, u, Effect{ID: c.User, User: c.User, Linked: c.Phone})
	}
	return dst
}

// remember writes a link as a tombstone under an id without a row, because the change that names both ids is too old
// for a row.
func (b *Book) remember(dst []Effect, c Change, p, u *entry) []Effect {
	switch {
	case !u.shown && u.newest == c.Version:
		return b.hide(dst, u, Effect{ID: c.User, Phone: c.Phone, User: c.User})
	case !p.shown && p.newest == c.Version:
		return b.hide(dst, p, Effect{ID: c.Phone, Phone: c.Phone, User: c.User})
	case !u.shown && u.alone:
		return b.hide(dst, u, Effect{ID: c.User, User: c.User, Linked: c.Phone})
	case !p.shown && p.alone:
		return b.hide(dst, p, Effect{ID: c.Phone, Phone: c.Phone, Linked: c.User})
	}
	return dst
}

// write appends a change's own record: the row, or its removal. It removes the row of the other spelling. A removal
// removes the row under either spelling.
func (b *Book) write(dst []Effect, e *entry, own Effect) []Effect {
	b.tellLate(e)
	own.Tied = b.tiedOf(e)
	if own.Action == Remove {
		own.under(b.rowID(e, own.ID))
		e.shown = false
		return append(dst, own)
	}
	dst = append(dst, own)
	if spelling := longer(own.ID); e.shown && e.longer != spelling {
		own.Action, own.Linked = Merge, nil
		own.under(b.rowID(e, own.ID))
		dst = append(dst, own)
		e.longer = spelling
	} else {
		e.shown, e.longer = true, spelling
	}
	return dst
}

// hide appends the tombstone of a row that gives way to one under another id.
func (b *Book) hide(dst []Effect, e *entry, effect Effect) []Effect {
	b.tellLate(e)
	effect.under(b.rowID(e, effect.ID))
	effect.Action, effect.Version, effect.Tied = Merge, e.newest, b.tiedOf(e)
	e.shown = false
	return append(dst, effect)
}

// rowID returns the id of the row of e: id, or its other spelling.
func (b *Book) rowID(e *entry, id []byte) []byte {
	if !e.shown || e.longer == longer(id) {
		return id
	}
	return identity.OtherSpelling(id)
}

func longer(id []byte) bool {
	var buffer [canonicalBytes]byte
	_, longer := identity.AppendCanonical(buffer[:0], id)
	return longer
}

// canonicalBytes is enough for any phone number.
const canonicalBytes = 32

func action(c Change) Action {
	if c.Remove {
		return Remove
	}
	return Put
}

// raise records a change that names an id.
func (b *Book) raise(e *entry, v Version, alone bool) {
	was, single := *e, Version{}
	hadSingle := false
	if was.told && !was.alone {
		single, hadSingle = b.alone[e]
	}
	switch {
	case !e.told || v.after(e.newest):
		if alone {
			delete(b.alone, e)
		} else if e.alone {
			b.alone[e] = e.newest
		}
		e.newest, e.alone, e.told = v, alone, true
	case alone && !e.alone:
		if !hadSingle || v.after(single) {
			b.alone[e] = v
		}
	}
	if !was.told {
		return
	}
	if v.after(was.newest) {
		b.gaveWay(e, was.newest)
	}
	if hadSingle {
		b.gaveWay(e, single)
	}
	b.gaveWay(e, v)
	b.outdate(e)
}

// single returns the newest change that names an id alone.
func (b *Book) single(e *entry) (Version, bool) {
	if e.alone {
		return e.newest, true
	}
	v, ok := b.alone[e]
	return v, ok
}

// linksMax bounds the ids that count as one contact with an id. A user has a phone number and a user id, and seldom
// another one. Each change of the id walks through the list.
const linksMax = 64

// link records that two ids are one contact. It reports whether that is new.
func (b *Book) link(e, o *entry, id, other []byte) bool {
	if b.links.has(o.links, id) || b.links.full(e.links) || b.links.full(o.links) {
		return false
	}
	e.links = b.links.push(e.links, other)
	o.links = b.links.push(o.links, id)
	return true
}

// entry returns the entry of an id of a number, and adds it if necessary.
func (b *Book) entry(number, id []byte) *entry {
	var buffer [canonicalBytes]byte
	canonical, _ := identity.AppendCanonical(buffer[:0], id)
	h, scratch := schemas.HashParts(b.scratch, number, canonical)
	b.scratch = scratch
	e, _ := b.entries.Obtain(h)
	return e
}

// Len returns the number of known ids, with removed and merged ones.
func (b *Book) Len() int { return b.entries.Len() }

// Bytes returns the approximate memory of the Book: a Go map is between 7/16 and 7/8 full.
func (b *Book) Bytes() int {
	const slot = int(unsafe.Sizeof((*entry)(nil)) + unsafe.Sizeof(Version{}) + 1)
	return b.entries.Bytes() + len(b.alone)*slot*3/2 +
		len(b.ties)*(slot+4*int(unsafe.Sizeof(Version{}))) + b.late.bytes() + cap(b.links.cells)*int(unsafe.Sizeof(cell{})) + cap(b.links.ids)
}
