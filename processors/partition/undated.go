package partition

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// undated distinguishes account events without a time from their repetitions, by WABA. Two deliveries with the same
// content about the same number are one event, unless there was a turn between their receipts. A turn is another
// account event of the number or of the whole WABA. For an event that ends an onboarding, a turn is also any sign
// that the number is connected (a chunk of history, a message, an echo, a contact). So the second of two removals is
// a separate event if the business came back between them. A second addition is not, because a connected number is
// what the first one leads to.
//
// The times of receipt decide, in any order of processing. Live records are processed before history, so a chunk
// between two removals may be processed after both. Therefore the repetition waits, and leaves when the chunk is
// processed. Within one millisecond, records of raw.bulk count as between. Records of raw.live, and account events,
// count in the order of processing.
type undated struct {
	of      map[string]*undatedEvents
	changed map[string]bool
	oldest  time.Time // when the next WABA expires; zero: there is none
}

// undatedEvents are the account events without a time of a WABA.
type undatedEvents struct {
	Version    int             `json:"v"`
	ReceivedMS int64           `json:"r"` // the last delivery
	Groups     []*undatedGroup `json:"g"` // in the order in which they were found
}

// undatedGroup is an event and its repetitions.
type undatedGroup struct {
	Number  string       `json:"n,omitempty"` // see phoneKey; empty: the whole WABA
	Content schemas.Hash `json:"c"`           // hash of its content
	Closes  bool         `json:"x,omitempty"` // it ends an onboarding
	FirstMS int64        `json:"f"`           // receipt of the delivery that left
	AfterMS int64        `json:"a,omitempty"` // the turn before it; 0: not known
	TurnMS  int64        `json:"t,omitempty"` // the first turn since; 0: none
	// Waiting are the repetitions before the turn, in the order of receipt. A turn that is processed late may make
	// one of them a separate event.
	Waiting []*accountEvent `json:"w,omitempty"`
}

const (
	undatedVersion = 2
	// undatedKept is how long the events of a WABA are remembered after the last one: longer than any sender repeats
	// a webhook.
	undatedKept = 8 * 24 * time.Hour
	// undatedGroupsMax bounds the remembered events of one WABA, undatedWaitingMax the waiting repetitions, and
	// undatedValueMax the value of each. If there are more, the oldest are removed; a longer value does not wait.
	undatedGroupsMax  = 128
	undatedWaitingMax = 8
	undatedValueMax   = 4 << 10
)

// arrives processes a delivery of an event, and reports whether it is a separate event.
func (u *undated) arrives(waba string, e *accountEvent, active int64) bool {
	l := u.of[waba]
	if l == nil {
		if u.of == nil {
			u.of, u.changed = map[string]*undatedEvents{}, map[string]bool{}
		}
		l = &undatedEvents{Version: undatedVersion}
		u.of[waba] = l
	}
	l.ReceivedMS = max(l.ReceivedMS, e.ReceivedMS)
	u.changed[waba] = true
	u.next(l)
	defer l.bound()
	g, following := l.find(e)
	switch {
	case g == nil && (following == nil || e.ReceivedMS <= following.AfterMS):
		l.open(e, 0, active)
		return true
	case g == nil: // an earlier delivery of an event, processed after a later one
		return false
	case g.TurnMS != 0 && g.TurnMS <= e.ReceivedMS:
		l.open(e, g.TurnMS, active)
		return true
	}
	if len(e.Value) <= undatedValueMax {
		at := len(g.Waiting)
		for at > 0 && g.Waiting[at-1].ReceivedMS > e.ReceivedMS {
			at--
		}
		g.Waiting = slices.Insert(g.Waiting, at, e)
	}
	return false
}

// find returns the group that a delivery repeats if there was no turn between them, and the first group that was
// received later.
func (l *undatedEvents) find(e *accountEvent) (g, following *undatedGroup) {
	for _, one := range l.Groups {
		switch {
		case !one.says(e):
		case one.FirstMS <= e.ReceivedMS:
			if g == nil || one.FirstMS >= g.FirstMS {
				g = one
			}
		case following == nil || one.FirstMS < following.FirstMS:
			following = one
		}
	}
	return g, following
}

func (g *undatedGroup) says(e *accountEvent) bool {
	return g.Number == e.Number && g.Content == e.Content
}

// open begins a group after a turn. active is the last time at which the number was seen connected.
func (l *undatedEvents) open(e *accountEvent, after, active int64) *undatedGroup {
	g := &undatedGroup{Number: e.Number, Content: e.Content, Closes: e.closes(), FirstMS: e.ReceivedMS, AfterMS: after}
	if g.Closes && active >= e.ReceivedMS && active > after {
		g.TurnMS = active
	}
	l.Groups = append(l.Groups, g)
	return g
}

