package queue

import (
	"cmp"
	"slices"
	"time"
)

// Done takes the answer to a delivery, and returns what it means.
func (q *Queue) Done(d *Delivery, a Answer, now time.Time) Fate {
	fate := Judge(a)
	b := d.business
	if d.slow {
		q.slow--
	}
	if b.gone { // another process has the partition
		q.taken--
		return fate
	}
	b.sending = false
	b.slow = q.isSlow(a.Took)
	if fate != Delivered {
		q.taken--
	}
	switch fate {
	case Delivered:
		q.delivered += len(d.Items)
		b.apart, b.seen = 0, -1
		q.inRow = 0
		b.single, b.due = false, time.Time{}
		q.streak(b, 0, now)
		if t := q.tracks[d.Items[0].Place]; t != nil {
			t.answered++
			t.dirty = true
		}
		for _, it := range d.Items {
			q.acknowledge(it)
		}
		b.drop(d.Items)
	case Gone:
		q.disabled = true
	case Refused:
		fate = q.refused(d, a, now)
	case Failed:
		q.fail(b, a, now)
	}
	if b.stale {
		q.recheck(b)
	}
	q.queue(b, now)
	if lanes := q.lanes[b.partition]; lanes != nil {
		q.relieve(b.partition, &lanes[0], now)
		q.relieve(b.partition, &lanes[1], now)
	}
	return fate
}

// slowMin is the time of an answer below which no business counts as slow.
const slowMin = 500 * time.Millisecond

// isSlow reports whether an answer took far longer than others do.
func (q *Queue) isSlow(took time.Duration) bool {
	if q.mean == 0 {
		q.mean = took
	}
	q.mean += (took - q.mean) / 32
	return took > max(slowMin, 4*q.mean)
}

func (q *Queue) refused(d *Delivery, a Answer, now time.Time) Fate {
	b := d.business
	if len(d.Items) > 1 { // one of them is at fault
		b.single = true
		return Refused
	}
	it := d.Items[0]
	if it.attempts+1 < q.limits.AttemptsMax {
		it.attempts++
		q.fail(b, a, now)
		return Refused
	}
	if q.inRow >= refusalsInRow {
		q.fail(b, a, now)
		return Failed
	}
	q.inRow++
	q.letters = append(q.letters, &Letter{it, ReasonRefused, a.Why})
	b.drop(d.Items)
	q.streak(b, 1, now)
	b.due = now // the next one is tried at once, among those that fail
	return Refused
}

const (
	// suspectAt is how often a business has to fail again after others succeeded, before its events make room for others.
	suspectAt = 2
	// failingAt is after how many failures in a row its events may clog a lane.
	failingAt = 2
	// suspectAfter is the time after which a business that fails makes room even if no other one shows that the endpoint works.
	suspectAfter = 24 * time.Hour
)

// streak sets how often a business failed in a row.
func (q *Queue) streak(b *business, failures int, now time.Time) {
	if failures > 0 && b.seen >= 0 && q.delivered > b.seen {
		b.apart++
	}
	switch {
	case failures == 0:
		b.confirmed = 0
	case b.failures == 0:
		b.since = now
	case failures > b.failures && q.delivered > b.seen:
		b.confirmed++
	}
	b.failures = failures
	if failures > 0 {
		b.seen = q.delivered
	}
	all := q.failing[b.partition]
	switch {
	case b.failures < failingAt:
		delete(all, b)
	case all == nil:
		q.failing[b.partition] = map[*business]struct{}{b: {}}
	default:
		all[b] = struct{}{}
	}
}

// fail lets a business wait.
func (q *Queue) fail(b *business, a Answer, now time.Time) {
	q.streak(b, b.failures+1, now)
	b.why = a.Why
	after := min(a.RetryAfter, RetryAfterMax)
	if a.Status == 429 && after > 0 && now.Add(after).After(q.paused) {
		q.paused = now.Add(after)
	}
	b.due = now.Add(max(q.limits.Delay(b.failures), after))
}

// drop removes items from the front of a lane.
func (b *business) drop(items []*Item) {
	for lane := range b.items {
		if l := b.items[lane]; len(l) >= len(items) && l[0] == items[0] {
			clear(l[:len(items)])
			b.items[lane] = l[len(items):]
			return
		}
	}
}

// acknowledge takes an item out of the window.
func (q *Queue) acknowledge(it *Item) {
	t := it.track
	i, found := slices.BinarySearchFunc(t.open, it.Offset, func(o *Item, at int64) int { return cmp.Compare(o.Offset, at) })
	if !found {
		return
	}
	t.open = slices.Delete(t.open, i, i+1)
	t.lane.held--
	t.lane.bytes -= it.Bytes
	t.dirty = true
}

// relieve makes room in a full lane. Where businesses that fail have half of it, it first takes more. The events of a business that fails
// while others succeed become letters.
func (q *Queue) relieve(partition int32, l *lane, now time.Time) {
	if l.held < q.limits.HeldMax && l.bytes < q.limits.HeldBytes {
		l.clogged = false
		return
	}
	if len(q.failing[partition]) == 0 {
		return
	}
	var worst *business
	all, most := 0, 0
	for b := range q.failing[partition] {
		n := b.holds(l)
		all += n
		guilty := b.confirmed >= suspectAt || now.Sub(b.since) >= suspectAfter
		if guilty && !b.sending && (n > most || n == most && n > 0 && b.key < worst.key) {
			worst, most = b, n
		}
	}
	l.clogged = all*2 >= l.held
	if worst == nil || !l.clogged {
		return
	}
	worst.since = now
	for lane, items := range worst.items {
		if len(items) == 0 || items[0].track.lane != l {
			continue
		}
		for _, it := range items {
			q.letters = append(q.letters, &Letter{it, ReasonFailing, worst.why})
		}
		worst.items[lane] = nil
	}
	q.queue(worst, now)
}

// holds is how many events of a lane a business has.
func (b *business) holds(l *lane) int {
	for _, items := range b.items {
		if len(items) > 0 && items[0].track.lane == l {
			return len(items)
		}
	}
	return 0
}
