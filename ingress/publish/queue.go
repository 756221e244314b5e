package publish

import (
	"fmt"
	"sync"
	"time"

	"github.com/coexstream/coexstream/ingress/raw"
)

// queue is the group commit of one partition. While a batch is in flight, new records wait; together they become the
// next batch. There is no linger: the pace of the broker makes the batches. One batch is in flight at a time. A batch
// that failed is sent again before anything behind it, which keeps the order.
//
// A queue has no goroutine. When it has something to send, it reports to its dispatcher. The dispatcher takes the next
// batch (next), sends it, and settles it with the outcome (settle). settle reports again.
type queue struct {
	p         *Publisher
	d         *dispatcher
	partition int32
	produced  *topicMetrics

	mu      sync.Mutex
	busy    bool // reported, in flight or pausing: next will be called
	closed  bool
	waiting []*publication
	// current are the publications to send before those that wait; an entry is nil once its deadline has passed. Each
	// publication is finished once, by the goroutine that removes it from waiting or current under mu.
	current []*publication
	spans   []span // of current, in order: the first one is sent next
	tries   int    // failed attempts of the first span
	// written: a failed attempt may have written a part of current.
	written bool
	sending *batch // the batch in flight; nil: none
	// sendingAt is the index in current of each record of sending.
	sendingAt []int
}

// span is current[from:to].
type span struct{ from, to int }

// publication is one call of Publish.
type publication struct {
	record   *raw.Record
	deadline time.Time
	bytes    int64
	alone    bool          // it needs a batch of its own
	offset   int64         // in the log, where alone is set
	group    *orderedGroup // nil: none
	done     chan error    // capacity 1
}

// orderedGroup is a group of publications of one queue. Once one of them has failed, those behind it are not sent. It
// is guarded by the queue's mu.
type orderedGroup struct{ failed bool }

// push appends publications. It returns false when the queue is closed.
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

// outgoing is a batch that a queue wants to send.
type outgoing struct {
	batch *batch
	last  time.Time // the latest deadline of its records
	bytes int64
}

// next returns the batch to send. It returns false when there is none; then the queue is idle.
func (q *queue) next(now time.Time) (out outgoing, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if len(q.spans) == 0 && !q.take() {
			q.busy = false
			q.p.busy.Done()
			return outgoing{}, false
		}
		if out = q.build(now); out.batch != nil {
			return out, true
		}
		q.endSpan() // all of it has expired
	}
}

// failed reports whether the next batch has failed before.
func (q *queue) failed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.tries > 0
}

// take moves waiting publications to current, up to the limit of a batch.
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
	q.current = append(q.current[:0], q.waiting[:n]...)
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	q.spans = append(q.spans[:0], span{0, n})
	q.produced.batchRecords.Observe(float64(n))
	q.produced.batchBytes.Observe(float64(bytes))
	return true
}

// build makes a batch of the remaining records of the first span. It makes none when all of them have expired.
func (q *queue) build(now time.Time) outgoing {
	b := new(batch)
	q.sendingAt = q.sendingAt[:0]
	out := outgoing{batch: b}
	for i := q.spans[0].from; i < q.spans[0].to; i++ {
		pub := q.current[i]
		if pub == nil {
			continue
		}
		if !pub.deadline.After(now) {
			q.current[i] = nil
			q.fail(pub, q.deadlineError())
			continue
		}
		if pub.group != nil && pub.group.failed {
			q.current[i] = nil
			q.fail(pub, errPredecessorFailed)
			continue
		}
		b.records = append(b.records, pub.record)
		q.sendingAt = append(q.sendingAt, i)
		out.bytes += pub.bytes
		if pub.deadline.After(out.last) {
			out.last = pub.deadline
		}
	}
	if len(b.records) == 0 {
		return outgoing{}
	}
	q.sending = b
	return out
}

