package queue

import (
	"container/heap"
	"slices"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

// Limits bound what a queue holds and does.
type Limits struct {
	InFlight    int // requests that are sent, or answered and not committed yet
	EventsMax   int // events of a request
	BytesMax    int // of the events of a request; a longer one goes alone
	AttemptsMax int // at an event that the endpoint refuses
	HeldMax     int // events of a lane of a partition
	HeldBytes   int // their bytes; one longer event is held alone
	// Delay is the wait after so many failures in a row, 1 and more.
	Delay func(failures int) time.Duration
}

// Place is a topic of a partition.
type Place struct {
	Topic     schemas.Topic
	Partition int32
}

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// Item is a record for the endpoint.
type Item struct {
	Place
	Offset   int64
	Live     bool
	Business string // the WABA, or the number where there is none
	Event    event.Event
	Headers  []Header
	Bad      string // why it cannot be sent; empty: it can
	Reason   Reason // of the letter that it becomes then
	Bytes    int

	attempts int
	business *business // nil: it is a letter
	track    *track
}

// Delivery has the events of one request.
type Delivery struct {
	Items    []*Item
	Business string
	// Attempt counts the failures of the business before, from 0.
	Attempt int

	business *business
	slow     bool
}

// Apart reports whether the business also fails while others succeed, so that its failures say nothing about the endpoint.
func (d *Delivery) Apart() bool { return d.business.apart >= suspectAt }

// Letter is an event that is set aside.
type Letter struct {
	*Item
	Reason Reason
	Why    string // the last answer, or the fault of the record
}

// Reason is why an event became a letter.
type Reason string

// The reasons.
const (
	ReasonRefused  Reason = "webhook_refused"  // the endpoint answered 4xx at each attempt
	ReasonFailing  Reason = "webhook_failing"  // the endpoint fails for this business, and its events filled the window
	ReasonInvalid  Reason = "webhook_invalid"  // the record is no event
	ReasonNoFormat Reason = "webhook_noformat" // the format cannot represent the event
)

// Reasons lists all reasons.
func Reasons() []Reason { return []Reason{ReasonRefused, ReasonFailing, ReasonInvalid, ReasonNoFormat} }

// track is a place with its unacknowledged events.
type track struct {
	Place
	lane     *lane
	was      Position // as it was committed when the partition was owned
	read     int64    // where reading continues
	open     []*Item  // read and not acknowledged, by offset
	dirty    bool     // changed since the last commit
	answered int      // deliveries whose acknowledgement is not committed, and which have an event here
}

// lane is what the live topics of a partition hold together, or its backlog.
type lane struct {
	held, bytes int
	// clogged: half of it belongs to businesses that fail. It then takes a quarter more, so that others are tried, and show whether the
	// endpoint works.
	clogged bool
}

// room is how many events a lane may take.
func (l *lane) room(limits *Limits) int {
	held, bytes := limits.HeldMax, limits.HeldBytes
	if l.clogged {
		held, bytes = held+held/4, bytes+bytes/4
	}
	if l.bytes >= bytes {
		return 0
	}
	return max(0, held-l.held)
}

// business is the queue of one business.
type business struct {
	key       string
	partition int32
	items     [2][]*Item // live, backlog
	sending   bool
	failures  int       // in a row
	confirmed int       // of them, with deliveries of others between
	seen      int       // deliveries of the queue at the last failure after its last delivery; -1: there was none
	apart     int       // failures since its last delivery, with deliveries of others between; Recovered keeps them
	since     time.Time // of the first failure in a row
	due       time.Time
	why       string // the last answer
	single    bool   // a request with several events was refused
	stale     bool   // the filter changed while a request was in flight
	list      int    // the ready list that counts; none: -1
	index     int    // in the heap; -1: not in it
	slow      bool   // its last answer took far longer than those of others
	drained   bool   // its partition goes to another process
	gone      bool
}

func (b *business) empty() bool { return len(b.items[0])+len(b.items[1]) == 0 }

// The ready lists.
const (
	listNone = iota - 1
	listLive
	listBacklog
	listSlow
	listCount
)

// Queue is the queue of an endpoint.
type Queue struct {
	limits     Limits
	tracks     map[Place]*track
	lanes      map[int32]*[2]lane
	businesses map[businessKey]*business
	ready      [listCount][]*business
	waiting    dueHeap
	letters    []*Letter
	taken      int                              // slots
	slow       int                              // of them, requests of slow businesses
	failing    map[int32]map[*business]struct{} // by partition: businesses that failed several times in a row
	takes      func(*Item) bool                 // the filter of the last Recheck
	delivered  int
	inRow      int           // letters since the last delivery
	mean       time.Duration // of the answers, the newest count most
	paused     time.Time
	disabled   bool
}

type businessKey struct {
	partition int32
	key       string
}

// New makes an empty queue.
func New(l Limits) *Queue {
	return &Queue{
		limits: l, tracks: map[Place]*track{}, lanes: map[int32]*[2]lane{}, businesses: map[businessKey]*business{}, failing: map[int32]map[*business]struct{}{},
	}
}

// Configure changes the limits.
func (q *Queue) Configure(l Limits) { q.limits = l }

// Recheck applies another filter to the events that are held. Those that takes refuses count as acknowledged. Those that it gives a fault
// (Bad) become letters.
func (q *Queue) Recheck(takes func(*Item) bool, now time.Time) {
	q.takes = takes
	for _, b := range q.businesses {
		q.recheck(b)
		q.queue(b, now)
	}
}

func (q *Queue) recheck(b *business) {
	if b.stale = b.sending; b.stale {
		return // after the answer
	}
	for lane, items := range b.items {
		b.items[lane] = slices.DeleteFunc(items, func(it *Item) bool {
			switch {
			case !q.takes(it):
				q.acknowledge(it)
			case it.Bad != "":
				q.letters = append(q.letters, &Letter{it, it.Reason, it.Bad})
			default:
				return false
			}
			return true
		})
	}
}

// Own adds a partition, at its committed positions.
//
// fresh: some of them were not committed yet, and are with the next commit.
func (q *Queue) Own(partition int32, positions map[schemas.Topic]Position, live func(schemas.Topic) bool, fresh bool) {
	lanes := q.lanes[partition]
	if lanes == nil {
		lanes = &[2]lane{}
		q.lanes[partition] = lanes
	}
	for topic, p := range positions {
		l := &lanes[1]
		if live(topic) {
			l = &lanes[0]
		}
		place := Place{topic, partition}
		q.tracks[place] = &track{Place: place, lane: l, was: p, read: p.skip(p.Next), dirty: fresh}
	}
}

// Drain lets nothing more leave a partition, and nothing in. Requests in flight are still answered and committed.
func (q *Queue) Drain(partition int32) {
	for key, b := range q.businesses {
		if key.partition == partition {
			b.drained, b.list = true, listNone
			if b.index >= 0 {
				heap.Remove(&q.waiting, b.index)
			}
		}
	}
	delete(q.lanes, partition)
}

// Sending is how many requests of a partition are in flight.
func (q *Queue) Sending(partition int32) int {
	n := 0
	for key, b := range q.businesses {
		if key.partition == partition && b.sending {
			n++
		}
	}
	return n
}

// Disown forgets a partition. Requests in flight are no longer acknowledged.
func (q *Queue) Disown(partition int32) {
	for key, b := range q.businesses {
		if key.partition == partition {
			q.streak(b, 0, time.Time{})
			b.gone, b.list = true, listNone
			if b.index >= 0 {
				heap.Remove(&q.waiting, b.index)
			}
			delete(q.businesses, key)
		}
	}
	for place, t := range q.tracks {
		if place.Partition == partition {
			q.taken -= t.answered
			t.answered = 0
			delete(q.tracks, place)
		}
	}
	q.letters = slices.DeleteFunc(q.letters, func(l *Letter) bool { return l.Partition == partition })
	delete(q.lanes, partition)
	delete(q.failing, partition)
}

// Wants returns where a place is read on. ok is false while the window is full, and for a place that is not owned.
func (q *Queue) Wants(p Place) (offset int64, ok bool) {
	t := q.tracks[p]
	if t == nil || q.disabled || q.lanes[p.Partition] == nil {
		return 0, false
	}
	return t.read, t.lane.room(&q.limits) > 0
}

// Skip moves the position of a place over records that the log does not hold any more.
func (q *Queue) Skip(p Place, to int64) {
	if t := q.tracks[p]; t != nil && to > t.read {
		t.read, t.dirty = t.was.skip(to), true
	}
}

// Reset moves the position of a place to an offset, which may be before it: the log was replaced. Events that were read of it stay queued.
func (q *Queue) Reset(p Place, to int64) {
	t := q.tracks[p]
	if t == nil {
		return
	}
	if to > t.read {
		q.Skip(p, to)
		return
	}
	// Records of the former log keep their slots in the window, and have no offset in the new one.
	for _, it := range t.open {
		it.track = &track{Place: p, lane: t.lane, open: []*Item{it}}
	}
	t.open, t.read, t.dirty = nil, to, true
	t.was = Position{Log: t.was.Log, Next: to, End: to}
}

// Room is how many events a place may add.
func (q *Queue) Room(p Place) int {
	t := q.tracks[p]
	if t == nil {
		return 0
	}
	return t.lane.room(&q.limits)
}

// Add takes the records of a place from one offset to another. Records of the range that are no items count as acknowledged, and
// so do those that were before. It reports whether the range is the wanted one.
func (q *Queue) Add(p Place, from, to int64, items []*Item, now time.Time) bool {
	t := q.tracks[p]
	if t == nil || t.read != from || q.lanes[p.Partition] == nil {
		return false
	}
	for _, it := range items {
		if t.was.Acknowledged(it.Offset) {
			continue
		}
		it.track = t
		t.open = append(t.open, it)
		t.lane.held++
		t.lane.bytes += it.Bytes
		if it.Bad != "" {
			q.letters = append(q.letters, &Letter{it, it.Reason, it.Bad})
			continue
		}
		b := q.business(p.Partition, it.Business)
		it.business = b
		lane := 1
		if it.Live {
			lane = 0
		}
		b.items[lane] = append(b.items[lane], it)
		q.queue(b, now)
	}
	t.read, t.dirty = t.was.skip(to), true
	q.relieve(p.Partition, t.lane, now)
	return true
}

// Recovered ends the waits: the endpoint works again, so that former failures say nothing about a business. A business that also failed while others
// succeeded still waits, unless all is true.
func (q *Queue) Recovered(now time.Time, all bool) {
	q.paused = time.Time{}
	for _, b := range q.businesses {
		if b.apart >= suspectAt && !all {
			continue
		}
		b.slow, b.due = false, time.Time{}
		q.streak(b, 0, now)
		if all {
			b.apart, b.seen = 0, -1
		}
		if b.index >= 0 {
			heap.Remove(&q.waiting, b.index)
		}
		q.queue(b, now)
	}
}

// Disabled reports whether the endpoint answered that it is gone.
func (q *Queue) Disabled() bool { return q.disabled }

// Enable undoes the effect of such an answer.
func (q *Queue) Enable() { q.disabled = false }

// Held is how many events are read and not acknowledged.
func (q *Queue) Held() int {
	n := 0
	for _, t := range q.tracks {
		n += len(t.open)
	}
	return n
}

// Letters takes the letters that have to be kept. Each is given once.
func (q *Queue) Letters() []*Letter {
	l := q.letters
	q.letters = nil
	return l
}

// Kept notes that a letter is kept.
func (q *Queue) Kept(l *Letter) { q.acknowledge(l.Item) }
