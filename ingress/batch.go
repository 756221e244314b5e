package ingress

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go"
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
	plain  []byte // the records before compression
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

// encode makes the record batch of what was not dropped. It is false when everything was.
func (b *batch) encode(codec kafka.Compression) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wire = appendBatchHeader(b.wire[:0])
	out := b.wire
	if codec != 0 {
		out = b.plain[:0]
	}
	n, base, most := 0, int64(0), int64(0)
	for _, r := range b.records {
		if r == nil {
			continue
		}
		at := r.Time.UnixMilli()
		if n == 0 {
			base, most = at, at
		}
		most = max(most, at)
		out = appendBatchRecord(out, r, at-base, int64(n))
		n++
	}
	if n == 0 {
		return false, nil
	}
	if codec == 0 {
		b.wire = out
	} else {
		b.plain = out
		if err := b.compress(codec); err != nil {
			return false, fmt.Errorf("compress %d records, %s: %w", n, codec, err)
		}
	}
	sealBatch(b.wire, codec, n, base, most)
	b.reader.Reset(b.wire)
	return true, nil
}

// zstdEncoder is for all batches. Its fastest level makes history, which repeats itself, as small as the
// slower ones do. The record batch has a checksum of its own.
var zstdEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
})

// compress appends plain to wire.
func (b *batch) compress(codec kafka.Compression) error {
	if codec == kafka.Zstd {
		encoder, err := zstdEncoder()
		if err != nil {
			return err
		}
		b.wire = encoder.EncodeAll(b.plain, b.wire)
		return nil
	}
	to := bytes.NewBuffer(b.wire)
	w := codec.Codec().NewWriter(to)
	if _, err := w.Write(b.plain); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	b.wire = to.Bytes()
	return nil
}

// own takes the buffers back from a client that has answered; they must not keep the memory of the
// longest batch that there ever was.
func (b *batch) own() {
	if cap(b.wire) > batchKeepBytes {
		b.wire = nil
	}
	if cap(b.plain) > batchKeepBytes {
		b.plain = nil
	}
	b.reader.Reset(nil)
}
