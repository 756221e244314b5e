package processors

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/contentcoding"
	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// parsedRecord is a raw record with its parsed body.
type parsedRecord struct {
	topic  schemas.Topic
	rec    *kgo.Record
	body   *split.Body // nil: it cannot be parsed; reason and detail say why
	reason schemas.Reason
	detail string

	scanner *split.Scanner // the owner of body; nil: the value is empty
}

// isFor reports whether the value is the record at this offset, with its whole body.
func (c *parsedRecord) isFor(topic schemas.Topic, offset int64) bool {
	return c.scanner != nil && c.topic == topic && c.rec.Offset == offset && (c.body == nil || c.body.Whole())
}

// has reports whether a held chunk can be released from the value.
func (c *parsedRecord) has(ref partition.ChunkRef) bool {
	if c.scanner == nil || c.topic != ref.Topic || c.rec.Offset != ref.Offset {
		return false
	}
	if c.body == nil || c.body.Whole() {
		return true
	}
	chunk, _ := c.body.Chunk(int(ref.Change), int(ref.Element))
	return chunk != nil
}

// parse parses a record with a scanner of the pool. The caller passes the result to retain, which releases the scanner.
func (r *runner) parse(topic schemas.Topic, rec *kgo.Record) parsedRecord {
	return parseRecord(r.scannerPool.Acquire(), r.cfg.Decode, topic, rec, r.decoded(rec))
}

// parseRecord decodes and parses a raw record. plain is the decoded body, or nil if it was not decoded yet.
func parseRecord(sc *split.Scanner, lim contentcoding.Limits, topic schemas.Topic, rec *kgo.Record, plain []byte) parsedRecord {
	c := parsedRecord{topic: topic, rec: rec, scanner: sc}
	value := rec.Value
	if enc := header(rec, schemas.HeaderContentEncoding); plain != nil {
		value = plain
	} else if len(enc) > 0 {
		decoded, err := contentcoding.Decode(nil, enc, rec.Value, lim)
		if err != nil {
			c.reason, c.detail = schemas.ReasonEncoding, err.Error()
			if errors.Is(err, contentcoding.ErrTooLong) {
				c.reason = schemas.ReasonBodyTooLong
			}
			return c
		}
		value = decoded
	}
	body, err := sc.Scan(value)
	if err != nil {
		c.reason, c.detail = schemas.ReasonJSONInvalid, err.Error()
		if se := (*split.Error)(nil); errors.As(err, &se) {
			c.reason, c.detail = se.Reason, fmt.Sprintf("%s at byte %d", se.Detail, se.Offset)
		}
		return c
	}
	c.body = body
	return c
}

// retain keeps a processed record if its remaining part, or another chunk of it, is the core's next work. Otherwise it
// releases the record to the scanner pool.
func (r *runner) retain(c parsedRecord) (kept bool) {
	own := r.retained.scanner == c.scanner
	switch goesOn := r.goesOn(c); {
	case goesOn && own:
		return true
	case goesOn && r.scannerPool.TryRetain():
		r.setApart(&r.retained)
		r.dropRetained()
		r.retained = c
		return true
	case own:
		r.setApart(&c)
		r.dropRetained()
	default:
		r.setApart(&c)
		r.scannerPool.Release(c.scanner)
	}
	return false
}

// goesOn reports whether the core's next work is in this record: its remaining part, or a held chunk that may be
// released.
func (r *runner) goesOn(c parsedRecord) bool {
	if h, _, ok := r.core.Begun(); ok {
		return c.isFor(h.Topic, h.Offset)
	}
	h, ok := r.core.NextHeld()
	return ok && c.has(h.Ref())
}

// setApart copies the waiting chunks of a body with many chunks to the piece cache, before the body is released.
func (r *runner) setApart(c *parsedRecord) {
	if c.scanner != nil && c.body != nil && c.body.ManyChunks(partition.PiecesMin) {
		r.pieces.Put(c.topic, c.rec, r.core.Pieces(r.origin(c.topic, c.rec), c.body))
	}
}

// dropRetained releases the retained record.
func (r *runner) dropRetained() {
	if r.retained.scanner != nil {
		r.scannerPool.ReleaseSpare(r.retained.scanner)
		r.retained = parsedRecord{}
	}
}

// workItem is the next item of the backlog: a record that is processed in parts, a held chunk that may be released, a
// deferred record, or a record of raw.bulk.
type workItem struct {
	topic  schemas.Topic
	offset int64
	chunk  partition.ChunkRef // of a held chunk
	rec    *kgo.Record        // of raw.bulk
	near   []*kgo.Record      // the records of the same fetch before rec
	waits  bool               // it is deferred, or is processed in parts
	start  *deferred.Head     // set if its processing has not started
}

// nextItem returns the next item of the backlog, given the current positions of raw.live and rerouted.
func (r *runner) nextItem() (n workItem, ok bool) {
	if h, _, ok := r.core.Begun(); ok {
		return workItem{topic: h.Topic, offset: h.Offset, waits: true}, true
	}
	if h, ok := r.core.NextHeld(); ok {
		return heldItem(h.Ref()), true
	}
	rec, near := r.queue.Head(r.position[schemas.TopicRawLive], r.position[schemas.TopicRerouted])
	if h, ok := r.before(rec); ok {
		return workItem{topic: h.Topic, offset: h.Offset, waits: true, start: &h}, true
	}
	if rec == nil {
		return workItem{}, false
	}
	return workItem{topic: schemas.TopicRawBulk, offset: rec.Offset, rec: rec, near: near}, true
}

