package split

import "github.com/coexstream/coexstream/schemas"

// entryArray parses Meta's entry[].
func (s *Scanner) entryArray(i int) int {
	if s.in[i] != '[' {
		i = s.misfit(i, "entry is not an array")
		s.oddEntries()
		return i
	}
	i = s.enter(i)
	if s.isOdd() { // nested too deep
		s.oddEntries()
	}
	for n := 0; ; n++ {
		var more bool
		if i, more = s.item(n == 0, i); !more {
			return i
		}
		base, places, loose := len(s.changes), len(s.places), s.cutting.loose
		if s.in[i] == '{' {
			i = s.entry(i, n)
		} else {
			i = s.misfitElement(i, "an entry is not an object")
		}
		if s.isOdd() && i > 0 {
			s.cutting.loose = loose
			if !s.leaveOutEntry(i, n, base, places) {
				return -1
			}
		}
	}
}

// oddEntries notes the faults of the array of entries itself.
func (s *Scanner) oddEntries() {
	s.root.entries.note(s.odd.reason, s.odd.offset, s.odd.detail)
	s.odd = fault{}
}

// leaveOutEntry replaces the changes of an entry by one that stands for the whole entry. It names no business,
// because that is not known for all entries. It fails if the limit on items is reached.
func (s *Scanner) leaveOutEntry(i, index, base, places int) bool {
	s.root.odd++
	s.root.entries.note(s.odd.reason, s.odd.offset, s.odd.detail)
	for len(s.changes) > base {
		dropLast(&s.changes)
	}
	s.places = s.places[:places]
	c, ok := room(s, &s.changes, i)
	if !ok {
		return false
	}
	c.Entry, c.Index = index, -1
	outer := s.cutting
	s.cutting = cutting{region: regionEntries, change: int32(base), places: places}
	s.refuse(c)
	s.cutting = outer
	return true
}

func (s *Scanner) entry(i, index int) int {
	start, base := i, len(s.changes)
	var (
		id         []byte
		time       int64
		hasChanges bool
		errors     []byte
	)
	var o object
	i = s.enter(i)
	for {
		var more bool
		if i, more = s.key(&o, i); !more {
			break
		}
		switch string(o.key) {
		case "id":
			i = s.id(i, &id)
		case "time":
			i = s.seconds(i, &time)
		case "changes":
			hasChanges = s.in[i] != 'n'
			i = s.changeArray(i, index)
		case "errors", "error":
			i = s.errors(i, &errors)
		default:
			i = s.skip(i)
		}
	}
	if i > 0 && !s.isOdd() {
		if r := &s.root; len(r.entryID) == 0 {
			r.entryID, r.entryTime = id, time
		}
		if !hasChanges && !anyError(errors) {
			// It would vanish without a trace: there is no part to pass on
			s.soft(schemas.ReasonShape, start, "an entry without changes")
			s.root.empty++
		}
	}
	for k := base; k < len(s.changes); k++ {
		c := &s.changes[k]
		c.EntryID, c.EntryTime = id, time
		c.WABA = orElse(orElse(c.WABA, id), c.ownWABA)
	}
	if i > 0 && len(errors) > 0 && !s.outerErrors(i, index, base, Change{EntryID: id, EntryTime: time, WABA: id}, errors) {
		return -1
	}
	return i
}
