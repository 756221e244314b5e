package partition

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/coexstream/coexstream/processors/directory"
)

// An account event that begins an onboarding names the numbers that it concerns anew, see numberDirectory: at once where they are
// few. Of more numbers each is named with the next live webhook about it that is received after the event. So an event costs what its
// own bytes allow, and a number is named at the cost of its own webhook. Several events before that webhook cost one note. A number
// that history alone named is not named anew where there are many: its next live webhook names it anyway.

// onboardings are the WABAs of which a live event concerned more numbers, with the time at which the last such event was received.
type onboardings struct {
	of      map[string]time.Time
	changed map[string]bool
}

// stateOnboarding is w|waba: see onboardings.
const stateOnboarding = "w|"

// numberCount counts numbers: those that a live webhook named, and the others.
type numberCount struct{ live, other int }

func (c *numberCount) add(live bool, n int) {
	if live {
		c.live += n
	} else {
		c.other += n
	}
}

// count notes how a number is counted. It is called where its display number changed, or a live webhook named it.
func (b *business) count(n *number) {
	b.uncount(n)
	n.counted, n.countedPhone, n.countedLive = true, n.phone, !n.named.IsZero()
	c := b.counts[n.countedPhone]
	c.add(n.countedLive, 1)
	b.counts[n.countedPhone] = c
	b.total.add(n.countedLive, 1)
}

func (b *business) uncount(n *number) {
	if !n.counted {
		return
	}
	n.counted = false
	b.total.add(n.countedLive, -1)
	c := b.counts[n.countedPhone]
	if c.add(n.countedLive, -1); c == (numberCount{}) {
		delete(b.counts, n.countedPhone)
	} else {
		b.counts[n.countedPhone] = c
	}
}

// concerned counts the numbers that an event about a phone number concerns; empty: about all.
func (b *business) concerned(phone string) numberCount {
	if phone == "" {
		return b.total
	}
	own, unknown := b.counts[phone], b.counts[""]
	return numberCount{own.live + unknown.live, own.other + unknown.other}
}

// begin says which numbers an event that begins an onboarding names at once: those that a live webhook named, and the others.
func (p *Partition) begin(b *business, e *freshEvent) {
	if !e.begins || b.id == "" || p.outer != nil {
		return
	}
	n := b.concerned(e.phone)
	e.names, e.namesOthers = n.live <= directory.NamedAtOnceMax, n.other <= directory.NamedAtOnceMax
	if !e.names && e.named.After(p.onboardings.of[b.id]) {
		p.onboardings.set(b.id, e.named)
		p.onboardings.change(b.id)
	}
}

// namesAnew reports whether a webhook names its number anew.
func (p *Partition) namesAnew(n *number, o *Origin) bool {
	at, ok := p.onboardings.of[n.id.WABAID]
	return ok && o.live() && at.After(n.namedAnew) && o.ReceivedAt.After(at)
}

func (s *onboardings) set(waba string, at time.Time) {
	if s.of == nil {
		s.of, s.changed = map[string]time.Time{}, map[string]bool{}
	}
	s.of[waba] = at
}

func (s *onboardings) change(waba string) { s.changed[waba] = true }

// forget forgets a WABA of which no number is known.
func (s *onboardings) forget(waba string) {
	if _, ok := s.of[waba]; ok {
		delete(s.of, waba)
		s.change(waba)
	}
}

type onboardingRecord struct {
	Version    int   `json:"v"`
	ReceivedMS int64 `json:"r"`
}

const onboardingVersion = 1

// flush writes what changed to `state`.
func (s *onboardings) flush(p *Partition) {
	for waba := range s.changed {
		delete(s.changed, waba)
		key := p.arena.copy(stateOnboarding, url.QueryEscape(waba))
		at, ok := s.of[waba]
		if !ok {
			p.state(key, nil)
			continue
		}
		value, err := json.Marshal(onboardingRecord{onboardingVersion, at.UnixMilli()})
		if err != nil {
			panic(fmt.Sprintf("marshal of numbers: %v", err))
		}
		p.state(key, value)
	}
}

// restore takes a record of flush.
func (s *onboardings) restore(rest string, value []byte) error {
	waba, err := url.QueryUnescape(rest)
	if err != nil {
		return fmt.Errorf("key's business: %w", err)
	}
	var rec onboardingRecord
	if err := json.Unmarshal(value, &rec); err != nil {
		return fmt.Errorf("onboarding of %s: %w", waba, err)
	}
	s.set(waba, timeOfMillis(rec.ReceivedMS))
	return nil
}
