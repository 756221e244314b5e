package processors

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/contentcoding"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/bulk"
	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/processors/task"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
)

// deferral is a runner's part of ADR 0037: which records of the live lane wait for a turn, and how those get it that wait.
type deferral struct {
	shares deferred.Shares
	// owed are the bytes by which raw.bulk is ahead of the deferred records: neither starves.
	owed int64
	// The first record of bulk, and what waited when it was first seen to be that: see before.
	head int64
	mark uint64
	// plain is what the body of a record decodes to; nil: it was not decoded.
	plain   []byte
	plainOf *kgo.Record
}

// defers lets a polled record wait for a turn if its business is over its budget, or has records that wait.
func (r *runner) defers(ctx context.Context, topic schemas.Topic, rec *kgo.Record, w *polledRecords) (waits bool, err error) {
	r.plain, r.plainOf = nil, nil
	length, whole := r.bodyBytes(rec)
	if !whole {
		return false, nil
	}
	q := r.task.Deferred()
	share := r.shares.Of(rec.Key)
	c := deferred.Case{Bytes: length, Used: share.Bytes, Others: w.crowd.others(rec.Key), Waits: r.task.Waits(rec.Key)}
	why := r.cfg.Deferred.Decide(c)
	if why == deferred.None {
		share.Bytes += length
		return false, nil
	}
	if q.Len() >= r.cfg.Deferred.RecordsMax && !r.cares() { // who is careful makes no room: that is work on another body
		if !c.Waits {
			return false, nil
		}
		if err := r.makeRoom(ctx, rec.Key); err != nil {
			return false, err
		}
		if !r.task.Waits(rec.Key) {
			return false, nil
		}
	}
	r.plain, r.plainOf = nil, nil
	r.task.Defer(rec.Key, deferred.Record{Topic: topic, Offset: rec.Offset, ReceivedAt: r.origin(topic, rec).ReceivedAt, Bytes: int64(len(rec.Value))}, why)
	return true, nil
}

// bodyBytes is how long the body of a record is; whole is false where the record stands for none that may wait: it is a
// segment that another one names, tells of a number, or was written by a replay.
func (r *runner) bodyBytes(rec *kgo.Record) (length int64, whole bool) {
	length = int64(len(rec.Value))
	coded, inSegments := []byte(nil), false
	for i := range rec.Headers {
		switch h := &rec.Headers[i]; h.Key {
		case schemas.HeaderReplay:
			return 0, false
		case schemas.HeaderRerouted:
			if string(h.Value) == schemas.ReroutedNumber {
				return 0, false
			}
		case schemas.HeaderContentEncoding:
			coded = h.Value
		case schemas.HeaderSegmentID:
			inSegments = true
		}
	}
	if inSegments {
		s, _, err := segment.Of(func(name string) []byte { return header(rec, name) })
		if err != nil || !s.Last() {
			return 0, false
		}
		length = int64(s.Bytes)
	}
	if most := r.cfg.Deferred.BodyBytesMax; len(coded) > 0 && length <= most && !inSegments {
		lim := r.cfg.Decode
		lim.BytesMax = int(min(int64(lim.BytesMax), most))
		plain, err := contentcoding.Decode(nil, coded, rec.Value, lim)
		switch {
		case err == nil:
			r.plain, r.plainOf = plain, rec
			length = int64(len(plain))
		case errors.Is(err, contentcoding.ErrTooLong):
			length = most + 1
		}
	}
	return length, true
}

// decoded is what a record's body decodes to, if that is known.
func (r *runner) decoded(rec *kgo.Record) []byte {
	if r.plainOf != rec {
		return nil
	}
	return r.plain
}

// before is the deferred record that goes before the first record of bulk, if one does: one of the same business that began
// to wait before that was fetched, else the next one while the turn is theirs. rec is nil where nothing of bulk waits.
func (r *runner) before(rec *kgo.Record) (deferred.Head, bool) {
	q := r.task.Deferred()
	if rec == nil || q.Len() == 0 {
		return q.Next()
	}
	if r.head != rec.Offset+1 {
		r.head, r.mark = rec.Offset+1, q.Mark()
	}
	if h, ok := q.First(rec.Key, r.mark); ok {
		return h, true
	}
	if r.owed < 0 {
		return deferred.Head{}, false
	}
	return q.Next()
}

// owedMax bounds what one of both is ahead.
const owedMax = 1 << 20

