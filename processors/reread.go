package processors

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/bulk"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
)

// recordBatch is the batch that was read last, from heldCache or from the log. Several held chunks are often in one
// batch.
type recordBatch struct {
	topic   schemas.Topic
	records []*kgo.Record
	pooled  *kafka.PooledFetch // the pooled memory of the records; nil: their own
}

// at returns a record of the batch. It returns nil if the batch lacks it, or if it is a segment, which must be joined
// first.
func (b *recordBatch) at(topic schemas.Topic, offset int64) *kgo.Record {
	if b.topic != topic {
		return nil
	}
	for _, rec := range b.records {
		if rec.Offset == offset && !slices.ContainsFunc(rec.Headers, segmented) {
			return rec
		}
	}
	return nil
}

// segmented reports whether a header is one of a segment.
func segmented(h kgo.RecordHeader) bool { return segment.Names(h.Key) }

// remove returns a record of the batch in memory that is not pooled; nil if the batch lacks it.
func (b *recordBatch) remove(topic schemas.Topic, offset int64) *kgo.Record {
	rec := b.at(topic, offset)
	if rec == nil || b.pooled == nil {
		return rec
	}
	return kafka.Clone(rec)
}

// releaseHeld reads held chunks again and releases them. It reports whether no chunk is left that may be released.
func (r *runner) releaseHeld(ctx context.Context, q *bulk.Budget) (none bool, err error) {
	for {
		h, ok := r.core.NextHeld()
		if _, _, begun := r.core.Begun(); !ok || begun {
			return true, nil
		}
		ref := h.Ref()
		if q.AtHandOnly && !r.isAtHand(heldItem(ref)) || r.send.failed() || !q.TryStart(r.now()) {
			return false, nil
		}
		r.parseInPlace = false
		r.under.topic, r.under.offset = ref.Topic, ref.Offset
		if r.setsHeldAside(h) {
			r.setChunkAside(ref)
			h.Lost()
			r.pieces.Left(r.partition, ref)
			q.Spend(1)
			continue
		}
		n, err := r.releaseChunk(ctx, h)
		if err != nil {
			return false, err
		}
		q.Spend(max(n, 1)) // a chunk of a retained body costs at least 1
	}
}

// releaseChunk reads a held chunk again and passes it to the core. It returns the bytes that this cost.
func (r *runner) releaseChunk(ctx context.Context, h partition.HeldChunk) (int, error) {
	ref := h.Ref()
	c, n := r.retained, 0
	if !c.has(ref) {
		var err error
		if c, n, err = r.parseHeld(ctx, ref); errors.Is(err, kafka.ErrOffsetGone) {
			r.metrics.refetches.WithLabelValues("gone").Inc()
			h.Lost()
			return 0, nil
		} else if err != nil {
			r.metrics.refetches.WithLabelValues("failed").Inc()
			return 0, fmt.Errorf("read a held chunk again: %w", err)
		}
	}
	defer r.retain(c)
	o := r.origin(ref.Topic, c.rec)
	if c.body == nil {
		// It was parsed before, so a limit has been lowered since. A dead letter takes its place and the sync continues.
		o.LeaveOut()
		r.core.DeadLetter(o, c.reason, c.detail)
		h.Lost()
		return n, nil
	}
	if h.Release(o, c.body) {
		r.pieces.Left(r.partition, ref)
	}
	return n, nil
}

// parseHeld parses a held chunk: one piece of its body if that is cached, or the whole body. n is the length of it in
// bytes.
func (r *runner) parseHeld(ctx context.Context, ref partition.ChunkRef) (c parsedRecord, n int, err error) {
	sc := r.scannerPool.Acquire()
	if c, n = r.piece(sc, ref); n > 0 {
		return c, n, nil
	}
	r.scannerPool.Release(sc)
	rec, err := r.fetchHeld(ctx, ref.Topic, ref.Offset)
	if err != nil {
		return parsedRecord{}, 0, err
	}
	return r.parse(ref.Topic, rec), len(rec.Value), nil
}

// cachedHeld returns the headers of a cached record with a held chunk, and the length of its value in bytes. It reads
// the same caches as fetchHeld, and leaves the record there.
func (r *runner) cachedHeld(topic schemas.Topic, offset int64) (headers []kgo.RecordHeader, length int, ok bool) {
	if rec := r.reread.at(topic, offset); rec != nil {
		return rec.Headers, len(rec.Value), true
	}
	return r.heldCache.Peek(topic, r.partition, offset)
}

// fetchHeld returns a record with a held chunk, or a deferred one, from the batch that was read last, from heldCache, or from the log. The
// error is kafka.ErrOffsetGone if the log no longer has it.
func (r *runner) fetchHeld(ctx context.Context, topic schemas.Topic, offset int64) (*kgo.Record, error) {
	if rec := r.reread.remove(topic, offset); rec != nil {
		r.metrics.refetches.WithLabelValues("memory").Inc()
		return rec, nil
	}
	r.reread.pooled.Release()
	r.reread = recordBatch{}
	if rec := r.heldCache.Pop(topic, r.partition, offset); rec != nil {
		r.metrics.refetches.WithLabelValues("memory").Inc()
		r.reread = recordBatch{topic: topic, records: []*kgo.Record{rec}} // another chunk of it may be next
		return rec, nil
	}
	pooled, err := r.fetcher.FetchPooled(ctx, r.names[topic], r.partition, offset)
	if err != nil {
		return nil, err
	}
	whole, err := r.assembleFrom(ctx, pooled, topic, offset)
	if err != nil {
		pooled.Release()
		return nil, err
	}
	if r.reread = (recordBatch{topic: topic, records: pooled.Records, pooled: pooled}); r.reread.at(topic, offset) == nil {
		r.reread = recordBatch{topic: topic, records: []*kgo.Record{whole}} // joined from segments; another chunk of it may be next
		pooled.Release()
	}
	r.metrics.refetches.WithLabelValues("found").Inc()
	return whole, nil
}

// assembleFrom returns the first record of a pooled batch with its whole body, in memory that is not pooled. The error
// is kafka.ErrOffsetGone if this is not the wanted record, or if its body cannot be joined.
func (r *runner) assembleFrom(ctx context.Context, pooled *kafka.PooledFetch, topic schemas.Topic, offset int64) (*kgo.Record, error) {
	if len(pooled.Records) == 0 || pooled.Records[0].Offset != offset {
		return nil, fmt.Errorf("%s/%d@%d: not in its batch: %w", r.names[topic], r.partition, offset, kafka.ErrOffsetGone)
	}
	whole, err := r.fetcher.Whole(ctx, kafka.Clone(pooled.Records[0]), nil)
	switch {
	case err != nil && kafka.Unreadable(err):
		return nil, fmt.Errorf("%w: %w", kafka.ErrOffsetGone, err)
	case err != nil:
		return nil, err
	case whole == nil:
		return nil, fmt.Errorf("%s/%d@%d: not the last segment of a body: %w", r.names[topic], r.partition, offset, kafka.ErrOffsetGone)
	}
	return whole, nil
}
