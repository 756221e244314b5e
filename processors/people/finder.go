package people

import (
	"cmp"
	"slices"
	"strings"

	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// Side is the other side of an item.
type Side struct {
	Direction string          `json:",omitzero"`
	Thread    string          `json:",omitzero"` // empty if nobody is named
	GroupID   string          `json:",omitempty"`
	Contact   schemas.Contact `json:",omitzero"`
	// Profiles are the entries of contacts[] about the contact, as a JSON array of their own; nil: none.
	Profiles []byte `json:"-"`
}

// Person returns the contact; nil: unknown.
func (s *Side) Person() *schemas.Contact {
	if s.Contact == (schemas.Contact{}) {
		return nil
	}
	return &s.Contact
}

// Finder finds the sides of the items of one body after another. It belongs to one goroutine.
type Finder struct {
	indexes map[*split.Change]index // of the long contacts[] of the body
	matched []int32
	ofItem  []byte // Profiles of the last item
	ofChat  []byte // Profiles of the chat
	chat    chat
	side    Side
}

// Begin prepares for another body.
func (f *Finder) Begin() {
	if len(f.indexes) > 0 {
		clear(f.indexes)
	}
}

// End releases the last body.
func (f *Finder) End() {
	f.Begin()
	f.chat = chat{}
	f.side = Side{}
}

// scanMax is the maximum length of a contacts[] that is walked through for every item. A longer one is sorted once, so
// that many items of many people cost n log n.
const scanMax = 8

const profilesMax = split.ProfilesMax

// lookedAtMax bounds the entries with one id that are examined.
const lookedAtMax = 16

// match returns the entries of contacts[] about p, in their order.
func (f *Finder) match(c *split.Change, p *person) []int32 {
	f.matched = f.matched[:0]
	if len(c.Profiles) == 0 || !p.named() {
		return nil
	}
	if len(c.Profiles) <= scanMax && !c.ProfilesChosen {
		for i := range c.Profiles {
			if q := profilePerson(&c.Profiles[i]); p.is(&q) {
				f.matched = append(f.matched, int32(i))
			}
		}
		f.matched = f.matched[:min(len(f.matched), profilesMax)]
		return f.matched
	}
	x := f.index(c)
	if digits, ok := identity.Canonical(p.phone); ok {
		f.matched = x.appendFound(f.matched, digits, c, p)
	}
	f.matched = x.appendFound(f.matched, text(p.user), c, p)
	f.matched = x.appendFound(f.matched, text(p.parent), c, p)
	slices.Sort(f.matched)
	f.matched = slices.Compact(f.matched)
	f.matched = f.matched[:min(len(f.matched), profilesMax)]
	return f.matched
}

// index returns the index of the contacts[] of a change.
func (f *Finder) index(c *split.Change) index {
	x, ok := f.indexes[c]
	if !ok {
		x = indexOf(c.Profiles)
		if f.indexes == nil {
			f.indexes = map[*split.Change]index{}
		}
		f.indexes[c] = x
	}
	return x
}

// only returns the only person of contacts[], except the business.
func (f *Finder) only(c *split.Change, display []byte) []int32 {
	f.matched = f.matched[:0]
	if len(c.Profiles) > scanMax || c.ProfilesChosen {
		return nil
	}
	display = digitsOf(display)
	var first person
	for i := range c.Profiles {
		q := profilePerson(&c.Profiles[i])
		if samePhone(q.phone, display) || identity.IsGroupID(c.Profiles[i].WaID) {
			continue
		}
		if len(f.matched) == 0 {
			first = q
		} else if !q.is(&first) {
			return nil
		}
		f.matched = append(f.matched, int32(i))
	}
	return f.matched
}

func profilePerson(e *split.Profile) person { return personOf(e.WaID, e.UserID, e.ParentUserID) }

// index contains the ids of a long contacts[], sorted.
type index []indexed

type indexed struct {
	id string
	at int32
}

func indexOf(profiles []split.Profile) index {
	x := make(index, 0, 2*len(profiles))
	for i := range profiles {
		p := profilePerson(&profiles[i])
		if digits, ok := identity.Canonical(p.phone); ok {
			x = append(x, indexed{digits, int32(i)})
		}
		for _, id := range [...][]byte{p.user, p.parent} {
			if len(id) > 0 {
				x = append(x, indexed{text(id), int32(i)})
			}
		}
	}
	slices.SortFunc(x, func(a, b indexed) int {
		return cmp.Or(strings.Compare(a.id, b.id), cmp.Compare(a.at, b.at))
	})
	return x
}

// appendFound appends the first entries that have an id. An entry that has it as another kind of id does not count.
func (x index) appendFound(dst []int32, id string, c *split.Change, p *person) []int32 {
	if id == "" {
		return dst
	}
	for i, n := x.first(id), 0; i < len(x) && x[i].id == id && n < lookedAtMax; i, n = i+1, n+1 {
		if q := profilePerson(&c.Profiles[x[i].at]); p.is(&q) {
			dst = append(dst, x[i].at)
		}
	}
	return dst
}

// first returns the position of the first entry with an id.
func (x index) first(id string) int {
	i, _ := slices.BinarySearchFunc(x, id, func(e indexed, id string) int { return strings.Compare(e.id, id) })
	return i
}

// contact sets the contact and the profiles of a side that has none yet: from p, and from the entries about it.
func (f *Finder) contact(s *Side, c *split.Change, display []byte, p *person, profiles *[]byte) {
	s.Contact.WaID, s.Contact.UserID, s.Contact.ParentUserID = text(p.phone), text(p.user), text(p.parent)
	if len(c.Profiles) == 0 {
		return
	}
	var found []int32
	if p.named() {
		found = f.match(c, p)
	} else {
		found = f.only(c, display)
	}
	if len(found) == 0 {
		return
	}
	b := append((*profiles)[:0], '[')
	for n, at := range found {
		e := &c.Profiles[at]
		if n > 0 {
			b = append(b, ',')
		}
		b = append(b, e.Raw...)
		q := profilePerson(e)
		s.Contact.WaID = cmp.Or(s.Contact.WaID, text(q.phone))
		s.Contact.UserID = cmp.Or(s.Contact.UserID, text(q.user))
		s.Contact.ParentUserID = cmp.Or(s.Contact.ParentUserID, text(q.parent))
		s.Contact.Username = cmp.Or(s.Contact.Username, text(e.Username))
		s.Contact.CountryCode = cmp.Or(s.Contact.CountryCode, text(e.CountryCode))
		s.Contact.ProfileName = cmp.Or(s.Contact.ProfileName, text(e.Name))
	}
	*profiles = append(b, ']')
	s.Profiles = *profiles
}

// settle returns the side of p. before names the chat if nothing else does.
func (f *Finder) settle(direction string, c *split.Change, display []byte, p *person, group, before []byte) *Side {
	s := &f.side
	*s = Side{Direction: direction, GroupID: text(group)}
	f.contact(s, c, display, p, &f.ofItem)
	s.Thread = cmp.Or(s.GroupID, s.Contact.WaID, s.Contact.UserID, s.Contact.ParentUserID, text(before))
	return s
}