// owes takes how many bytes bulk was worked on; negative: of deferred records.
func (r *runner) owes(bytes int64) { r.owed = max(min(r.owed+bytes, owedMax), -owedMax) }

// goOn processes the record that was started, or the rest of it, as far as there is room.
func (r *runner) goOn(ctx context.Context, q *bulk.Budget) error {
	h, inParts, _ := r.task.Begun()
	r.parseInPlace = false
	w := task.Want{Topic: h.Topic, Offset: h.Offset}
	c := r.retained
	if !c.isFor(h.Topic, h.Offset) {
		rec, err := r.fetchHeld(ctx, w)
		switch {
		case errors.Is(err, kafka.ErrOffsetGone):
			r.gone(h)
			return nil
		case err != nil:
			r.metrics.refetches.WithLabelValues("failed").Inc()
			return err
		}
		if r.skips(h, rec) {
			q.Spend(1)
			return nil
		}
		c = r.parse(h.Topic, rec)
	} else if r.skips(h, c.rec) {
		r.retain(c)
		q.Spend(1)
		return nil
	}
	r.turn(h, c, inParts)
	took := int(max(h.Bytes, 1))
	if inParts { // they were counted with the first part
		took = 1
	}
	q.Spend(took)
	if !inParts && h.Topic != schemas.TopicRawBulk {
		r.owes(-h.Bytes)
	}
	return nil
}

// skips sets a record aside, instead of its turn, that failed alone: see suspect.go.
func (r *runner) skips(h deferred.Head, rec *kgo.Record) bool {
	r.under.topic, r.under.offset = h.Topic, h.Offset
	change, item := r.task.Progress()
	if !r.setsPartAside(h, change, item) {
		return false
	}
	r.setAside(r.origin(h.Topic, rec))
	r.task.Abandon()
	return true
}

// gone gives up a deferred record that is not in the log any more.
func (r *runner) gone(h deferred.Head) {
	r.metrics.refetches.WithLabelValues("gone").Inc()
	r.losses.deferredGone(h.Topic, r.partition, h.Offset)
	r.task.Abandon()
}

// turn lets the task process the record that was started, which is cut.
func (r *runner) turn(h deferred.Head, c parsedRecord, inParts bool) {
	o := r.origin(h.Topic, c.rec)
	if o.ReceivedAt.UnixMilli() != h.ReceivedAt.UnixMilli() { // of a log that was cut or made again
		r.gone(h)
		r.retain(c)
		return
	}
	r.inProgress[h.Topic].start(o.ReceivedAt)
	again := false
	if !inParts && o.Requeue != nil {
		r.metrics.requeued.Inc()
		again = !r.task.Requeued(o)
	}
	switch {
	case again:
		r.task.Abandon()
	case c.body == nil:
		r.task.DeadLetter(o, c.reason, c.detail)
		r.task.Abandon()
	default:
		r.task.GoOn(o, c.body)
	}
	if kept := r.retain(c); !kept && c.body != nil && r.task.Holds() {
		r.heldCache.Put(h.Topic, c.rec)
	}
}

// makeRoom processes the oldest record of a business that waits, whole, where no more may wait: so its records stay in
// order, and a transaction does what it would do without a queue.
func (r *runner) makeRoom(ctx context.Context, business []byte) error {
	if h, _, ok := r.task.Begun(); ok && h.Business != string(business) {
		if err := r.finish(ctx); err != nil {
			return err
		}
	} else if ok {
		return r.finish(ctx)
	}
	h, ok := r.task.Deferred().First(business, r.task.Deferred().Mark())
	if !ok {
		return nil
	}
	r.task.Start(h)
	return r.finish(ctx)
}

// finish processes the rest of the record that was started. It reads it by itself: what comes next of the backlog may
// be read and cut meanwhile.
func (r *runner) finish(ctx context.Context) error {
	h, inParts, _ := r.task.Begun()
	lent, err := r.fetcher.Lend(ctx, r.names[h.Topic], r.partition, h.Offset)
	if err == nil {
		defer lent.Back()
		var rec *kgo.Record
		if rec, err = r.assembleFrom(ctx, lent, task.Want{Topic: h.Topic, Offset: h.Offset}); err == nil {
			if !r.skips(h, rec) {
				r.turn(h, r.parse(h.Topic, rec), inParts)
			}
			return nil
		}
	}
	if errors.Is(err, kafka.ErrOffsetGone) {
		r.gone(h)
		return nil
	}
	return err
}
