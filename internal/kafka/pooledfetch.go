package kafka

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// PooledFetch has the records of one fetch, in pooled memory. A reader that needs them after Release clones them.
type PooledFetch struct {
	Records []*kgo.Record

	buffers *buffers
	used    [][]byte
}

// FetchPooled fetches the one batch that contains an offset. It is for a reader that needs few of its records for a short
// time, because a batch takes the memory of all its records.
func (f *Fetcher) FetchPooled(ctx context.Context, topic string, partition int32, offset int64) (*PooledFetch, error) {
	d := pooling{to: &PooledFetch{buffers: &f.buffers}, from: f.pooled}
	got, err := f.fetch(ctx, &d, topic, partition, offset, 1, 0)
	if err != nil {
		d.to.Release()
		return nil, err
	}
	d.to.Records = got.Records
	return d.to, nil
}

// Release returns the memory of the records to the pool; they cannot be used afterwards. A nil or released fetch has
// nothing to return.
func (l *PooledFetch) Release() {
	if l == nil {
		return
	}
	for _, b := range l.used {
		l.buffers.put(b)
	}
	l.Records, l.used = nil, nil
}

// Clone copies a record into memory of its own.
func Clone(rec *kgo.Record) *kgo.Record {
	own := *rec
	own.Key, own.Value, own.Headers = bytes.Clone(rec.Key), bytes.Clone(rec.Value), slices.Clone(rec.Headers)
	for i := range own.Headers {
		own.Headers[i].Value = bytes.Clone(own.Headers[i].Value)
	}
	return &own
}

// buffers is a pool of memory for decompressed batches. A buffer grows to the largest batch.
type buffers struct{ pool sync.Pool }

var _ kgo.PoolDecompressBytes = (*buffers)(nil)

// GetDecompressBytes implements [kgo.PoolDecompressBytes].
func (b *buffers) GetDecompressBytes([]byte, kgo.CompressionCodecType) []byte {
	if room, ok := b.pool.Get().(*[]byte); ok {
		return *room
	}
	return nil
}

// PutDecompressBytes implements [kgo.PoolDecompressBytes]. It takes back a buffer whose decompression failed.
func (b *buffers) PutDecompressBytes(room []byte) { b.put(room) }

func (b *buffers) put(room []byte) {
	if cap(room) > 0 {
		b.pool.Put(&room)
	}
}

// pooling decompresses into buffers of the pool, and notes them in a fetch.
type pooling struct {
	to   *PooledFetch
	from kgo.Decompressor
}

// Decompress implements [kgo.Decompressor].
func (d *pooling) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	out, err := d.from.Decompress(src, codec)
	if err == nil && codec != kgo.CodecNone {
		d.to.used = append(d.to.used, out)
	}
	return out, err
}
