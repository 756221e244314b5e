package ingress

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// queue is one partition's group commit: while a batch flies, records queue up, and all of them fly
// next. There is no linger; the broker's pace makes the batches. One batch in flight at a time, and a
// failed one is tried again before anything behind it, so that order holds.
type queue struct {
	p         *Publisher
	topic     string
	partition int
	codec     kafka.Compression
	produced  *topicMetrics
	takeoff   takeoff

	wake chan struct{} // capacity 1; filled when idle ends

	mu      sync.Mutex
	idle    bool
	closed  bool
	waiting []*publication
	// flight is the batch in the air; nil where its deadline passed. Each publication is finished
	// once, by whoever takes it out of waiting or flight under mu.
	flight []*publication
	air    *batch // what the client reads, nil between attempts
	airAt  []int  // index in flight of each record of air
	spare  *batch // for the next attempt; read by nobody
}

// publication is one call of Publish.
type publication struct {
	record   *Record
	deadline time.Time
	bytes    int64
	done     chan error // capacity 1
}

// push queues a publication, or says that the queue is closed.
func (q *queue) push(pub *publication) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.waiting = append(q.waiting, pub)
	wake := q.idle
	q.idle = false
	q.mu.Unlock()
	if wake {
		q.wake <- struct{}{}
	}
	return true
}

// run flies batches until the queue is closed and empty. ctx ends what is in the air.
func (q *queue) run(ctx context.Context) {
	for {
		some, open := q.some()
		switch {
		case some:
			q.takeoff.begin() // meanwhile the queue fills
			n := q.take()
			q.fly(ctx, 0, n)
			q.land()
			q.takeoff.end()
		case open:
			<-q.wake
		default:
			return
		}
	}
}

// some tells whether something waits, and else whether something may still come; then push wakes the queue.
func (q *queue) some() (some, open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 {
		return true, true
	}
	q.idle = !q.closed
	return false, !q.closed
}

// take moves what waits to flight, up to a batch, and returns how much that is.
func (q *queue) take() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	bytes := int64(0)
	for n < len(q.waiting) && (n == 0 || bytes+q.waiting[n].bytes <= int64(q.p.cfg.BatchBytesMax)) {
		bytes += q.waiting[n].bytes
		n++
	}
	if n == 0 {
		return 0 // everyone gave up while it waited for its place
	}
	if n == len(q.waiting) {
		q.flight, q.waiting = q.waiting, q.flight[:0]
	} else {
		q.flight = append(q.flight[:0], q.waiting[:n]...)
		rest := copy(q.waiting, q.waiting[n:])
		clear(q.waiting[rest:])
		q.waiting = q.waiting[:rest]
	}
	q.produced.batchRecords.Observe(float64(n))
	q.produced.batchBytes.Observe(float64(bytes))
	return n
}

// fly produces flight[from:to] until it is acknowledged, refused, or given up by everyone.
func (q *queue) fly(ctx context.Context, from, to int) {
	pause := retryPauseFirst
	for tries := 0; ; tries++ {
		b, last, n := q.lift(from, to, tries)
		if n == 0 {
			return // everyone gave up
		}
		err := q.attempt(ctx, b, last)
		if err == nil {
			q.p.health.succeeded()
			q.finish(from, to, nil)
			return
		}
		v := judge(err)
		q.p.metrics.produceErrors[v.kind].Inc()
		err = fmt.Errorf("produce %s/%d: %w", q.topic, q.partition, err)
		switch {
		case v.tooLarge && n > 1:
			// Not for the whole batch to suffer from one record, nor from an estimate.
			middle := from + (to-from)/2
			q.fly(ctx, from, middle)
			q.fly(ctx, middle, to)
			return
		case v.final:
			q.p.health.failed(err)
			q.finish(from, to, fmt.Errorf("%w: %w", ErrRejected, err))
			return
		}
		q.p.health.failed(err)
		if ctx.Err() != nil {
			q.finish(from, to, fmt.Errorf("%w: %w", ErrUnknown, err))
			return
		}
		if v.atOnce && tries == 0 {
			continue
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, retryPauseMost)
	}
}

// The metadata are refreshed within metadataTTL, so waiting much longer for a new leader gains nothing.
const (
	retryPauseFirst = 20 * time.Millisecond
	retryPauseMost  = 320 * time.Millisecond
)

// lift makes a batch of what is left of flight[from:to], and tells the latest of its deadlines.
func (q *queue) lift(from, to, tries int) (b *batch, last time.Time, n int) {
	now := q.p.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if b = q.spare; b == nil {
		b = new(batch)
	}
	b.reset()
	q.airAt = q.airAt[:0]
	for i := from; i < to; i++ {
		pub := q.flight[i]
		if pub == nil {
			continue
		}
		if !pub.deadline.After(now) {
			q.flight[i] = nil
			if tries == 0 {
				q.p.finish(pub, ErrUnavailable)
			} else {
				q.p.finish(pub, ErrUnknown)
			}
			continue
		}
		b.records = append(b.records, pub.record)
		q.airAt = append(q.airAt, i)
		if pub.deadline.After(last) {
			last = pub.deadline
		}
	}
	if len(b.records) == 0 {
		q.spare = b
		return nil, last, 0
	}
	q.air, q.spare = b, nil
	return b, last, len(b.records)
}

// attempt is one produce request. When it returns, the client reads b no more.
func (q *queue) attempt(ctx context.Context, b *batch, last time.Time) error {
	now := q.p.now()
	ctx, cancel := context.WithTimeout(ctx, min(q.p.cfg.ProduceTimeout, last.Sub(now)))
	defer cancel()
	res, err := q.p.client.Produce(ctx, &kafka.ProduceRequest{
		Topic:        q.topic,
		Partition:    q.partition,
		RequiredAcks: kafka.RequireAll,
		Records:      b,
		Compression:  q.codec,
	})
	if err == nil {
		err = res.Error
	}
	if err == nil && len(res.RecordErrors) != 0 {
		err = fmt.Errorf("%d records of the batch: %w", len(res.RecordErrors), kafka.InvalidRecord)
	}
	if err != nil {
		// The client may not even have begun to encode it. Only then may expire forget the batch.
		b.stop()
	} else {
		q.produced.latency.Observe(q.p.now().Sub(now).Seconds())
	}
	q.mu.Lock()
	q.air = nil
	if err == nil {
		q.spare = b // answered, and so long encoded
	}
	q.mu.Unlock()
	return err
}

// finish tells everyone in flight[from:to] who is still there.
func (q *queue) finish(from, to int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := from; i < to; i++ {
		if pub := q.flight[i]; pub != nil {
			q.flight[i] = nil
			q.p.finish(pub, err)
		}
	}
}

// land ends a flight.
func (q *queue) land() {
	q.mu.Lock()
	q.flight = q.flight[:0]
	q.mu.Unlock()
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
		q.p.finish(pub, ErrUnavailable)
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
		q.p.finish(pub, ErrUnknown)
	}
}

// close refuses new publications; run goes on until nothing waits.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	wake := q.idle
	q.idle = false
	q.mu.Unlock()
	if wake {
		q.wake <- struct{}{}
	}
}
