package judge

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// A chunk may be marked late if its place had passed when the processor read it. The log shows the order of the reading,
// and the acknowledgement shows the latest time at which a record that went straight to Kafka was in the log. A record
// that went to the spool of the ingress was acknowledged before. The time of its events shows when it was read at the
// latest (rightlyLate).

const (
	// slack is the maximum difference between the clocks of two machines.
	slack = time.Second
	// tickGrace is how far the time of the partitions stays behind the clock, by contract. A record that is
	// acknowledged within it is in time.
	tickGrace = 5 * time.Second
	// reroutedLag is how long a body that concerns several WABAs may take to the partition of each. The partition of its
	// raw record may be behind, and the others do not know of the body.
	reroutedLag = time.Hour
	// overtaken is the least difference of receipts that shows the use of a spool: a record stands in its partition
	// behind one that was received so much later.
	overtaken = time.Second
	// spoolStay is the longest stay in a spool for which the versions of a message in several chunks are
	// interchangeable. A late mark may be right after a longer stay, too.
	spoolStay = time.Minute
	// boundarySlack is the maximum error of the times of account events, by contract.
	boundarySlack = 2 * time.Second
)

// readAt returns the latest time that can have passed for a partition when it read a body. An earlier record of its
// partition lets time pass up to its receipt, and that can be later, because requests overtake each other. Without such
// a record, time passes up to tickGrace before the body is in the log, which is no later than its acknowledgement.
func (b *bodyRecord) readAt() int64 {
	at := b.receivedMS + slack.Milliseconds()
	if b.first.topic == schemas.TopicRawBulk { // the other inputs let no time pass
		at = max(at, b.passedMS)
	}
	if b.split {
		at = max(at, b.receivedMS+reroutedLag.Milliseconds())
	}
	return max(at, b.ackedMS-tickGrace.Milliseconds())
}

// findLate marks the chunks whose place may have passed at their arrival.
func (j *Judge) findLate(here []int32) {
	phases := map[int32][]int32{}
	for _, i := range here {
		if c := &j.chunks[i]; c.placed() {
			phases[c.phase] = append(phases[c.phase], i)
		}
	}
	quietAt := quiet(j.arrivals(here), math.MinInt64, j.opt.QuietTime)
	for phase, members := range phases {
		next := int64(math.MaxInt64)
		before := map[int32]int64{} // chunk_order in the phases before, and the arrival of the first chunk of each
		for other, them := range phases {
			if other > phase {
				next = min(next, j.arrivals(them)[0].received)
				continue
			}
			for _, i := range them {
				if c := &j.chunks[i]; other < phase {
					at, seen := before[c.order]
					if b := j.bodyOf(c); !seen || b.receivedMS < at {
						before[c.order] = b.receivedMS
					}
				}
			}
		}
		// The phase counts as finished if no chunk of it came for the hold while a later one waited.
		heldAt := int64(math.MaxInt64)
		if next != math.MaxInt64 {
			heldAt = quiet(j.arrivals(members), next, j.opt.PhaseHold)
		}
		behind := int64(math.MaxInt64) // first arrival of a chunk of the phase with a higher order
		goesOn := int64(math.MaxInt64) // since when a chunk with a higher order would continue a phase before
		for k := len(members) - 1; k >= 0; k-- {
			c := &j.chunks[members[k]]
			b := j.bodyOf(c)
			at := b.readAt()
			c.lateFrom = min(heldAt, quietAt, later(behind, j.opt.GapTimeout), later(goesOn, j.opt.PhaseHold))
			c.mayBeLate = at >= c.lateFrom
			if k > 0 && j.chunks[members[k-1]].order == c.order { // two texts of one chunk
				c.mayBeLate, j.chunks[members[k-1]].mayBeLate = true, true
			}
			if c.order == 0 && k+1 < len(members) {
				// A phase starts with 1 until a 0 is seen.
				next := j.bodyOf(&j.chunks[members[k+1]])
				c.mayBeLate = c.mayBeLate || b.split || next.split || next.first != b.first || next.offset < b.offset
			}
			if k+1 < len(members) && j.chunks[members[k+1]].order == c.order && j.chunks[members[k+1]].mayBeLate {
				c.mayBeLate = true
			}
			behind = min(behind, b.receivedMS)
			if at, ok := before[c.order-1]; ok {
				goesOn = min(goesOn, max(at, b.receivedMS))
			}
		}
	}
}

