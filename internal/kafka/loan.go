package kafka

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Loan is what one fetch brought, in memory that is used again once it is given back. What is to outlive that is
// cloned.
type Loan struct {
	Records []*kgo.Record

	buffers *buffers
	lent    [][]byte
}

// Lend is Fetch of the one batch that holds an offset, for a reader that looks at few of its records and has done so
// before long: to decompress a batch takes as much memory as all of them have.
func (f *Fetcher) Lend(ctx context.Context, topic string, partition int32, offset int64) (*Loan, error) {
	d := lending{to: &Loan{buffers: &f.buffers}, from: f.lender}
	got, err := f.fetch(ctx, &d, topic, partition, offset, 1, 0)
	if err != nil {
		d.to.Back()
		return nil, err
	}
	d.to.Records = got.Records
	return d.to, nil
}

// Back gives back the memory of the records, which are gone with it. Nothing is lent without a loan, or twice.
func (l *Loan) Back() {
	if l == nil {
		return
	}
	for _, b := range l.lent {
		l.buffers.put(b)
	}
	l.Records, l.lent = nil, nil
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

// buffers are what batches are decompressed into. They grow to the largest batch.
type buffers struct{ pool sync.Pool }

var _ kgo.PoolDecompressBytes = (*buffers)(nil)

// GetDecompressBytes implements [kgo.PoolDecompressBytes].
func (b *buffers) GetDecompressBytes([]byte, kgo.CompressionCodecType) []byte {
	if room, ok := b.pool.Get().(*[]byte); ok {
		return *room
	}
	return nil
}

// PutDecompressBytes implements [kgo.PoolDecompressBytes]: it takes back what could not be decompressed into.
func (b *buffers) PutDecompressBytes(room []byte) { b.put(room) }

func (b *buffers) put(room []byte) {
	if cap(room) > 0 {
		b.pool.Put(&room)
	}
}

// lending decompresses into buffers that it writes down as lent.
type lending struct {
	to   *Loan
	from kgo.Decompressor
}

// Decompress implements [kgo.Decompressor].
func (d *lending) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	out, err := d.from.Decompress(src, codec)
	if err == nil && codec != kgo.CodecNone {
		d.to.lent = append(d.to.lent, out)
	}
	return out, err
}
