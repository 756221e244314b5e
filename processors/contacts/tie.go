package contacts

import "slices"

// tiesMax bounds the changes of one time that an id remembers beside the newest. Vendors write whole seconds, and
// nobody edits a contact more often than this in one. All contacts without a timestamp are of one time.
const tiesMax = 16

// ties contains, for ids with several known changes of one time, the changes that gave way. A repetition of one of them
// is a duplicate, and not the newest change.
type ties map[*entry][]Version

// gaveWay records a change of an id that is not, or no longer, its newest.
func (b *Book) gaveWay(e *entry, v Version) {
	if v.is(e.newest) {
		return
	}
	single, has := b.single(e)
	if has && v.is(single) || !v.tied(e.newest) && !(has && v.tied(single)) {
		return
	}
	list := b.ties[e]
	if slices.ContainsFunc(list, v.is) {
		return
	}
	i := len(list) // changes from before a restart are in their order, and have no arrival
	for i > 0 && list[i-1].Arrival.Compare(v.Arrival) > 0 {
		i--
	}
	list = slices.Insert(list, i, v)
	if len(list) > tiesMax {
		list = slices.Delete(list, 0, 1)
	}
	b.ties[e] = list
}

// seen reports whether a change that names an id is known.
func (b *Book) seen(e *entry, v Version) bool {
	if b.late.has(e, v) {
		return true
	}
	if !e.told {
		return false
	}
	if single, ok := b.single(e); v.is(e.newest) || ok && v.is(single) {
		return true
	}
	return len(b.ties) > 0 && slices.ContainsFunc(b.ties[e], v.is)
}

// overtaken reports whether a known change is repeated behind the newest one in the same body. An array with several
// items for one contact is in the order of writing, so its last item is the newest.
func (b *Book) overtaken(e *entry, v Version) bool {
	return len(b.ties) > 0 && slices.ContainsFunc(b.ties[e], v.is) && v.Arrival.sameBody(e.newest.Arrival) && v.after(e.newest)
}

// outdate forgets the changes of an id that have another time than its newest one.
func (b *Book) outdate(e *entry) {
	if len(b.ties) == 0 {
		return
	}
	list, ok := b.ties[e]
	if !ok {
		return
	}
	single, has := b.single(e)
	list = slices.DeleteFunc(list, func(v Version) bool {
		return v.is(e.newest) || has && v.is(single) || !v.tied(e.newest) && !(has && v.tied(single))
	})
	if len(list) == 0 {
		delete(b.ties, e)
		return
	}
	b.ties[e] = list
}

// tiedOf returns the digests of older changes of an id that have the time of its newest one.
func (b *Book) tiedOf(e *entry) (digests []uint64) {
	if single, ok := b.single(e); ok && !e.alone && single.tied(e.newest) {
		digests = append(digests, single.Digest)
	}
	if len(b.ties) == 0 {
		return digests
	}
	for _, v := range b.ties[e] {
		if v.tied(e.newest) {
			digests = append(digests, v.Digest)
		}
	}
	return digests
}