// arrival is the receipt of a chunk, and the latest time that can have passed when it was read.
type arrival struct{ received, read int64 }

// arrivals returns the arrivals of chunks, sorted by their receipt.
func (j *Judge) arrivals(chunks []int32) []arrival {
	at := make([]arrival, len(chunks))
	for k, i := range chunks {
		b := j.bodyOf(&j.chunks[i])
		at[k] = arrival{b.receivedMS, b.readAt()}
	}
	slices.SortFunc(at, func(a, b arrival) int { return cmp.Compare(a.received, b.received) })
	return at
}

// quiet returns the first moment, not before since, at which no chunk may have arrived for the hold.
func quiet(arrivals []arrival, since int64, hold time.Duration) int64 {
	k := sort.Search(len(arrivals), func(k int) bool { return arrivals[k].received > since })
	from := since
	if k > 0 {
		from = max(from, arrivals[k-1].received)
	}
	for ; k < len(arrivals); k++ {
		if from != math.MinInt64 && arrivals[k].read-from >= hold.Milliseconds() {
			break
		}
		from = arrivals[k].received
	}
	if from == math.MinInt64 || from > math.MaxInt64-hold.Milliseconds() {
		return math.MaxInt64
	}
	return from + hold.Milliseconds()
}

// later returns the time after a wait; never if it did not begin.
func later(from int64, wait time.Duration) int64 {
	if from > math.MaxInt64-wait.Milliseconds() {
		return math.MaxInt64
	}
	return from + wait.Milliseconds()
}

// findPassed finds the account events that ended the window, for the chunks that were received before. Such an event
// passes a chunk that waits in the spool, because live webhooks go first. When time has passed until its receipt, the
// window is closed, and all chunks of it that are read later are late.
func (j *Judge) findPassed(n *number, w *window) {
	first := int64(math.MaxInt64)
	for _, i := range w.chunks {
		first = min(first, j.bodyOf(&j.chunks[i]).receivedMS)
	}
	for _, i := range w.chunks {
		c := &j.chunks[i]
		b := j.bodyOf(c)
		for _, e := range n.closedBy {
			by := &j.bodies[e.body]
			if !by.present() || by.newestMS <= b.receivedMS {
				continue
			}
			if e.timeMS > 0 && e.timeMS <= first+boundarySlack.Milliseconds() {
				continue // it ended the onboarding before
			}
			at, sent := max(by.oldestMS, b.receivedMS+1), by.sentMS
			if sent == 0 {
				sent = at
			}
			if c.closedMS == 0 || at < c.closedMS {
				c.closedMS = at
			}
			if c.closedSentMS == 0 || sent < c.closedSentMS {
				c.closedSentMS = sent
			}
		}
		until := b.readAt() + spoolStay.Milliseconds()
		passed := c.placed() && until >= c.lateFrom || c.closedMS > 0 && until >= c.closedMS
		c.unsure = c.mayBeLate || passed && j.spooledWithin(b.receivedMS, until)
	}
}

// stay is a time between two receipts.
type stay struct{ from, until int64 }

// noteSpool notes the receipt of a record, and the newest receipt of those before it in its partition.
func (j *Judge) noteSpool(ms, before int64) {
	if ms <= 0 || before-ms < overtaken.Milliseconds() {
		return
	}
	if n := len(j.spooled); n > 0 && ms <= j.spooled[n-1].until && before >= j.spooled[n-1].from {
		last := &j.spooled[n-1]
		last.from, last.until = min(last.from, ms), max(last.until, before)
		return
	}
	j.spooled = append(j.spooled, stay{ms, before})
}

