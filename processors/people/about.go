package people

import (
	"slices"

	"github.com/coexstream/coexstream/processors/identity"
	"github.com/coexstream/coexstream/processors/split"
)

// About returns the entries of contacts[] that the messages of an element of history[] can match, by their positions.
// It includes all that Chat and Past may find, for any number of the business. The result is valid until the next call.
func (f *Finder) About(c *split.Change, el *split.HistoryElement) []int32 {
	f.matched = f.matched[:0]
	if len(c.Profiles) <= scanMax {
		for i := range c.Profiles {
			if hasMessages(el) {
				f.matched = append(f.matched, int32(i))
			}
		}
		return f.matched
	}
	x := f.index(c)
	for i := range el.Threads {
		t := &el.Threads[i]
		if len(t.Messages) == 0 {
			continue
		}
		threadGroup := groupOfThread(t)
		f.about(x, personOf(t.ID, nil, nil))
		f.about(x, personOf(t.WaID, t.UserID, t.ParentUserID))
		for j := range t.Messages {
			msg := &t.Messages[j]
			names := namesOf(msg)
			f.about(x, senderOf(msg, names, nil))
			f.about(x, receiverOf(msg, names, nil))
			if msg.Names != nil && changesUser(names) {
				f.aboutChanged(x, &names.System)
				f.aboutChanged(x, &names.UserIDUpdate)
			}
			if group := firstOf(threadGroup, groupOf(msg, names)); len(group) > 0 { // as in Past
				f.about(x, senderOf(msg, names, group))
				f.about(x, receiverOf(msg, names, group))
			}
		}
	}
	slices.Sort(f.matched)
	f.matched = slices.Compact(f.matched)
	return f.matched
}

func hasMessages(el *split.HistoryElement) bool {
	return slices.ContainsFunc(el.Threads, func(t split.Thread) bool { return len(t.Messages) > 0 })
}

// aboutChanged appends the entries that changedUser can match.
func (f *Finder) aboutChanged(x index, y *split.System) {
	f.about(x, personOf(y.WaID, y.UserID, y.ParentUserID))
	for _, id := range [...][]byte{y.PreviousUserID, y.PreviousParentUserID, y.PreviousWaID} {
		f.about(x, personOf(id, nil, nil))
	}
}

// about appends the entries that match examines for a person.
func (f *Finder) about(x index, p person) {
	if digits, ok := identity.Canonical(p.phone); ok {
		f.matched = x.appendLookedAt(f.matched, digits)
	}
	f.matched = x.appendLookedAt(f.matched, text(p.user))
	f.matched = x.appendLookedAt(f.matched, text(p.parent))
}

// appendLookedAt appends the entries that appendFound examines for an id.
func (x index) appendLookedAt(dst []int32, id string) []int32 {
	if id == "" {
		return dst
	}
	for i, n := x.first(id), 0; i < len(x) && x[i].id == id && n < lookedAtMax; i, n = i+1, n+1 {
		dst = append(dst, x[i].at)
	}
	return dst
}