// endSpan removes the first span. After the last one, current is empty.
func (q *queue) endSpan() {
	q.tries = 0
	q.spans = q.spans[:copy(q.spans, q.spans[1:])]
	if len(q.spans) == 0 {
		q.current, q.written = q.current[:0], false
	}
}

// deadlineError is the error of a publication of current whose deadline passes.
func (q *queue) deadlineError() error {
	if q.written || q.sending != nil {
		return raw.ErrUnknown
	}
	return raw.ErrUnavailable
}

// settle ends an attempt to send a batch. err is nil when the batch was acknowledged; base is then the offset of its
// first record. class is the meaning of err.
func (q *queue) settle(b *batch, base int64, class errorClass, err error) {
	if err != nil {
		q.p.metrics.produceErrors[class.kind].Inc()
		err = fmt.Errorf("produce %s/%d: %w", q.d.topic, q.partition, err)
		if !class.tooLarge {
			q.p.health.failed(err)
		}
	}
	pause := time.Duration(0)
	q.mu.Lock()
	q.sending = nil
	q.written = q.written || class.maybeWritten
	switch first := q.spans[0]; {
	case err == nil:
		if pub := q.current[first.from]; pub != nil && pub.alone {
			pub.offset = base
		}
		q.finish(first, nil)
		q.endSpan()
	case (class.tooLarge || class.recordAtFault) && len(b.records) > 1:
		// One record must not fail the others. Halves of the batch are sent one after the other.
		middle := first.from + (first.to-first.from)/2
		q.spans = append(q.spans, span{})
		copy(q.spans[1:], q.spans)
		q.spans[0], q.spans[1] = span{first.from, middle}, span{middle, first.to}
	case class.final:
		refusal := raw.ErrRejected
		if class.kind == produceErrorAuth {
			refusal = raw.ErrDenied
		}
		q.finish(first, fmt.Errorf("%w: %w", refusal, err))
		q.endSpan()
	default:
		if !class.retryNow || q.tries > 0 {
			pause = min(retryPauseFirst<<min(q.tries, 10), retryPauseMost)
		}
		q.tries++
	}
	q.mu.Unlock()
	if pause > 0 {
		time.AfterFunc(pause, func() { q.d.report(q) })
	} else {
		q.d.report(q) // next finds out whether anything is left
	}
}

// A longer pause does not find a new leader sooner: the metadata are renewed within metadataTTL.
const (
	retryPauseFirst = 20 * time.Millisecond
	retryPauseMost  = 320 * time.Millisecond
)

// finish ends the publications of a span. It is called with mu.
func (q *queue) finish(s span, err error) {
	for i := s.from; i < s.to; i++ {
		if pub := q.current[i]; pub != nil {
			q.current[i] = nil
			if err != nil {
				q.fail(pub, err)
			} else {
				q.p.finish(pub, nil)
			}
		}
	}
}

// errPredecessorFailed is the error of a record that was not sent, because a record of its group before it failed.
var errPredecessorFailed = fmt.Errorf("%w: a record before it was not written", raw.ErrUnavailable)

// fail ends a publication with an error. It is called with mu.
func (q *queue) fail(pub *publication, err error) {
	if pub.group != nil {
		pub.group.failed = true
	}
	q.p.finish(pub, err)
}

// expire ends the publications whose deadline has passed. Waiting ones were not written; those in flight may be.
func (q *queue) expire(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.waiting[:0]
	for _, pub := range q.waiting {
		if pub.deadline.After(now) {
			kept = append(kept, pub)
			continue
		}
		q.fail(pub, raw.ErrUnavailable)
	}
	clear(q.waiting[len(kept):])
	q.waiting = kept

	for i, pub := range q.current {
		if pub == nil || pub.deadline.After(now) {
			continue
		}
		if q.sending != nil {
			for j, at := range q.sendingAt {
				if at == i {
					q.sending.drop(j)
				}
			}
		}
		q.current[i] = nil
		q.fail(pub, q.deadlineError())
	}
}

// close refuses new publications. Those in the queue are still sent.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
}
