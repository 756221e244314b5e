package publish

import (
	"fmt"
	"sync"
	"time"

	"github.com/coexstream/coexstream/ingress/raw"
)

// queue is one partition's group commit: while a batch flies, records queue up, and all of them fly
// next. There is no linger; the broker's pace makes the batches. One batch is in flight at a time, and
// a failed one is tried again before anything behind it, so that order holds.
//
// A queue has no goroutine. When it has something to send it reports to its dispatcher, which loads
// it, sends, and settles it with the outcome; settling reports again, if something is left.
type queue struct {
	p         *Publisher
	d         *dispatcher
	partition int32
	produced  *topicMetrics

	mu      sync.Mutex
	busy    bool // reported, in flight or pausing: someone will come back to it
	closed  bool
	waiting []*publication
	// flight is what is to be sent before anything that waits; nil where its deadline passed. Each
	// publication is finished once, by whoever takes it out of waiting or flight under mu.
	flight []*publication
	spans  []span // of flight, in order: the first one is sent next
	tries  int    // failed attempts of the first span
	// written: a failed attempt of this flight may have written it.
	written bool
	air     *batch // what is being sent, nil when nothing is
	airAt   []int  // index in flight of each record of air
	spare   *batch // for the next attempt; read by nobody
}

// span is flight[from:to].
type span struct{ from, to int }

// publication is one call of Publish.
type publication struct {
	record   *raw.Record
	deadline time.Time
	bytes    int64
	alone    bool       // to have a batch of its own
	offset   int64      // in the log, of one that was alone
	run      *run       // nil: it stands for itself
	done     chan error // capacity 1
}

// run is publications of which none is written when one before it was not. It belongs to their queue's mu.
type run struct{ broken bool }

// push queues publications, one behind the other, or says that the queue is closed.
func (q *queue) push(pubs ...*publication) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.waiting = append(q.waiting, pubs...)
	report := !q.busy
	if report {
		q.busy = true
		q.p.busy.Add(1)
	}
	q.mu.Unlock()
	if report {
		q.d.report(q)
	}
	return true
}

// cargo is what a queue wants to be sent.
type cargo struct {
	batch *batch
	last  time.Time // the latest deadline
	bytes int64
}

// load takes what is to be sent next, or says that there is nothing; then the queue is idle.
func (q *queue) load(now time.Time) (c cargo, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if len(q.spans) == 0 && !q.take() {
			q.busy = false
			q.p.busy.Done()
			return cargo{}, false
		}
		if c = q.lift(now); c.batch != nil {
			return c, true
		}
		q.next() // everyone gave up
	}
}

// failed tells whether what is to be sent next has been tried in vain.
func (q *queue) failed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.tries > 0
}

// take moves what waits to flight, up to a batch.
func (q *queue) take() bool {
	n, bytes := 0, int64(0)
	most := min(int64(q.p.cfg.BatchBytesMax), q.d.limit.Load())
	for n < len(q.waiting) && (n == 0 || bytes+q.waiting[n].bytes <= most && !q.waiting[n].alone && !q.waiting[0].alone) {
		bytes += q.waiting[n].bytes
		n++
	}
	if n == 0 {
		return false
	}
	if n == len(q.waiting) {
		q.flight, q.waiting = q.waiting, q.flight[:0]
	} else {
		q.flight = append(q.flight[:0], q.waiting[:n]...)
		rest := copy(q.waiting, q.waiting[n:])
		clear(q.waiting[rest:])
		q.waiting = q.waiting[:rest]
	}
	q.spans = append(q.spans[:0], span{0, n})
	q.produced.batchRecords.Observe(float64(n))
	q.produced.batchBytes.Observe(float64(bytes))
	return true
}

// lift makes a batch of what is left of the first span; none if everyone has given up.
func (q *queue) lift(now time.Time) cargo {
	b := q.spare
	if b == nil {
		b = new(batch)
	}
	b.reset()
	q.airAt = q.airAt[:0]
	c := cargo{batch: b}
	for i := q.spans[0].from; i < q.spans[0].to; i++ {
		pub := q.flight[i]
		if pub == nil {
			continue
		}
		if !pub.deadline.After(now) {
			q.flight[i] = nil
			q.giveUp(pub, q.lost())
			continue
		}
		if pub.run != nil && pub.run.broken {
			q.flight[i] = nil
			q.giveUp(pub, errRunBroken)
			continue
		}
		b.records = append(b.records, pub.record)
		q.airAt = append(q.airAt, i)
		c.bytes += pub.bytes
		if pub.deadline.After(c.last) {
			c.last = pub.deadline
		}
	}
	if len(b.records) == 0 {
		q.spare = b
		return cargo{}
	}
	q.air, q.spare = b, nil
	return c
}

