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
// nothing. So an event costs nothing for numbers without history. The list also holds the shared events, see business.
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
	// pendingBoundariesMax bounds the events of one WABA, and those among them that are shared. See add and bound.
	pendingBoundariesMax = 64
)

func (a *pendingBoundaries) add(waba string, e pendingBoundary) {
	if a.of == nil {
		a.of, a.changed = map[string][]pendingBoundary{}, map[string]bool{}
	}
	all := a.of[waba]
	i, _ := slices.BinarySearchFunc(all, e, func(x, y pendingBoundary) int { return x.ReceivedAt.Compare(y.ReceivedAt) })
	all = slices.Insert(all, i, e)
	if own := func(e pendingBoundary) bool { return e.Seq == 0 }; e.Seq == 0 && countOf(all, own) > pendingBoundariesMax {
		i := slices.IndexFunc(all, own)
		all = slices.Delete(all, i, i+1)
	}
	a.of[waba], a.changed[waba] = all, true
	a.next(all)
}

func countOf(all []pendingBoundary, is func(pendingBoundary) bool) (n int) {
	for i := range all {
		if is(all[i]) {
			n++
		}
	}
	return n
}

// lastSeq returns the number of a WABA's last shared event; 0: none is kept.
func (a *pendingBoundaries) lastSeq(waba string) (seq int64) {
	for _, e := range a.of[waba] {
		seq = max(seq, e.Seq)
	}
	return seq
}

// bound removes shared events of a business, if there are too many. It keeps the newest ones, and among the older ones those that
// numbers need. If these are too many, the numbers that need one of them are written, beginning with the event that the fewest need.
// All numbers have applied all events before.
func (a *pendingBoundaries) bound(p *Partition, b *business) {
	var seqs []int64 // they ascend in the order of arrival
	for _, e := range a.of[b.id] {
		if e.Seq > 0 {
			seqs = append(seqs, e.Seq)
		}
	}
	older := len(seqs) - pendingBoundariesMax
	if older <= 0 {
		return
	}
	slices.Sort(seqs)
	last := seqs[older-1]
	need := map[int64][]*number{}
	for _, n := range b.numbers {
		n.history.Drop(last)
		for _, seq := range n.history.Unwritten() {
			if seq <= last {
				need[seq] = append(need[seq], n)
			}
		}
	}
	for len(need) > pendingBoundariesMax {
		least := last
		for seq, of := range need {
			if n := len(of) - len(need[least]); n < 0 || need[least] == nil || n == 0 && seq < least {
				least = seq
			}
		}
		for _, n := range need[least] {
			n.history.Write()
			p.touch(n)
		}
		delete(need, least)
	}
	a.of[b.id] = slices.DeleteFunc(a.of[b.id], func(e pendingBoundary) bool { return e.Seq > 0 && e.Seq <= last && need[e.Seq] == nil })
	a.changed[b.id] = true
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
		n.history.Skip(e.Seq)
		if account.Concerns([]byte(e.phone), n.id.DisplayPhoneNumber) {
			e.Seq = 0 // it is written with the first chunk
			n.history.Boundary(now, e.Boundary)
		}
	}
}

// applyAgain applies to a restored number the shared events that its record lacks.
func (a *pendingBoundaries) applyAgain(p *Partition, n *number) {
	n.business.seq = max(n.business.seq, n.history.Seq())
	if n.history.Untouched() {
		return
	}
	for _, e := range a.of[n.id.WABAID] {
		phone := phoneKey(e.phone)
		if e.Seq == 0 || !n.history.Lacks(e.Seq) || phone != "" && n.phone != "" && phone != n.phone {
			continue
		}
		n.history.Again(e.Boundary)
		p.touch(n)
	}
}

// needed reports whether a number needs a shared event.
func (p *Partition) needed(waba string, seq int64) bool {
	b := p.businesses[waba]
	return seq > 0 && b != nil && slices.ContainsFunc(b.numbers, func(n *number) bool { return n.history.Needs(seq) })
}

// expire removes old events, except those that a number needs. They are removed later, with others.
func (a *pendingBoundaries) expire(p *Partition, now time.Time) {
	if a.oldest.IsZero() || now.Before(a.oldest) {
		return
	}
	a.oldest = time.Time{}
	for waba, all := range a.of {
		n := len(all)
		all = slices.DeleteFunc(all, func(e pendingBoundary) bool {
			return !now.Before(e.ReceivedAt.Add(pendingBoundariesKept)) && !p.needed(waba, e.Seq)
		})
		if len(all) < n {
			a.changed[waba] = true
		}
		if len(all) == 0 {
			delete(a.of, waba)
			continue
		}
		a.of[waba] = all
		if i := slices.IndexFunc(all, func(e pendingBoundary) bool { return now.Before(e.ReceivedAt.Add(pendingBoundariesKept)) }); i >= 0 {
			a.next(all[i:])
		}
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
	Seq        int64  `json:"s,omitempty"` // of a shared event, see business
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
			s := pendingBoundaryState{Phone: e.phone, Opens: e.Opens, ReceivedMS: e.ReceivedAt.UnixMilli(), Seq: e.Seq}
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
		e := pendingBoundary{phone: s.Phone, Boundary: history.Boundary{Opens: s.Opens, ReceivedAt: time.UnixMilli(s.ReceivedMS), Seq: s.Seq}}
		if s.TimeMS != nil {
			e.Time = time.UnixMilli(*s.TimeMS)
		}
		a.add(waba, e)
	}
	delete(a.changed, waba)
	return nil
}
