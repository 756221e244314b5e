package history

import "slices"

// loose contains the held chunks without order, in the order of arrival.
type loose struct {
	items []held
	first int // items before it have left
}

func (l *loose) live() []held { return l.items[l.first:] }
func (l *loose) len() int     { return len(l.items) - l.first }
func (l *loose) push(h held)  { l.items = append(l.items, h) }

// bySeq returns the chunk with a sequence number; nil: none.
func (l *loose) bySeq(seq uint32) *held {
	live := l.live()
	if i := slices.IndexFunc(live, func(h held) bool { return h.seq == seq }); i >= 0 {
		return &live[i]
	}
	return nil
}

// remove removes the chunk with a sequence number, which is mostly the first.
func (l *loose) remove(seq uint32) {
	live := l.live()
	k := slices.IndexFunc(live, func(h held) bool { return h.seq == seq })
	if k > 0 {
		l.items = slices.Delete(l.items, l.first+k, l.first+k+1)
		return
	}
	l.first++
	switch n := l.len(); {
	case n == 0:
		*l = loose{}
	case l.first > 8 && l.first >= n:
		l.items, l.first = slices.Clone(l.live()), 0
	}
}

func (l *loose) bytes() int { return cap(l.items) * heldBytes }