// spooledWithin reports whether the spool was in use in a span of time.
func (j *Judge) spooledWithin(from, until int64) bool {
	return slices.ContainsFunc(j.spooled, func(s stay) bool { return s.from <= until && s.until >= from })
}

// rightlyLate reports whether a chunk may be late, by the record of one of its messages. A late chunk leaves when it is
// read. So nothing that is behind it in the log may have left before, and the time of its record is the latest time of
// the reading.
//
// That time also excuses a wrong mark if the processor was behind by the wait: the chunk went straight to Kafka, and its
// record left long after. The logs do not distinguish this from a chunk that waited in the spool. Kafka's time of a raw
// record is its receipt, also after the spool (CreateTime). An overtaken record (spooledWithin) shows that a spool was in
// use, but its absence shows nothing: records of one business stay in order, so none of them is overtaken. The time
// between a request and its 200 shows nothing either: behind the first record of its shard, a record goes to the spool at
// once. A right run must not be found wrong, so the time of the record is sufficient.
func (j *Judge) rightlyLate(r *Record, num *number, c *chunk) bool {
	if c.mayBeLate {
		return true
	}
	b := j.bodyOf(c)
	if num.read.at == b.first && num.read.offset > b.offset {
		return false
	}
	left := int64(math.MinInt64)
	if _, replayed := r.header(schemas.HeaderReplay); !replayed && r.TimeMS > 0 { // a replay was long after the reading
		left = r.TimeMS + slack.Milliseconds()
	}
	if c.placed() && left > 0 && left-tickGrace.Milliseconds() >= j.waitedUntil(num.window(c.window), c) {
		return true
	}
	if c.closedMS == 0 || left < c.closedSentMS && b.passedMS < c.closedMS && !b.split {
		return false
	}
	if w := num.window(c.window); !b.split && !w.closed.known {
		w.closed.known, w.closed.at, w.closed.offset = true, b.first, b.offset
	}
	return true
}

// waitedUntil returns the time from which the place of a chunk has passed, if nothing behind it in the log was read by
// then.
func (j *Judge) waitedUntil(w *window, c *chunk) int64 {
	if c.waited {
		return c.lateFrom
	}
	c.waited = true
	b := j.bodyOf(c)
	var all, phase []int32
	next, behind := int64(math.MaxInt64), int64(math.MaxInt64)
	for _, i := range w.chunks {
		o := &j.chunks[i]
		ob := j.bodyOf(o)
		if !o.placed() || ob.first != b.first || ob.offset >= b.offset {
			continue
		}
		all = append(all, i)
		switch {
		case o.phase > c.phase:
			next = min(next, ob.receivedMS)
		case o.phase == c.phase:
			phase = append(phase, i)
			if o.order > c.order {
				behind = min(behind, ob.receivedMS)
			}
		}
	}
	c.lateFrom = min(c.lateFrom, later(behind, j.opt.GapTimeout), quiet(j.arrivals(all), math.MinInt64, j.opt.QuietTime))
	if next != math.MaxInt64 {
		c.lateFrom = min(c.lateFrom, quiet(j.arrivals(phase), next, j.opt.PhaseHold))
	}
	return c.lateFrom
}

// noteRead notes that the processor has read a chunk, because one of its messages left. It reports whether its window
// was open when it was read: a chunk before it in the log was not late because the window was closed.
func (j *Judge) noteRead(num *number, c *chunk, late bool) (open bool) {
	b := j.bodyOf(c)
	if b.split {
		return true
	}
	if num.read.at != b.first {
		num.read.at, num.read.offset = b.first, b.offset
	}
	num.read.offset = max(num.read.offset, b.offset)
	w := num.window(c.window)
	return late || !w.closed.known || w.closed.at != b.first || b.offset <= w.closed.offset
}