// heldItem returns the item of a held chunk.
func heldItem(ref partition.ChunkRef) workItem {
	return workItem{topic: ref.Topic, offset: ref.Offset, chunk: ref}
}

// held reports whether the item is a held chunk.
func (n *workItem) held() bool { return n.rec == nil && !n.waits }

// describeNext returns topic, partition and offset of the next item, for health; empty: there is none.
func (r *runner) describeNext() string {
	n, ok := r.nextItem()
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s/%d@%d", n.topic, r.partition, n.offset)
}

// parseInPlaceMax is the maximum length in bytes of a body that is parsed within a transaction while live messages are
// expected. Such a body takes about half a millisecond.
const parseInPlaceMax = 256 << 10

// isAtHand reports whether an item can be processed without a delay that live messages would notice: it is parsed, or
// it is short and in memory. An item that cannot be prefetched counts as well.
func (r *runner) isAtHand(n workItem) bool {
	if r.parseInPlace || n.held() && r.retained.has(n.chunk) || !n.held() && r.retained.isFor(n.topic, n.offset) {
		return true
	}
	if n.held() {
		if _, piece := r.pieces.Look(r.partition, n.chunk); piece != nil {
			return piece.Bytes() <= parseInPlaceMax
		}
	}
	var headers []kgo.RecordHeader
	var length int
	if n.rec != nil {
		headers, length = n.rec.Headers, len(n.rec.Value)
	} else if h, l, ok := r.cachedHeld(n.topic, n.offset); ok {
		headers, length = h, l
	} else {
		return false
	}
	return length <= parseInPlaceMax && !slices.ContainsFunc(headers, func(h kgo.RecordHeader) bool {
		return h.Key == schemas.HeaderContentEncoding || segmented(h) // the body is longer than the value
	})
}

// hasWork reports whether an item of the backlog can be processed. With atHand, an item that must be read or takes long
// to parse does not count.
func (r *runner) hasWork(atHand bool) bool {
	if r.prefetching || r.backlogWaitsForRepair {
		return false
	}
	n, ok := r.nextItem()
	return ok && (!atHand || r.isAtHand(n))
}

// piece parses a held chunk from the piece cache. n is the length of the piece in bytes; 0: the cache lacks it.
func (r *runner) piece(sc *split.Scanner, ref partition.ChunkRef) (c parsedRecord, n int) {
	rec, piece := r.pieces.Look(r.partition, ref)
	if piece == nil {
		return parsedRecord{}, 0
	}
	r.metrics.refetches.WithLabelValues("memory").Inc()
	return parsedRecord{topic: ref.Topic, rec: rec, body: sc.ScanPiece(piece), scanner: sc}, piece.Bytes()
}

// prefetchReply is the result of a prefetch.
type prefetchReply struct {
	runner *runner
	parsed parsedRecord
	ok     bool // false: the item has no body, or could not be read; its own slot reads and parses it
}

// prefetch reads and parses the next item of the backlog on another goroutine, if live messages are expected and no
// item is ready (isAtHand). A transaction then avoids bulk work that it cannot interrupt soon. To parse a body of 3 MB takes
// about 6 ms, and to read a held one again takes as long.
func (s *session) prefetch(ctx context.Context) {
	now := s.p.deps.Now()
	if bytes, _ := s.policy.Allowance(now, false); s.prefetching || bytes <= 0 || !s.policy.LiveExpected(now) || s.pending() {
		return
	}
	for _, partition := range s.scheduler.InTurn() {
		r := s.runners[partition]
		n, ok := r.nextItem()
		if !ok || r.backlogWaitsForRepair {
			continue
		}
		r.setApart(&r.retained)
		r.dropRetained() // it is not the next item
		sc, ok := s.scannerPool.TryAcquireSpare()
		if !ok {
			continue
		}
		s.prefetching, r.prefetching = true, true
		go func() {
			s.prefetchReplies <- r.prefetchNext(ctx, sc, n)
			s.interruptPoll()
		}()
		return
	}
}

// prefetchNext reads and parses the item n. Meanwhile the runner does not process its backlog, but may process live
// records.
func (r *runner) prefetchNext(ctx context.Context, sc *split.Scanner, n workItem) (reply prefetchReply) {
	defer func() {
		if recover() != nil { // its own slot panics again and reports it
			reply = prefetchReply{runner: r, parsed: parsedRecord{scanner: sc}}
		}
	}()
	var rec *kgo.Record
	var broken, err error
	if n.held() {
		if c, n := r.piece(sc, n.chunk); n > 0 {
			return prefetchReply{runner: r, parsed: c, ok: true}
		}
	}
	if n.rec != nil {
		rec, broken, err = r.assemble(ctx, n.rec, n.near)
	} else {
		rec, err = r.fetchHeld(ctx, n.topic, n.offset)
	}
	if rec == nil || broken != nil || err != nil {
		return prefetchReply{runner: r, parsed: parsedRecord{scanner: sc}}
	}
	return prefetchReply{runner: r, parsed: parseRecord(sc, r.cfg.Decode, n.topic, rec, nil), ok: true}
}

// installPrefetched makes the result of a prefetch the retained record of its runner. It discards the result if the
// partition was revoked or its runner was rebuilt.
func (s *session) installPrefetched(reply *prefetchReply) {
	r := reply.runner
	s.prefetching, r.prefetching = false, false
	if !reply.ok || s.runners[r.partition] != r {
		s.scannerPool.ReleaseSpare(reply.parsed.scanner)
		r.parseInPlace = !reply.ok
		return
	}
	r.dropRetained()
	r.retained = reply.parsed
}