// bound removes the oldest of too many events and repetitions.
func (l *undatedEvents) bound() {
	if over := len(l.Groups) - undatedGroupsMax; over > 0 {
		l.Groups = slices.Delete(l.Groups, 0, over)
	}
	n := 0
	var oldest *undatedGroup
	for _, g := range l.Groups {
		n += len(g.Waiting)
		if len(g.Waiting) > 0 && (oldest == nil || g.Waiting[0].ReceivedMS < oldest.Waiting[0].ReceivedMS) {
			oldest = g
		}
	}
	if n > undatedWaitingMax {
		oldest.Waiting = slices.Delete(oldest.Waiting, 0, 1)
	}
}

// turn separates the events of a WABA that were received before it from those received after it.
type turn struct {
	ms     int64
	number string        // see phoneKey; empty: all numbers, or an unknown one
	event  *accountEvent // nil: a sign that the number is connected
	// between: within one millisecond it counts as between two deliveries.
	between bool
}

// parts reports whether a turn separates the events of a group.
func (t *turn) parts(g *undatedGroup) bool {
	return t.ms >= g.FirstMS && (g.Number == "" || t.number == "" || g.Number == t.number) &&
		(t.event == nil && g.Closes || t.event != nil && !g.says(t.event)) && (g.TurnMS == 0 || t.ms < g.TurnMS)
}

// turns adds a turn. It calls leave for each repetition that proves to be a separate event; these are turns too.
func (u *undated) turns(waba string, at turn, leave func(*accountEvent)) {
	l := u.of[waba]
	if l == nil {
		return
	}
	for _, g := range l.Groups[:len(l.Groups):len(l.Groups)] {
		if !at.parts(g) {
			continue
		}
		was := g.TurnMS
		g.TurnMS = at.ms
		u.changed[waba] = true
		i := slices.IndexFunc(g.Waiting, func(w *accountEvent) bool {
			return w.ReceivedMS > at.ms || at.between && w.ReceivedMS == at.ms
		})
		if i < 0 {
			continue
		}
		e := g.Waiting[i]
		own := l.open(e, at.ms, 0)
		own.TurnMS = was
		own.Waiting = slices.Clone(g.Waiting[i+1:])
		g.Waiting = slices.Clone(g.Waiting[:i])
		leave(e)
		u.turns(waba, turn{ms: e.ReceivedMS, number: e.Number, event: e}, leave)
	}
}

func (l *undatedEvents) over() time.Time { return time.UnixMilli(l.ReceivedMS).Add(undatedKept) }

// next updates the time at which the first WABA expires.
func (u *undated) next(l *undatedEvents) {
	if at := l.over(); u.oldest.IsZero() || at.Before(u.oldest) {
		u.oldest = at
	}
}

// expire removes old events.
func (u *undated) expire(now time.Time) {
	if u.oldest.IsZero() || now.Before(u.oldest) {
		return
	}
	u.oldest = time.Time{}
	for waba, l := range u.of {
		if now.Before(l.over()) {
			u.next(l)
			continue
		}
		delete(u.of, waba)
		u.changed[waba] = true
	}
}

// flush writes the changes to `state`.
func (u *undated) flush(p *Partition) {
	if len(u.changed) == 0 {
		return
	}
	for waba := range u.changed {
		delete(u.changed, waba)
		key := p.arena.copy(stateUndated, url.QueryEscape(waba))
		l := u.of[waba]
		if l == nil {
			p.state(key, nil)
			continue
		}
		value, err := json.Marshal(l)
		if err != nil {
			panic(fmt.Sprintf("marshal of numbers and texts: %v", err))
		}
		p.state(key, value)
	}
}

// restore restores a record of flush.
func (u *undated) restore(rest string, value []byte) error {
	waba, err := url.QueryUnescape(rest)
	if err != nil {
		return fmt.Errorf("key's business: %w", err)
	}
	l := &undatedEvents{}
	var former struct { // version 1: the last event of each number
		Of map[string]struct {
			Content schemas.Hash `json:"c"`
		} `json:"of"`
	}
	if err := json.Unmarshal(value, l); err != nil {
		return fmt.Errorf("account events of %s: %w", waba, err)
	}
	if l.Version < undatedVersion {
		if err := json.Unmarshal(value, &former); err != nil {
			return fmt.Errorf("account events of %s: %w", waba, err)
		}
		l.Version = undatedVersion
		for number, last := range former.Of {
			l.Groups = append(l.Groups, &undatedGroup{Number: number, Content: last.Content, FirstMS: l.ReceivedMS})
		}
	}
	if u.of == nil {
		u.of, u.changed = map[string]*undatedEvents{}, map[string]bool{}
	}
	u.of[waba] = l
	u.next(l)
	return nil
}
