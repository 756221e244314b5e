package contacts

import (
	"unsafe"

	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/schemas"
)

// entry is what is known of an id, a phone number or a BSUID, of one business's number. The two spellings of a phone number
// are one id.
type entry struct {
	newest Version // the newest change that names the id
	links  uint32  // head of the list of the ids that were named together with it
	shown  bool    // there is a row under the id
	told   bool    // a change that names it was seen; before that newest says nothing
	// alone: the newest change names no other id. Where it does, the newest that names this id alone is in
	// Book.alone, if there was one.
	alone  bool
	longer bool // the row stands under the longer spelling of two
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

// New makes an empty Book.
func New() *Book { return &Book{alone: make(map[*entry]Version), ties: ties{}} }

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
			// The row under the phone number was that of the BSUID's newest change.
			dst = b.hide(dst, o, Effect{ID: other, Phone: other, User: id})
		}
	}
	if hidden {
		return dst, Stale
	}
	return dst, Applied
}

// applyPair takes a change that names a phone number and a BSUID.
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

// leave hides the row of what was the newest change of a BSUID before c: under the BSUID, or under another
// phone number that it named.
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

// join hides the older of the rows of a phone number and a BSUID that turn out to be one contact, where
// both were named alone.
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

// remember writes a link that no row tells, since the change that tells it is too old for a row, as a
// tombstone under an id that has no row.
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

// write appends a change's own record: the row, or its removal. A row under the other spelling gives way to it; a removal
// takes away the row that there is, whichever its spelling.
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

// rowID is the id under which the row of e stands: id, or its other spelling.
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

// canonicalBytes is room for any phone number.
const canonicalBytes = 32

func action(c Change) Action {
	if c.Remove {
		return Remove
	}
	return Put
}

// raise notes a change that names an id.
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

// single is the newest change that names an id alone.
func (b *Book) single(e *entry) (Version, bool) {
	if e.alone {
		return e.newest, true
	}
	v, ok := b.alone[e]
	return v, ok
}

// linksMax bounds the ids that are remembered as one contact with an id: a user has a phone number and a user id, and seldom
// another. A list is walked through for each change of the id.
const linksMax = 64

// link notes that two ids are one contact. It reports whether that is new.
func (b *Book) link(e, o *entry, id, other []byte) bool {
	if b.links.has(o.links, id) || b.links.full(e.links) || b.links.full(o.links) {
		return false
	}
	e.links = b.links.push(e.links, other)
	o.links = b.links.push(o.links, id)
	return true
}

// entry is that of an id of a number, a new one when the id was not known.
func (b *Book) entry(number, id []byte) *entry {
	var buffer [canonicalBytes]byte
	canonical, _ := identity.AppendCanonical(buffer[:0], id)
	h, scratch := schemas.HashParts(b.scratch, number, canonical)
	b.scratch = scratch
	e, _ := b.entries.Obtain(h)
	return e
}

// Len is the number of ids that are known: of rows, and of removed and merged ones.
func (b *Book) Len() int { return b.entries.Len() }

// Bytes is what the Book costs in memory, nearly: a Go map is between 7/16 and 7/8 full.
func (b *Book) Bytes() int {
	const slot = int(unsafe.Sizeof((*entry)(nil)) + unsafe.Sizeof(Version{}) + 1)
	return b.entries.Bytes() + len(b.alone)*slot*3/2 +
		len(b.ties)*(slot+4*int(unsafe.Sizeof(Version{}))) + b.late.bytes() + cap(b.links.cells)*int(unsafe.Sizeof(cell{})) + cap(b.links.ids)
}
