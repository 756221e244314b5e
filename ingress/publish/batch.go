package publish

import (
	"fmt"
	"sync"

	"github.com/coexstream/coexstream/ingress/raw"
)

// batch is the records of one partition in one produce request.
//
// encode copies them, under the batch's lock. drop, which takes the same lock, gives a record back to
// its owner: from then on nobody reads it. Afterwards only the copy is read, which is the request's.
type batch struct {
	mu      sync.Mutex
	records []*raw.Record // nil: dropped
}

// reset empties b.
func (b *batch) reset() {
	clear(b.records)
	b.records = b.records[:0]
}

// drop gives record i back.
func (b *batch) drop(i int) {
	b.mu.Lock()
	b.records[i] = nil
	b.mu.Unlock()
}

// room is how many bytes encode appends at most, without compression.
func (b *batch) room() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := batchSizeBytes + batchHeaderBytes
	for _, r := range b.records {
		if r != nil {
			room += r.Bytes() + recordFramingBytes + len(r.Headers)*headerFramingBytes
		}
	}
	return room
}

// encode appends the record batch of what was not dropped, with its size before it. It is false when everything was.
// Only the copy is made under the lock: compressing takes milliseconds, in which a deadline may pass.
func (b *batch) encode(dst []byte, c *compressor) ([]byte, bool, error) {
	if c.codec == 0 {
		out, s := b.appendRecords(appendBatchHeader(dst))
		if s.records == 0 {
			return dst, false, nil
		}
		s.seal(out[len(dst):], 0)
		return out, true, nil
	}
	work := c.begin()
	defer c.end(work)
	plain, s := b.appendRecords(withRoom(work.plain, b.room()))
	work.plain = plain
	if s.records == 0 {
		return dst, false, nil
	}
	if err := work.compress(c.codec); err != nil {
		return dst, false, fmt.Errorf("compress %d records, %s: %w", s.records, c.codec, err)
	}
	// Of the length that it has, not of the one that it might have had: it waits for the broker, and others with it.
	out := append(appendBatchHeader(withMore(dst, batchSizeBytes+batchHeaderBytes+len(work.packed))), work.packed...)
	s.seal(out[len(dst):], c.codec)
	return out, true, nil
}

// appendRecords writes what was not dropped.
func (b *batch) appendRecords(dst []byte) (out []byte, s batchSummary) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records {
		if r != nil {
			dst = appendBatchRecord(dst, r, s.add(r.Time.UnixMilli()), int64(s.records-1))
		}
	}
	return dst, s
}

// withRoom is an empty slice with room for n bytes, b's own where that has it. Growing by append would copy
// megabytes, and round up.
func withRoom(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, 0, n)
	}
	return b[:0]
}

// withMore is b with room for n bytes more. A long one gets no more than that.
func withMore(b []byte, n int) []byte {
	if need := len(b) + n; cap(b) < need {
		return append(make([]byte, 0, max(need, min(2*need, batchDoubleBytes))), b...)
	}
	return b
}

// batchDoubleBytes is up to where a buffer grows to more than is needed.
const batchDoubleBytes = 64 << 10
