package split

import (
	"bytes"
	"strconv"
	"strings"
)

// chosen are the parts of a body that are to be processed, by their paths.
type chosen struct {
	places map[string]bool
	from   map[string]int // of an array, by its path with the last dot: all parts from this one on
	rest   string         // this change, and all that follow it
}

func chosenOf(places string) chosen {
	c := chosen{places: map[string]bool{}, from: map[string]int{}}
	for path := range bytes.SplitSeq([]byte(places), []byte{','}) {
		path, rest := bytes.CutSuffix(path, []byte{'-'})
		if !rest {
			c.places[string(path)] = true
			continue
		}
		dot := bytes.LastIndexByte(path, '.') + 1
		if bytes.Count(path, []byte{'.'}) == 1 {
			c.rest = string(path)
		} else if first, err := strconv.Atoi(string(path[dot:])); err == nil {
			c.from[string(path[:dot])] = first
		}
	}
	return c
}

// has reports whether a part is chosen. head is the path of its change; the rest of the path is appended to it.
func (c *chosen) has(head []byte, p Place) bool {
	path := p.append(head)
	if c.places[string(path)] {
		return true
	}
	if len(c.from) == 0 {
		return false
	}
	array := path[:bytes.LastIndexByte(path, '.')+1]
	first, ok := c.from[string(array)]
	if !ok {
		return false
	}
	at, err := strconv.Atoi(string(path[len(array):]))
	return err == nil && at >= first
}

// Chosen reports whether a change, or a part of it, is in places: paths separated by commas.
func (c *Change) Chosen(places string) bool {
	entry := strconv.Itoa(c.Entry)
	path := string(c.AppendPath(nil))
	for place := range strings.SplitSeq(places, ",") {
		place, rest := strings.CutSuffix(place, "-")
		if place == path || place == entry || strings.HasPrefix(place, path+".") || rest && follows(place, c) {
			return true
		}
	}
	return false
}

// follows reports whether a change comes after the one with a path.
func follows(path string, c *Change) bool {
	e, i, ok := strings.Cut(path, ".")
	entry, err := strconv.Atoi(e)
	index, err2 := strconv.Atoi(i)
	return ok && err == nil && err2 == nil && (c.Entry > entry || c.Entry == entry && c.Index > index)
}

// Only removes all parts of the changes except those in places, which has paths separated by commas. A change whose
// own path is in places, or that of its entry, stays whole. It is for a body that is processed again.
func (b *Body) Only(places string) {
	chosen := chosenOf(places)
	var path []byte
	whole := false
	for i := range b.Changes {
		c := &b.Changes[i]
		path = c.AppendPath(path[:0])
		whole = whole || string(path) == chosen.rest
		if !whole && !chosen.places[string(path)] && !chosen.places[strconv.Itoa(c.Entry)] {
			c.only(&chosen, path)
		}
	}
}

func (c *Change) only(chosen *chosen, path []byte) {
	head := len(path)
	has := func(p Place) bool { return chosen.has(path[:head], p) }
	messages := func(list []Message, p Place) []Message {
		if all := (Place{kind: p.kind, index: wholeArray}); p.kind != placePast && has(all) {
			return list
		}
		kept := list[:0]
		for _, m := range list {
			if p.index = m.Index; has(p) {
				kept = append(kept, m)
			}
		}
		return kept
	}
	c.Messages = messages(c.Messages, Place{kind: placeMessage})
	c.Echoes = messages(c.Echoes, Place{kind: placeEcho})
	c.Statuses = messages(c.Statuses, Place{kind: placeStatus})
	contacts := c.StateSync[:0]
	all := has(Place{kind: placeContact, index: wholeArray})
	for _, item := range c.StateSync {
		if all || has(Place{kind: placeContact, index: item.Index}) {
			contacts = append(contacts, item)
		}
	}
	c.StateSync = contacts
	all = has(Place{kind: placeElement, index: wholeArray})
	for e := range c.History {
		el := &c.History[e]
		if all || has(Place{kind: placeElement, element: int32(e)}) {
			continue
		}
		left := false
		for t := range el.Threads {
			th := &el.Threads[t]
			if !has(Place{kind: placeThread, element: int32(e), index: int32(t)}) {
				th.Messages = messages(th.Messages, Place{kind: placePast, element: int32(e), thread: int32(t)})
			}
			left = left || len(th.Messages) > 0
		}
		if !left {
			*el = HistoryElement{Out: true}
		}
	}
	c.Errors, c.Beside, c.Handovers, c.Partial = nil, nil, nil, true
}
