package publish

import (
	"fmt"
	"sync"

	"github.com/coexstream/coexstream/ingress/raw"
)

// batch has the records of one partition in one produce request.
//
// encode copies the records under the batch's lock. drop takes the same lock and returns a record to its owner: after
// drop no goroutine reads the record. The request reads only the copy.
type batch struct {
	mu      sync.Mutex
	records []*raw.Record // nil: dropped
}

// drop returns record i to its owner.
func (b *batch) drop(i int) {
	b.mu.Lock()
	b.records[i] = nil
	b.mu.Unlock()
}

// room returns the most bytes that encode appends without compression.
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

// encode appends the record batch, preceded by its size, without dropped records. It returns false when all were
// dropped. The lock covers only the copy: compression takes milliseconds, in which a deadline may pass.
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
	// Allocate only the compressed length: the buffer lives until the broker answers.
	out := append(appendBatchHeader(withMore(dst, batchSizeBytes+batchHeaderBytes+len(work.packed))), work.packed...)
	s.seal(out[len(dst):], c.codec)
	return out, true, nil
}

// appendRecords appends the records that were not dropped.
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

// withRoom returns an empty slice with a capacity of n bytes at least. It reuses b where possible. Growth by append
// would copy megabytes and round up.
func withRoom(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, 0, n)
	}
	return b[:0]
}

// withMore returns b with room for n more bytes. A long buffer gets no spare room.
func withMore(b []byte, n int) []byte {
	if need := len(b) + n; cap(b) < need {
		return append(make([]byte, 0, max(need, min(2*need, batchDoubleBytes))), b...)
	}
	return b
}

// batchDoubleBytes bounds the length up to which a buffer grows to more than is needed.
const batchDoubleBytes = 64 << 10
