package sinks

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// A live event waits for the current step of its partition. So steps of backlog are short while live events arrive, in any partition, and a
// partition that waits for its turn applies its live events meanwhile.
const (
	liveRecent    = 5 * time.Second        // how long after a live event another one is expected
	backlogBeside = 100 * time.Millisecond // how long a step of backlog may take then, about
	recordsBeside = 100                    // the fewest records of such a step: a step has costs of its own
	recordsFirst  = 500                    // of such a step while the pace of the target is not known
)

// pace is the time that a record of backlog takes, of the last steps.
type pace time.Duration

// took adds a step.
func (p *pace) took(d time.Duration, records int) {
	if records == 0 {
		return
	}
	now := pace(d) / pace(records)
	if *p > 0 {
		now = (3**p + now) / 4
	}
	*p = max(1, now)
}

// records is the size of a step that takes about as long as it may beside live events.
func (p pace) records(most int) int {
	if p == 0 {
		return min(recordsFirst, most)
	}
	return min(max(recordsBeside, int(pace(backlogBeside)/p)), most)
}

// places are for partitions that apply backlog at the same time.
type places struct {
	limit func() int // how many there are now, one at least

	mu      sync.Mutex
	used    int
	waiting []chan struct{} // closed when a place is theirs
}

// ask returns a channel that is closed when a place is free for it. The first to ask is the first to have one.
func (p *places) ask() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := make(chan struct{})
	p.waiting = append(p.waiting, c)
	p.give()
	return c
}

func (p *places) give() {
	for len(p.waiting) > 0 && p.used < p.limit() {
		close(p.waiting[0])
		p.waiting = p.waiting[1:]
		p.used++
	}
}

// leave gives a place back, or stops waiting for one.
func (p *places) leave(c chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, c); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		return
	}
	p.used--
	p.give()
}

// admitted waits for a place of the backlog. It returns false if live records arrive first; the place in the queue stays.
func (t *task) admitted(ctx context.Context) (bool, error) {
	if t.place == nil {
		t.place = t.s.places.ask()
	}
	for {
		select {
		case <-t.place:
			return true, nil
		case <-ctx.Done():
			return false, ctx.Err()
		case <-t.bell:
			if t.liveNews() {
				return false, nil
			}
		}
	}
}

// leave gives up the place of the backlog, or in its queue.
func (t *task) leave() {
	if t.place != nil {
		t.s.places.leave(t.place)
		t.place = nil
	}
}

// liveNews reports whether live records are known that are not applied yet, and can be read as far as known.
func (t *task) liveNews() bool {
	ends, _ := t.newest()
	return slices.ContainsFunc(liveOfTables, func(topic schemas.Topic) bool {
		r := t.reading[topic]
		return r != nil && ends[topic] > r.position.Next && !t.s.damage.Waits(topic, t.partition)
	})
}

// sawLive records that live events were read.
func (s *Sink) sawLive() { s.liveAt.Store(s.deps.Now().UnixNano()) }

// besideLive reports whether live events arrive.
func (s *Sink) besideLive() bool {
	return s.deps.Now().Sub(time.Unix(0, s.liveAt.Load())) <= liveRecent
}

// backlogPlaces is how many partitions apply backlog at the same time. Beside live events it is half of them: the machines of the sink and
// its target have live events to apply as well.
func (s *Sink) backlogPlaces() int {
	switch {
	case s.cfg.BacklogMax == 0:
		return math.MaxInt
	case s.besideLive():
		return (s.cfg.BacklogMax + 1) / 2
	}
	return s.cfg.BacklogMax
}

// stepMax is the number of records of a step.
func (t *task) stepMax(live bool) int {
	most := t.s.cfg.RecordsMax
	if t.limit > 0 {
		most = min(most, t.limit)
	}
	if live || !t.s.besideLive() {
		return most
	}
	return t.pace.records(most)
}

// took raises the limit after a step that reached it, slowly: each attempt that is too large costs a whole time limit.
func (t *task) took(records int) {
	if t.limit == 0 || records < t.limit {
		return
	}
	if t.limit += t.limit/16 + 1; t.limit >= t.s.cfg.RecordsMax {
		t.limit = 0
	}
}
