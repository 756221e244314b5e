package history

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// scenario is a random life of a number, in the order in which an owner would read it.
type scenario struct {
	calm   bool // all chunks of a window come within the phase hold
	events []event
}

type eventKind uint8

const (
	eventChunk eventKind = iota
	eventTick
	eventBoundary
	eventDecline
)

type event struct {
	kind   eventKind
	at     time.Time // when it was received
	read   time.Time // when it is read
	chunk  Chunk
	ms     []message
	window int32 // the truth
	lose   bool  // the raw log forgets it at once
	time   time.Time
	opens  bool // of a boundary
}

// shape is how a sender numbers and fills one sync.
type shape struct {
	through, overall, unordered bool
	first                       int32
	phases                      []int32
	chunks                      []int // of each phase
}

func randomShape(rng *rand.Rand) shape {
	s := shape{through: rng.IntN(3) == 0, overall: rng.IntN(2) == 0, unordered: rng.IntN(10) == 0}
	if rng.IntN(4) > 0 {
		s.first = 1
	}
	for p := range int32(3) {
		if rng.IntN(4) > 0 {
			s.phases = append(s.phases, p)
			s.chunks = append(s.chunks, 1+rng.IntN(8))
		}
	}
	if len(s.phases) == 0 {
		s.phases, s.chunks = []int32{rng.Int32N(3)}, []int{1 + rng.IntN(8)}
	}
	return s
}

// clean is a shape whose whole order can be known: what a calm scenario is made of. A 0 that comes when 1
// has left is late by definition, so calm syncs begin with 1.
func cleanShape(rng *rand.Rand) shape {
	s := randomShape(rng)
	s.unordered, s.first = false, 1
	return s
}

// randomScenario makes windows that are parted by account events.
func randomScenario(rng *rand.Rand, calm bool) scenario {
	s := scenario{calm: calm}
	from := epoch.Add(time.Hour)
	offset := int64(0)
	for w := int32(1); w <= int32(1+rng.IntN(3)); w++ {
		sh := randomShape(rng)
		if calm {
			sh = cleanShape(rng)
		}
		if !calm && rng.IntN(5) == 0 {
			// Declined first, and the decline is delivered again, even during the sync that follows.
			for _, after := range []time.Duration{0, 10 * time.Second, 20 * time.Minute}[:1+rng.IntN(3)] {
				at := from.Add(after)
				s.events = append(s.events, event{kind: eventDecline, at: at, read: at})
			}
			from = from.Add(time.Minute)
		}
		end := s.window(rng, sh, w, from, &offset)
		// The account event comes when nothing more is received of this window, and is read early: the live
		// lane is ahead of the bulk lane.
		from = end.Add(time.Duration(1+rng.IntN(600)) * time.Minute)
		happened := from.Add(-time.Duration(rng.IntN(5)) * time.Second).Truncate(time.Second)
		for n := 1 + rng.IntN(2); n > 0; n-- {
			b := event{kind: eventBoundary, at: from, time: happened, window: w}
			b.read = from.Add(-time.Duration(rng.IntN(120)) * time.Second)
			s.events = append(s.events, b)
			from = from.Add(time.Duration(rng.IntN(3000)) * time.Millisecond)
		}
		// Later than the slack, so that the event is not taken for one of the window before.
		from = from.Add(BoundarySlack + time.Duration(1+rng.IntN(60))*time.Minute)
	}
	s.ticks(rng)
	slices.SortStableFunc(s.events, func(a, b event) int { return a.read.Compare(b.read) })
	return s
}

