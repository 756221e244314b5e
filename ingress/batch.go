package ingress

import (
	"bytes"
	"fmt"
	"sync"
)

// batch is the records of one partition in one produce request.
//
// encode copies them, under the batch's lock. drop, which takes the same lock, gives a record back to
// its owner: from then on nobody reads it. Afterwards only the copy is read, by the client, which a
// request that was given up does not wait for: disown then leaves the copy to it.
type batch struct {
	mu      sync.Mutex
	records []*Record // nil: dropped

	wire   []byte // the record batch, with its size before it
	reader bytes.Reader
}

// batchKeepBytes is the longest buffer that waits for the next batch.
const batchKeepBytes = 1 << 20

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

// encode makes the record batch of what was not dropped. It is false when everything was. Only the copy is made
// under the lock: compressing takes milliseconds, in which a deadline may pass.
func (b *batch) encode(c *compressor) (bool, error) {
	if c.codec == 0 {
		s := b.copyRecords(&b.wire, batchSizeBytes+batchHeaderBytes)
		if s.records == 0 {
			return false, nil
		}
		s.seal(b.wire, 0)
		b.reader.Reset(b.wire)
		return true, nil
	}
	work := c.begin()
	defer c.end(work)
	s := b.copyRecords(&work.plain, 0)
	if s.records == 0 {
		return false, nil
	}
	if err := work.compress(c.codec); err != nil {
		return false, fmt.Errorf("compress %d records, %s: %w", s.records, c.codec, err)
	}
	// Of the length that it has, not of the one that it might have had: it waits for the broker, and others with it.
	b.wire = append(appendBatchHeader(withRoom(b.wire, batchSizeBytes+batchHeaderBytes+len(work.packed))), work.packed...)
	s.seal(b.wire, c.codec)
	b.reader.Reset(b.wire)
	return true, nil
}

// copyRecords writes what was not dropped to the buffer, after a number of bytes that are left free.
func (b *batch) copyRecords(to *[]byte, free int) (s batchSummary) {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := free
	for _, r := range b.records {
		if r != nil {
			room += r.Bytes() + recordFramingBytes + len(r.Headers)*headerFramingBytes
		}
	}
	out := withRoom(*to, room)[:free]
	for _, r := range b.records {
		if r != nil {
			out = appendBatchRecord(out, r, s.add(r.Time.UnixMilli()), int64(s.records-1))
		}
	}
	*to = out
	return s
}

// withRoom is an empty slice with room for n bytes, b's own where that has it. Growing by append would copy
// megabytes, and round up.
func withRoom(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, 0, n)
	}
	return b[:0]
}

// own takes the buffer back from a client that has answered; it must not keep the memory of the
// longest batch that there ever was.
func (b *batch) own() {
	if cap(b.wire) > batchKeepBytes {
		b.wire = nil
	}
	b.reader.Reset(nil)
}
