package partition

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// unprocessed are the changes of a body that could not be processed as a whole or in part. One letter reports all of
// them.
type unprocessed struct {
	reason  schemas.Reason // of the first
	detail  string
	changes []unprocessedChange
	rest    int // the first change that is left out together with all later ones, if hasRest is set
	hasRest bool
}

type unprocessedChange struct {
	change int
	parts  int // the number of its parts; 0: the whole change
}

// whole notes a change that could not be processed at all.
func (f *unprocessed) whole(i int, reason schemas.Reason) {
	f.note(reason, "a part of the body could not be attributed")
	f.changes = append(f.changes, unprocessedChange{change: i})
}

// odd notes a change that is invalid, or has invalid parts.
func (f *unprocessed) odd(i int, c *split.Change) {
	if f.reason == "" {
		detail := c.Odd.Detail
		if c.Odd.Offset > 0 {
			detail = fmt.Sprintf("%s at byte %d", detail, c.Odd.Offset)
		}
		f.note(c.Odd.Reason, detail)
	}
	parts := c.Cut
	if c.Refused {
		parts = 0
	}
	f.changes = append(f.changes, unprocessedChange{i, parts})
}

// over notes the changes over a bound of the body, from one on.
func (f *unprocessed) over(i int, why split.Error) {
	f.note(why.Reason, why.Detail)
	f.rest, f.hasRest = i, true
}

// wholly notes that no part of the last noted change counts as processed.
func (f *unprocessed) wholly() { f.changes[len(f.changes)-1].parts = 0 }

func (f *unprocessed) note(reason schemas.Reason, detail string) {
	if f.reason == "" {
		f.reason, f.detail = reason, detail
	}
}

func (f *unprocessed) text() string {
	switch n := len(f.changes); {
	case f.hasRest:
		return f.detail + "; the changes before it were processed"
	case n == 0:
		return "the body has no changes"
	case n == 1 && f.changes[0].parts <= 1:
		return f.detail + "; the other parts were processed"
	}
	return f.detail + "; further parts could not be processed either, and the rest was processed"
}

// partsBytesMax bounds each header that names unprocessed changes or parts. A longer list is left out. Then the next
// attempt processes all changes, and the deduplication window drops the events that have left.
const partsBytesMax = 8 << 10

// headers returns headers with the changes and their parts.
func (f *unprocessed) headers(b *split.Body) []Header {
	var changes []byte
	parts := 0
	for i, c := range f.changes {
		if i > 0 {
			changes = append(changes, ',')
		}
		changes = strconv.AppendInt(changes, int64(c.change), 10)
		parts += c.parts
	}
	if f.hasRest {
		if len(changes) > 0 {
			changes = append(changes, ',')
		}
		changes = append(strconv.AppendInt(changes, int64(f.rest), 10), '-')
	}
	if len(changes) == 0 || len(changes) > partsBytesMax {
		return nil
	}
	hs := []Header{{schemas.HeaderDLQChanges, changes}}
	if f.hasEntry(b) {
		parts++ // a later attempt may number the changes behind an entry differently: only the places are certain
		hs = nil
	}
	if parts == 0 {
		return hs
	}
	if places := f.places(b); places != nil {
		hs = append(hs, Header{schemas.HeaderDLQPlaces, places})
	}
	return hs
}

// hasEntry reports whether one of the changes stands for a whole entry.
func (f *unprocessed) hasEntry(b *split.Body) bool {
	return slices.ContainsFunc(f.changes, func(c unprocessedChange) bool { return b.Changes[c.change].Index < 0 })
}

// places returns the paths of the parts, and those of whole changes; nil if they are too many.
func (f *unprocessed) places(b *split.Body) []byte {
	var all []byte
	next := 0
	for _, c := range f.changes {
		if c.parts == 0 {
			all = append(b.Changes[c.change].AppendPath(all), ',')
			continue
		}
		found := 0
		for ; next < len(b.Places) && int(b.Places[next].Change) <= c.change; next++ {
			if int(b.Places[next].Change) == c.change {
				all = append(b.Places[next].AppendPath(all, b), ',')
				found++
			}
		}
		if found != c.parts || len(all) > partsBytesMax {
			return nil
		}
	}
	if f.hasRest {
		all = append(b.Changes[f.rest].AppendPath(all), '-', ',')
	}
	if len(all) > partsBytesMax {
		return nil
	}
	return all[:len(all)-1]
}
