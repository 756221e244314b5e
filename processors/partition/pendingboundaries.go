package partition

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/coexstream/coexstream/processors/account"
	"github.com/coexstream/coexstream/processors/history"
)

// pendingBoundaries are the recent account events that separate onboardings, by WABA. Live records are processed
// before history. So an event may be processed before any record of its number, although chunks in raw.bulk were
// received earlier. A number applies the events with its first chunk, and not before. Those from before it separate
// nothing. So an event costs nothing for numbers without history.
type pendingBoundaries struct {
	of      map[string][]pendingBoundary // by ReceivedAt
	changed map[string]bool
	oldest  time.Time // when the next one expires; zero: there is none
}

type pendingBoundary struct {
	phone string // value.phone_number; empty: all numbers
	history.Boundary
}

const (
	// pendingBoundariesKept is how long an event is remembered, in the time of raw.bulk.
	pendingBoundariesKept = 24 * time.Hour
	// pendingBoundariesMax bounds the events of one WABA. If there are more, the oldest are removed.
	pendingBoundariesMax = 64
)

func (a *pendingBoundaries) add(waba string, e pendingBoundary) {
	if a.of == nil {
		a.of, a.changed = map[string][]pendingBoundary{}, map[string]bool{}
	}
	all := a.of[waba]
	i, _ := slices.BinarySearchFunc(all, e, func(x, y pendingBoundary) int { return x.ReceivedAt.Compare(y.ReceivedAt) })
	all = slices.Insert(all, i, e)
	if len(all) > pendingBoundariesMax {
		all = slices.Delete(all, 0, 1)
	}
	a.of[waba], a.changed[waba] = all, true
	a.next(all)
}

// next updates the time at which the first of a WABA's events expires.
func (a *pendingBoundaries) next(all []pendingBoundary) {
	if at := all[0].ReceivedAt.Add(pendingBoundariesKept); a.oldest.IsZero() || at.Before(a.oldest) {
		a.oldest = at
	}
}

// applyTo applies the events to a number before its first chunk is processed.
func (a *pendingBoundaries) applyTo(n *number, now time.Time) {
	if !n.history.Untouched() {
		return
	}
	for _, e := range a.of[n.id.WABAID] {
		if account.Concerns([]byte(e.phone), n.id.DisplayPhoneNumber) {
			n.history.Boundary(now, e.Boundary)
		}
	}
}

// expire removes old events.
func (a *pendingBoundaries) expire(now time.Time) {
	if a.oldest.IsZero() || now.Before(a.oldest) {
		return
	}
	a.oldest = time.Time{}
	for waba, all := range a.of {
		n := len(all)
		all = slices.DeleteFunc(all, func(e pendingBoundary) bool { return !now.Before(e.ReceivedAt.Add(pendingBoundariesKept)) })
		if len(all) < n {
			a.changed[waba] = true
		}
		if len(all) == 0 {
			delete(a.of, waba)
			continue
		}
		a.of[waba] = all
		a.next(all)
	}
}

type pendingBoundaryRecord struct {
	Version int                    `json:"v"`
	Events  []pendingBoundaryState `json:"events"`
}

type pendingBoundaryState struct {
	Phone      string `json:"phone,omitempty"`
	Opens      bool   `json:"o,omitempty"`
	TimeMS     *int64 `json:"t,omitempty"` // absent: the webhook had none
	ReceivedMS int64  `json:"r"`
}

const pendingBoundariesVersion = 1

// flush writes the changes to `state`.
func (a *pendingBoundaries) flush(p *Partition) {
	if len(a.changed) == 0 {
		return
	}
	for waba := range a.changed {
		delete(a.changed, waba)
		key := p.arena.copy(statePendingBoundaries, url.QueryEscape(waba))
		all := a.of[waba]
		if len(all) == 0 {
			p.state(key, nil)
			continue
		}
		rec := pendingBoundaryRecord{Version: pendingBoundariesVersion}
		for _, e := range all {
			s := pendingBoundaryState{Phone: e.phone, Opens: e.Opens, ReceivedMS: e.ReceivedAt.UnixMilli()}
			if !e.Time.IsZero() {
				ms := e.Time.UnixMilli()
				s.TimeMS = &ms
			}
			rec.Events = append(rec.Events, s)
		}
		value, err := json.Marshal(rec)
		if err != nil {
			panic(fmt.Sprintf("marshal of strings and numbers: %v", err))
		}
		p.state(key, value)
	}
}

// restore restores a record of flush.
func (a *pendingBoundaries) restore(rest string, value []byte) error {
	waba, err := url.QueryUnescape(rest)
	if err != nil {
		return fmt.Errorf("key's business: %w", err)
	}
	var rec pendingBoundaryRecord
	if err := json.Unmarshal(value, &rec); err != nil {
		return fmt.Errorf("account events of %s: %w", waba, err)
	}
	for _, s := range rec.Events {
		e := pendingBoundary{phone: s.Phone, Boundary: history.Boundary{Opens: s.Opens, ReceivedAt: time.UnixMilli(s.ReceivedMS)}}
		if s.TimeMS != nil {
			e.Time = time.UnixMilli(*s.TimeMS)
		}
		a.add(waba, e)
	}
	delete(a.changed, waba)
	return nil
}