// next goes on to the next span, or ends the flight.
func (q *queue) next() {
	q.tries = 0
	q.spans = q.spans[:copy(q.spans, q.spans[1:])]
	if len(q.spans) == 0 {
		q.flight, q.written = q.flight[:0], false
	}
}

// lost is what someone hears whose deadline passes in flight.
func (q *queue) lost() error {
	if q.written || q.air != nil {
		return raw.ErrUnknown
	}
	return raw.ErrUnavailable
}

// settle is told how the batch of the last load went, nil for acknowledged, what that means, and the offset of
// the batch's first record.
func (q *queue) settle(b *batch, base int64, v verdict, err error) {
	if err != nil {
		q.p.metrics.produceErrors[v.kind].Inc()
		err = fmt.Errorf("produce %s/%d: %w", q.d.topic, q.partition, err)
		if !v.tooLarge {
			q.p.health.failed(err)
		}
	}
	pause := time.Duration(0)
	q.mu.Lock()
	q.air, q.spare = nil, b
	q.written = q.written || v.unknown
	switch first := q.spans[0]; {
	case err == nil:
		if pub := q.flight[first.from]; pub != nil && pub.alone {
			pub.offset = base
		}
		q.finish(first, nil)
		q.next()
	case (v.tooLarge || v.company) && len(b.records) > 1:
		// Not for the whole batch to suffer from one record, nor from an estimate.
		middle := first.from + (first.to-first.from)/2
		q.spans = append(q.spans, span{})
		copy(q.spans[1:], q.spans)
		q.spans[0], q.spans[1] = span{first.from, middle}, span{middle, first.to}
	case v.final:
		refusal := raw.ErrRejected
		if v.kind == produceErrorAuth {
			refusal = raw.ErrDenied
		}
		q.finish(first, fmt.Errorf("%w: %w", refusal, err))
		q.next()
	default:
		if !v.atOnce || q.tries > 0 {
			pause = min(retryPauseFirst<<min(q.tries, 10), retryPauseMost)
		}
		q.tries++
	}
	q.mu.Unlock()
	if pause > 0 {
		time.AfterFunc(pause, func() { q.d.report(q) })
	} else {
		q.d.report(q) // load finds out whether anything is left
	}
}

// The metadata are refreshed within metadataTTL, so waiting much longer for a new leader gains nothing.
const (
	retryPauseFirst = 20 * time.Millisecond
	retryPauseMost  = 320 * time.Millisecond
)

// finish tells everyone in a span who is still there.
func (q *queue) finish(s span, err error) {
	for i := s.from; i < s.to; i++ {
		if pub := q.flight[i]; pub != nil {
			q.flight[i] = nil
			if err != nil {
				q.giveUp(pub, err)
			} else {
				q.p.finish(pub, nil)
			}
		}
	}
}

// errRunBroken is of a record that was not sent, because one that it must not overtake was not written.
var errRunBroken = fmt.Errorf("%w: a record before it was not written", raw.ErrUnavailable)

// giveUp finishes a publication that is not known to be written. It is called with mu.
func (q *queue) giveUp(pub *publication, err error) {
	if pub.run != nil {
		pub.run.broken = true
	}
	q.p.finish(pub, err)
}

// expire finishes all whose deadline has passed: what waits was not written, what flies may have been.
func (q *queue) expire(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.waiting[:0]
	for _, pub := range q.waiting {
		if pub.deadline.After(now) {
			kept = append(kept, pub)
			continue
		}
		q.giveUp(pub, raw.ErrUnavailable)
	}
	clear(q.waiting[len(kept):])
	q.waiting = kept

	for i, pub := range q.flight {
		if pub == nil || pub.deadline.After(now) {
			continue
		}
		if q.air != nil {
			for j, at := range q.airAt {
				if at == i {
					q.air.drop(j)
				}
			}
		}
		q.flight[i] = nil
		q.giveUp(pub, q.lost())
	}
}

// close refuses new publications. Those that there are go on.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
}
