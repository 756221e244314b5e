package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

// windowBytes is what a reader needs in memory, and a writer several times.
const windowBytes = 1 << 20

// Builder makes objects, one after the other. It keeps its memory.
type Builder struct {
	h    Header
	as   Encoding
	buf  growing
	to   records
	text lines
	rows *table // nil: no object was Parquet yet
	next int64  // behind the last record
}

// records are the records of an object in one of the encodings.
type records interface {
	begin(to *growing) error                  // behind the header
	add(r *kgo.Record) (bytes int64, _ error) // bytes before they are compressed
	pending() int64                           // bytes of the object that are not in its buffer yet, about
	finish() error
}

// growing grows by a quarter where bytes.Buffer doubles.
type growing struct{ b []byte }

// Write implements io.Writer.
func (g *growing) Write(p []byte) (int, error) {
	g.b = append(g.b, p...)
	return len(p), nil
}

// NewBuilder is ready for Begin.
func NewBuilder() (*Builder, error) {
	b := &Builder{}
	var err error
	b.text.enc, err = zstd.NewWriter(nil, encoderOptions()...)
	return b, err
}

func encoderOptions() []zstd.EOption {
	return []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(windowBytes), zstd.WithLowerEncoderMem(true)}
}

// Begin begins an object. h has its place and the lost offsets.
func (b *Builder) Begin(h Header, as Encoding) (err error) {
	b.h, b.as, b.next = h, as, h.First+h.Lost
	b.h.Format, b.h.Records, b.h.Bytes, b.h.Oldest, b.h.Newest = Format, 0, 0, 0, 0
	b.buf.b = b.buf.b[:0]
	b.to = &b.text
	if as == Parquet {
		if b.rows == nil {
			if b.rows, err = newTable(); err != nil {
				return err
			}
		}
		b.to = b.rows
	}
	return b.to.begin(&b.buf)
}

// Add adds a record. Offsets must rise.
func (b *Builder) Add(r *kgo.Record) error {
	if r.Offset < b.next {
		return fmt.Errorf("archive %s/%d: offset %d comes behind %d", b.h.Topic, b.h.Partition, r.Offset, b.next-1)
	}
	n, err := b.to.add(r)
	if err != nil {
		return fmt.Errorf("archive %s/%d@%d: %w", b.h.Topic, b.h.Partition, r.Offset, err)
	}
	at := r.Timestamp.UnixMilli()
	if b.h.Records == 0 {
		b.h.Oldest, b.h.Newest = at, at
	}
	b.h.Oldest, b.h.Newest = min(b.h.Oldest, at), max(b.h.Newest, at)
	b.h.Records++
	b.h.Bytes += n
	b.next = r.Offset + 1
	return nil
}

// Records is how many were added.
func (b *Builder) Records() int64 { return b.h.Records }

// Size is about how long the object is, and how long its records are before they are compressed.
func (b *Builder) Size() (compressed, plain int64) {
	return int64(len(b.buf.b)) + b.to.pending(), b.h.Bytes
}

// Finish returns the object, which ends before next. It is valid until Begin.
func (b *Builder) Finish(next int64, complete bool) (*Header, []byte, error) {
	if next < b.next {
		return nil, nil, fmt.Errorf("archive %s/%d: an object up to %d has a record at %d", b.h.Topic, b.h.Partition, next, b.next-1)
	}
	if err := b.to.finish(); err != nil {
		return nil, nil, err
	}
	object, magic := b.buf.b, uint32(skippable)
	if b.as == Parquet {
		magic = parquetID
	}
	sum := sha256.Sum256(object[HeaderBytes:])
	b.h.Next, b.h.Complete, b.h.SHA256 = next, complete, hex.EncodeToString(sum[:])
	if _, err := appendHeader(object[:0], magic, &b.h); err != nil {
		return nil, nil, err
	}
	h := b.h
	return &h, object, nil
}

// Reader reads the records of an object, and holds that they are those that were written.
type Reader struct {
	Header *Header
	from   source
	next   int64
	count  int64
}

// source reads the records of an object. next returns a record without topic and partition; io.EOF behind the last one, when the object
// is whole.
type source interface {
	next(r *kgo.Record) error
	close()
}

// NewReader reads the header. Close gives the memory back.
func NewReader(from io.Reader) (*Reader, error) {
	head := make([]byte, HeaderBytes)
	if _, err := io.ReadFull(from, head); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: it ends within its header", ErrCorrupt)
		}
		return nil, err
	}
	h, err := ParseHeader(head)
	if err != nil {
		return nil, err
	}
	r := &Reader{Header: h, next: h.First + h.Lost}
	if magicOf(head) == Parquet {
		r.from, err = newRows(head, h, from)
	} else {
		r.from, err = newLines(h, from)
	}
	return r, err
}

// Close ends the reading.
func (r *Reader) Close() { r.from.close() }

// Next is the next record; io.EOF behind the last one, when the object is whole. topic and partition of the record are set.
func (r *Reader) Next() (*kgo.Record, error) {
	rec := &kgo.Record{Topic: r.Header.Topic, Partition: r.Header.Partition}
	err := r.from.next(rec)
	if errors.Is(err, io.EOF) && r.count != r.Header.Records {
		err = fmt.Errorf("%w: %d records, its header says %d", ErrCorrupt, r.count, r.Header.Records)
	}
	if err != nil {
		return nil, err
	}
	if rec.Offset < r.next || rec.Offset >= r.Header.Next {
		return nil, fmt.Errorf("%w: offset %d is not within %d and %d", ErrCorrupt, rec.Offset, r.next, r.Header.Next-1)
	}
	r.next = rec.Offset + 1
	r.count++
	return rec, nil
}
