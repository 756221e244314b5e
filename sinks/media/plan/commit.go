package plan

import (
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// Commit takes the positions that changed since the last one; nil: none did. The caller reports a failed commit with Uncommitted.
func (p *Plan) Commit() map[queue.Place]queue.Position {
	changed := map[queue.Place]queue.Position{}
	for place, t := range p.tracks {
		if t.dirty {
			t.dirty = false
			changed[place] = t.position()
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return changed
}

// Uncommitted notes that a commit failed. Its positions are in the next one.
func (p *Plan) Uncommitted(positions map[queue.Place]queue.Position) {
	for place := range positions {
		if t := p.tracks[place]; t != nil {
			t.dirty = true
		}
	}
}

// position is the current position.
func (t *track) position() queue.Position {
	at := queue.Position{Log: t.was.Log, End: max(t.read, t.was.End)}
	add := func(from, to int64) {
		if n := len(at.Open); n > 0 && at.Open[n-1].To == from {
			at.Open[n-1].To = to
			return
		}
		at.Open = append(at.Open, queue.Range{From: from, To: to})
	}
	for _, it := range t.open {
		add(it.Offset, it.Offset+1)
	}
	for _, r := range t.was.Open { // of the part that was not read again yet
		if r.To > t.read {
			add(max(r.From, t.read), r.To)
		}
	}
	if at.Next = at.End; len(at.Open) > 0 {
		at.Next = at.Open[0].From
	}
	return at
}

// Positions yields all places: where reading continues, and how many assets before it have no outcome.
func (p *Plan) Positions(yield func(place queue.Place, read int64, held int)) {
	for place, t := range p.tracks {
		yield(place, t.read, len(t.open))
	}
}

// Items yields the assets without an outcome, and whether they are taken.
func (p *Plan) Items(yield func(it *Item, taken bool)) {
	for _, t := range p.tracks {
		for _, it := range t.open {
			yield(it, it.taken)
		}
	}
}

// Census is the state of a plan in figures.
type Census struct {
	Live, Past  int // assets without an outcome
	InFlight    int
	Denied      int       // businesses that wait for a token
	Hidden      int       // assets that the provider did not show to the token
	ExpireFirst time.Time // when the first asset expires; zero: there is none
}

// Census counts.
func (p *Plan) Census() (c Census) {
	for _, t := range p.tracks {
		if t.live {
			c.Live += len(t.open)
		} else {
			c.Past += len(t.open)
		}
		for _, it := range t.open {
			if it.last == Hidden {
				c.Hidden++
			}
		}
	}
	for _, isLive := range []bool{true, false} {
		if at := p.Oldest(isLive); !at.IsZero() && (c.ExpireFirst.IsZero() || at.Before(c.ExpireFirst)) {
			c.ExpireFirst = at
		}
	}
	c.InFlight = p.lanes[live].busy + p.lanes[past].busy
	for _, b := range p.businesses {
		if b.denied {
			c.Denied++
		}
	}
	return c
}

// Oldest is when the first asset of a lane expires; zero: there is none.
func (p *Plan) Oldest(isLive bool) (at time.Time) {
	for _, t := range p.tracks {
		if t.live != isLive {
			continue
		}
		for _, it := range t.open {
			if at.IsZero() || it.Asset.Expires.Before(at) {
				at = it.Asset.Expires
			}
		}
	}
	return at
}

// Topics are those whose events name assets.
func Topics() []schemas.Topic {
	return []schemas.Topic{schemas.TopicMessages, schemas.TopicEchoes, schemas.TopicMedia}
}
