package plan

import (
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// Limits bound a plan.
type Limits struct {
	Slots    int           // assets that are downloaded at a time
	HeldMax  int           // assets of a topic of a partition that have no outcome yet
	RetryMin time.Duration // the first wait after a failure
	RetryMax time.Duration // the longest
}

// Item is an asset in the plan.
type Item struct {
	queue.Place
	Offset  int64 // of its event
	Live    bool
	Asset   Asset
	Headers []queue.Header // of its event

	attempts int // failures of any kind in a row
	faults   int // of the kinds that count to attemptsMax
	last     Kind
	why      string    // detail of the last failure
	hidden   time.Time // when it was hidden first
	due      time.Time
	final    bool // it was given up
	taken    bool // between Next and Published
	gone     bool // it has an outcome, or its partition was disowned
	index    int  // in its heap
	track    *track
}

// track is a topic of a partition.
type track struct {
	was   queue.Position
	read  int64
	open  []*Item // in the order of their offsets
	live  bool
	dirty bool
}

// business has the state of the attempts for a WABA.
type business struct {
	failures int       // in a row, of its token or its rate
	until    time.Time // when its assets are tried again
	denied   bool
	seen     time.Time // when its token saw an asset last
	why      string    // detail of the last failure
	items    int
}

// Plan has the assets of the partitions of a process.
type Plan struct {
	limits     Limits
	tracks     map[queue.Place]*track
	lanes      [2]lane
	businesses map[string]*business
	turn       int
	drained    map[int32]bool
}

const (
	live = iota
	past
)

// lane has the assets of a lane that are not taken.
type lane struct {
	ready   pile // by the time at which they expire
	waiting pile // by the time at which they are due
	busy    int  // taken ones, until their attempt ended
}

// New returns an empty plan.
func New(limits Limits) *Plan {
	p := &Plan{limits: limits, tracks: map[queue.Place]*track{}, businesses: map[string]*business{}, drained: map[int32]bool{}}
	for i := range p.lanes {
		p.lanes[i].ready.before, p.lanes[i].waiting.before = expiresFirst, dueFirst
	}
	return p
}

// Own adds a partition with its positions. isLive says which topics are live.
func (p *Plan) Own(partition int32, positions map[schemas.Topic]queue.Position, isLive func(schemas.Topic) bool) {
	delete(p.drained, partition)
	for topic, at := range positions {
		p.tracks[queue.Place{Topic: topic, Partition: partition}] = &track{was: at, read: at.Next, live: isLive(topic)}
	}
}

// Drain stops the assets of a partition: none is taken any more.
func (p *Plan) Drain(partition int32) { p.drained[partition] = true }

// Disown removes a partition. Its taken assets are ignored when they are reported.
func (p *Plan) Disown(partition int32) {
	delete(p.drained, partition)
	for place, t := range p.tracks {
		if place.Partition != partition {
			continue
		}
		for _, it := range t.open {
			p.forget(it)
		}
		delete(p.tracks, place)
	}
}

// Wants returns the offset from which a topic is read, and whether there is room.
func (p *Plan) Wants(place queue.Place) (from int64, room bool) {
	t := p.tracks[place]
	if t == nil {
		return 0, false
	}
	return t.read, len(t.open) < p.limits.HeldMax
}

// Room is how many more assets a topic of a partition can hold.
func (p *Plan) Room(place queue.Place) int {
	if t := p.tracks[place]; t != nil {
		return max(0, p.limits.HeldMax-len(t.open))
	}
	return 0
}

// Add adds the assets of the records from one offset to another, without the latter. It is false if the plan stands elsewhere. Assets
// that were done before are left out.
func (p *Plan) Add(place queue.Place, from, to int64, items []*Item) bool {
	t := p.tracks[place]
	if t == nil || t.read != from || to < from {
		return false
	}
	for _, it := range items {
		if t.was.Acknowledged(it.Offset) {
			continue
		}
		it.Place, it.Live, it.track = place, t.live, t
		t.open = append(t.open, it)
		b := p.businesses[it.Asset.WABA]
		if b == nil {
			b = &business{}
			p.businesses[it.Asset.WABA] = b
		}
		b.items++
		p.lane(it).ready.push(it)
	}
	t.read, t.dirty = to, true
	return true
}

// Reset moves a topic to an offset: the records before it are gone, or the log was cut there. Assets of records behind it are those of
// another log, and are forgotten.
func (p *Plan) Reset(place queue.Place, to int64) {
	if t := p.tracks[place]; t != nil {
		t.open = slices.DeleteFunc(t.open, func(it *Item) bool {
			if it.Offset >= to {
				p.forget(it)
			}
			return it.Offset >= to
		})
		t.read, t.dirty = to, true
		t.was = queue.Position{Log: t.was.Log, Next: to, End: to}
	}
}

func (p *Plan) lane(it *Item) *lane {
	if it.Live {
		return &p.lanes[live]
	}
	return &p.lanes[past]
}

// Next takes the asset that is attempted next; nil: none is due, or all slots are taken.
func (p *Plan) Next(now time.Time) *Item {
	if p.lanes[live].busy+p.lanes[past].busy >= p.limits.Slots {
		return nil
	}
	for i := range p.lanes {
		p.wake(&p.lanes[i], now)
	}
	hasLive, hasPast := p.front(&p.lanes[live], now), p.front(&p.lanes[past], now)
	l := &p.lanes[live]
	switch {
	case hasLive && hasPast:
		p.turn++
		if p.turn%4 == 0 && p.lanes[past].busy < max(1, p.limits.Slots/4) {
			l = &p.lanes[past]
		}
	case hasPast:
		if p.limits.Slots > 1 && p.lanes[past].busy >= p.limits.Slots-1 {
			return nil
		}
		l = &p.lanes[past]
	case !hasLive:
		return nil
	}
	it := l.ready.pop()
	it.taken = true
	l.busy++
	return it
}

// wake moves the assets that are due.
func (p *Plan) wake(l *lane, now time.Time) {
	for len(l.waiting.items) > 0 && !l.waiting.items[0].due.After(now) {
		l.ready.push(l.waiting.pop())
	}
}

// front reports whether a lane has an asset that may be taken. Assets of businesses that wait go aside.
func (p *Plan) front(l *lane, now time.Time) bool {
	for len(l.ready.items) > 0 {
		it := l.ready.items[0]
		b := p.businesses[it.Asset.WABA]
		switch {
		case p.drained[it.Partition]:
			it.due = now.Add(p.limits.RetryMax)
		case b.until.After(now) && it.Asset.Expires.After(now):
			it.due = earlier(b.until, it.Asset.Expires)
		default:
			return true
		}
		l.waiting.push(l.ready.pop())
	}
	return false
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Wake is when the next waiting asset is due; zero: none waits.
func (p *Plan) Wake() (at time.Time) {
	for i := range p.lanes {
		if w := p.lanes[i].waiting.items; len(w) > 0 && (at.IsZero() || w[0].due.Before(at)) {
			at = w[0].due
		}
	}
	return at
}

// Done reports the attempt at a taken asset. It returns the outcome to publish; nil: there will be another attempt, or the
// partition was disowned.
func (p *Plan) Done(it *Item, r Result, now time.Time) *schemas.Asset {
	p.lane(it).busy--
	if it.gone {
		return nil
	}
	b := p.businesses[it.Asset.WABA]
	it.attempts++
	switch r.Kind {
	case Throttled, Denied:
		if !b.until.After(now) { // others of the business in flight do not count again
			b.failures++
		}
	case Stored, Gone, Hidden, Differs, TooLarge, TypeNotAllowed:
		b.failures, b.denied, b.until = 0, false, time.Time{}
	}
	if r.Kind == Gone || r.Kind == Hidden || r.Kind == Refused || r.Kind == Differs {
		it.faults++
	}
	if r.Seen {
		b.seen = now
	}
	if r.Kind == Hidden && it.hidden.IsZero() {
		it.hidden = now
	}
	d := p.decide(it, &r, now)
	if d.state != "" {
		return it.outcome(d, &r, now)
	}
	it.last, it.why = r.Kind, r.Detail
	it.due = now.Add(d.wait)
	if d.business {
		b.denied, b.why = r.Kind == Denied, r.Detail
		if it.due.After(b.until) {
			b.until = it.due
		}
	}
	if now.Before(it.Asset.Expires) {
		it.due = earlier(it.due, it.Asset.Expires)
	}
	it.taken = false
	p.lane(it).waiting.push(it)
	return nil
}

// Released gives a taken asset back without an attempt: the process stops, or has to wait.
func (p *Plan) Released(it *Item, now time.Time) {
	p.lane(it).busy--
	if it.gone {
		return
	}
	it.taken, it.due = false, now.Add(p.limits.RetryMin)
	p.lane(it).waiting.push(it)
}

// Published reports that the outcome of an asset is durable.
func (p *Plan) Published(it *Item) {
	if it.gone {
		return
	}
	t := it.track
	t.open = slices.DeleteFunc(t.open, func(o *Item) bool { return o == it })
	t.dirty = true
	p.forget(it)
}

// forget removes an asset from everything but its track.
func (p *Plan) forget(it *Item) {
	it.gone = true
	if !it.taken {
		l := p.lane(it)
		if !l.ready.remove(it) {
			l.waiting.remove(it)
		}
	}
	b := p.businesses[it.Asset.WABA]
	if b.items--; b.items == 0 {
		delete(p.businesses, it.Asset.WABA)
	}
}

// GiveUp takes assets out of full topics in which all assets wait for tokens, or for the permission of one. The caller publishes the outcomes, as after Done.
func (p *Plan) GiveUp(now time.Time) (items []*Item, outcomes []*schemas.Asset) {
	for place, t := range p.tracks {
		if len(t.open) < p.limits.HeldMax || p.drained[place.Partition] {
			continue
		}
		of := map[string]int{}
		stuck := true
		for _, it := range t.open {
			stuck = stuck && !it.taken && (p.businesses[it.Asset.WABA].denied || it.last == Hidden)
			of[it.Asset.WABA]++
		}
		if !stuck {
			continue
		}
		worst := ""
		for waba, n := range of {
			if n > of[worst] || n == of[worst] && waba < worst {
				worst = waba
			}
		}
		left := (of[worst] + 1) / 2
		for _, it := range t.open {
			if left == 0 || it.Asset.WABA != worst {
				continue
			}
			left--
			if l := p.lane(it); !l.ready.remove(it) {
				l.waiting.remove(it)
			}
			it.taken, it.final = true, true
			r := Result{Kind: Denied, Detail: p.businesses[worst].why}
			if !p.businesses[worst].denied {
				r = Result{Kind: Hidden, Detail: it.why}
			}
			items, outcomes = append(items, it), append(outcomes, it.outcome(p.decide(it, &r, now), &r, now))
		}
	}
	return items, outcomes
}