// window sends the chunks of one sync and returns when the last one was received.
func (s *scenario) window(rng *rand.Rand, sh shape, w int32, from time.Time, offset *int64) time.Time {
	total := 0
	for _, n := range sh.chunks {
		total += n
	}
	spread := 110 * time.Second
	if !s.calm {
		spread = []time.Duration{time.Minute, 10 * time.Minute, 2 * time.Hour, 12 * time.Hour}[rng.IntN(4)]
	}
	end := from
	send := func(c Chunk, ms []message, lose bool) {
		*offset++
		c.Ref = Ref{Topic: schemas.TopicRawBulk, Offset: *offset, Change: uint16(rng.IntN(3)), Element: uint16(rng.IntN(3))}
		c.ReceivedAt = from.Add(time.Duration(rng.Int64N(int64(spread)))).Truncate(time.Millisecond)
		if c.ReceivedAt.After(end) {
			end = c.ReceivedAt
		}
		s.events = append(s.events, event{kind: eventChunk, at: c.ReceivedAt, read: c.ReceivedAt, chunk: c, ms: ms, window: w, lose: lose})
	}
	sent, order := 0, sh.first
	for i, phase := range sh.phases {
		if !sh.through {
			order = sh.first
		}
		for k := range sh.chunks[i] {
			sent++
			c := Chunk{Phase: phase, HasPhase: true, Order: order, HasOrder: !sh.unordered, HasProgress: true}
			c.Progress = int32(100 * (k + 1) / sh.chunks[i])
			if sh.overall {
				c.Progress = int32(100 * sent / total)
			}
			c.Digest = schemas.HashBytes(fmt.Appendf(nil, "%d/%d/%d/%d", w, phase, order, k))
			var ms []message
			for range rng.IntN(4) {
				ms = append(ms, message{fmt.Sprintf("w%d-%d", w, rng.IntN(3*total+1)), schemas.Rank(rng.IntN(4))})
			}
			c.Messages = len(ms)
			order++
			if !s.calm && rng.IntN(20) == 0 {
				c.Errors = []Error{{Code: 131000, Title: strings.Repeat("ö", rng.IntN(300))}}
			}
			switch {
			case !s.calm && rng.IntN(10) == 0:
				if rng.IntN(2) == 0 { // it comes as an error
					c.Digest.Hi--
					c.Failed, c.Errors, c.Messages = true, []Error{{Code: 131000, Title: "it failed"}, {Code: int64(order)}}, 0
					send(c, nil, false)
				}
				continue // lost on the way
			case !s.calm && rng.IntN(12) == 0:
				send(c, ms, true)
			default:
				send(c, ms, false)
			}
			for rng.IntN(4) == 0 {
				send(c, ms, false) // again
			}
			if !s.calm && c.Order > 1 && rng.IntN(12) == 0 {
				c.Digest.Hi++ // another chunk for the same slot; not the first: that could begin a new sync
				send(c, ms, false)
			}
			if !s.calm && rng.IntN(15) == 0 {
				c.HasOrder, c.Digest.Lo = false, c.Digest.Lo+1
				send(c, ms, false)
			}
		}
	}
	if spread < 6*time.Hour && (s.calm || sh.phases[len(sh.phases)-1] < 2) {
		// PARTNER_ADDED comes late and repeatedly, and ends no running sync. A sync of a phase 2 may be complete.
		for range rng.IntN(3) {
			at := from.Add(time.Duration(rng.Int64N(int64(end.Sub(from) + 1)))).Truncate(time.Millisecond)
			s.events = append(s.events, event{kind: eventBoundary, at: at, read: at, time: at, opens: true, window: w})
		}
	}
	return end
}

func (s *scenario) ticks(rng *rand.Rand) {
	last := slices.MaxFunc(s.events, func(a, b event) int { return a.at.Compare(b.at) }).at
	for range 5 + rng.IntN(30) {
		at := epoch.Add(time.Duration(rng.Int64N(int64(last.Sub(epoch) + time.Hour)))).Truncate(time.Millisecond)
		s.events = append(s.events, event{kind: eventTick, at: at, read: at})
	}
}

// run plays a scenario. After every event some chunks leave, or all; see receives what happened.
type run struct {
	*owner
	verdict   func(e event, v Verdict)
	departure func(d Departure, emitted []message)
	step      func(i int)
}

func (r *run) play(s scenario, rng *rand.Rand, patient bool) {
	for i, e := range s.events {
		if r.step != nil {
			r.step(i)
		}
		switch e.kind {
		case eventChunk:
			v := r.chunk(e.chunk, e.ms)
			if e.lose && v == Accepted {
				delete(r.log, e.chunk.Ref)
			}
			r.verdict(e, v)
		case eventTick:
			r.leaveAll(1 << 30) // an owner that ticks has nothing left to do
			r.tick(e.at)
		case eventBoundary:
			r.n.Boundary(r.now, Boundary{Opens: e.opens, Time: e.time, ReceivedAt: e.at})
		case eventDecline:
			r.n.Decline(r.now, e.at, []byte(`[{"code":2593109}]`))
		}
		switch n := rng.IntN(4); {
		case e.kind == eventTick || n == 0 && !patient:
			r.leaveAll(1 << 30)
		case n == 1 && !patient:
			r.leaveAll(1)
		}
	}
	r.leaveAll(1 << 30)
}

func (r *run) leaveAll(n int) {
	for range n {
		d, emitted, ok := r.leave()
		if !ok {
			return
		}
		r.departure(d, emitted)
	}
}

// finish ticks at every deadline until nothing is waited for any more.
func (r *run) finish() {
	for i := 0; ; i++ {
		r.commit()
		d := r.n.Deadline()
		if d.IsZero() {
			return
		}
		if i > 10_000 {
			r.t.Fatalf("ticked 10,000 times and still there is a deadline: %v", d)
		}
		r.tick(d)
		r.leaveAll(1 << 30)
	}
}

// place is a chunk's place in the order of its number.
type place struct {
	window, phase, order int32
	ordered              bool
}

func placeOf(d Departure) place {
	p := place{window: d.Window}
	if d.Position.Phase != nil && d.Position.ChunkOrder != nil {
		p.phase, p.order, p.ordered = *d.Position.Phase, *d.Position.ChunkOrder, true
	}
	return p
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.window, q.window), cmp.Compare(p.phase, q.phase), cmp.Compare(p.order, q.order))
}
