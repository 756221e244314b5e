package processors

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/contentcoding"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/bulk"
	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// deferral is the runner's part of ADR 0037: it decides which live records are deferred, and when deferred ones are
// processed.
type deferral struct {
	shares deferred.Shares
	// owed is how many bytes raw.bulk is ahead of the deferred records. It alternates both, so neither starves.
	owed int64
	// head is one more than the offset of the first record of raw.bulk, and mark is the mark of the queue when it became
	// the first. See before.
	head int64
	mark uint64
	// plain is the decoded body of the record plainOf; nil: it was not decoded.
	plain   []byte
	plainOf *kgo.Record
}

// defers defers a polled record if its business is over its budget, or has deferred records already. It reports whether
// it did.
func (r *runner) defers(ctx context.Context, topic schemas.Topic, rec *kgo.Record, w *polledRecords) (waits bool, err error) {
	r.plain, r.plainOf = nil, nil
	length, whole := r.bodyBytes(rec)
	if !whole {
		return false, nil
	}
	q := r.core.Deferred()
	share := r.shares.Of(rec.Key)
	c := deferred.Case{Bytes: length, Used: share.Bytes, Others: w.crowd.others(rec.Key), Waits: r.core.Waits(rec.Key)}
	why := r.cfg.Deferred.Decide(c)
	if why == deferred.None {
		share.Bytes += length
		return false, nil
	}
	if q.Len() >= r.cfg.Deferred.RecordsMax && !r.cares() { // a careful session makes no room, because that is work on another body
		if !c.Waits {
			return false, nil
		}
		if err := r.makeRoom(ctx, rec.Key); err != nil {
			return false, err
		}
		if !r.core.Waits(rec.Key) {
			return false, nil
		}
	}
	r.plain, r.plainOf = nil, nil
	r.core.Defer(rec.Key, deferred.Record{Topic: topic, Offset: rec.Offset, ReceivedAt: r.origin(topic, rec).ReceivedAt, Bytes: int64(len(rec.Value))}, why)
	return true, nil
}

// bodyBytes returns the length of a record's decoded body in bytes, as far as the budget needs it. whole is false for
// records that are never deferred: a segment that another record refers to, a note about a number, a request
// of the desk, and records of a replay.
func (r *runner) bodyBytes(rec *kgo.Record) (length int64, whole bool) {
	length = int64(len(rec.Value))
	coded, inSegments := []byte(nil), false
	for i := range rec.Headers {
		switch h := &rec.Headers[i]; h.Key {
		case schemas.HeaderReplay:
			return 0, false
		case schemas.HeaderSource:
			if string(h.Value) == syncrequest.Source {
				return 0, false
			}
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

// decoded returns the decoded body of a record; nil if it is not known.
func (r *runner) decoded(rec *kgo.Record) []byte {
	if r.plainOf != rec {
		return nil
	}
	return r.plain
}

// before returns the deferred record that goes before the first record of raw.bulk, if one does. This is the first one
// of the same business that was deferred before that record was fetched. Otherwise it is the next one, if owed allows
// it. rec is nil if no record of raw.bulk waits.
func (r *runner) before(rec *kgo.Record) (deferred.Head, bool) {
	q := r.core.Deferred()
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

// owedMax bounds owed in bytes, in both directions.
const owedMax = 1 << 20

// owes adds the bytes of raw.bulk that were processed; negative bytes are those of deferred records.
func (r *runner) owes(bytes int64) { r.owed = max(min(r.owed+bytes, owedMax), -owedMax) }

// goOn processes the started record, or its remaining part, within the budget.
func (r *runner) goOn(ctx context.Context, q *bulk.Budget) error {
	h, inParts, _ := r.core.Begun()
	r.parseInPlace = false
	c := r.retained
	if !c.isFor(h.Topic, h.Offset) {
		rec, err := r.fetchHeld(ctx, h.Topic, h.Offset)
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
	r.processDeferred(h, c, inParts)
	took := int(max(h.Bytes, 1))
	if inParts { // the first part has counted the bytes
		took = 1
	}
	q.Spend(took)
	if !inParts && h.Topic != schemas.TopicRawBulk {
		r.owes(-h.Bytes)
	}
	return nil
}

// skips sets the started record aside if it failed alone, and reports whether it did. See suspect.go.
func (r *runner) skips(h deferred.Head, rec *kgo.Record) bool {
	r.under.topic, r.under.offset = h.Topic, h.Offset
	change, item := r.core.Progress()
	if !r.setsPartAside(h, change, item) {
		return false
	}
	r.setAside(r.origin(h.Topic, rec))
	r.core.Abandon()
	return true
}

// gone abandons a deferred record that is no longer in the log.
func (r *runner) gone(h deferred.Head) {
	r.metrics.refetches.WithLabelValues("gone").Inc()
	r.losses.deferredGone(h.Topic, r.partition, h.Offset)
	r.core.Abandon()
}

// processDeferred passes the started record to the core after it was parsed.
func (r *runner) processDeferred(h deferred.Head, c parsedRecord, inParts bool) {
	o := r.origin(h.Topic, c.rec)
	if o.ReceivedAt.UnixMilli() != h.ReceivedAt.UnixMilli() { // another record: the log was cut or created again
		r.gone(h)
		r.retain(c)
		return
	}
	r.inProgress[h.Topic].start(o.ReceivedAt)
	again := false
	if !inParts && o.Requeue != nil {
		r.metrics.requeued.Inc()
		again = !r.core.Requeued(o)
	}
	switch {
	case again:
		r.core.Abandon()
	case c.body == nil:
		r.core.DeadLetter(o, c.reason, c.detail)
		r.core.Abandon()
	default:
		r.core.GoOn(o, c.body)
	}
	if kept := r.retain(c); !kept && c.body != nil && r.core.Holds() {
		r.heldCache.Put(h.Topic, c.rec)
	}
}

// makeRoom processes the oldest deferred record of a business whole, because no more records may be deferred. So the
// order of its records is kept, and the transaction does what it would do without the queue.
func (r *runner) makeRoom(ctx context.Context, business []byte) error {
	if h, _, ok := r.core.Begun(); ok && h.Business != string(business) {
		if err := r.finish(ctx); err != nil {
			return err
		}
	} else if ok {
		return r.finish(ctx)
	}
	h, ok := r.core.Deferred().First(business, r.core.Deferred().Mark())
	if !ok {
		return nil
	}
	r.core.Start(h)
	return r.finish(ctx)
}

// finish processes the rest of the started record. It uses a read of its own, because a prefetch may own reread.
func (r *runner) finish(ctx context.Context) error {
	h, inParts, _ := r.core.Begun()
	pooled, err := r.fetcher.FetchPooled(ctx, r.names[h.Topic], r.partition, h.Offset)
	if err == nil {
		defer pooled.Release()
		var rec *kgo.Record
		if rec, err = r.assembleFrom(ctx, pooled, h.Topic, h.Offset); err == nil {
			if !r.skips(h, rec) {
				r.processDeferred(h, r.parse(h.Topic, rec), inParts)
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
