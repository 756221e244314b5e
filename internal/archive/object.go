package archive

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

// windowBytes is what a reader needs in memory, and a writer several times.
const windowBytes = 1 << 20

// Builder makes objects, one after the other. It keeps its memory.
type Builder struct {
	h    Header
	buf  growing
	enc  *zstd.Encoder
	line []byte
	next int64 // behind the last record
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
	b.enc, err = zstd.NewWriter(&b.buf, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(windowBytes), zstd.WithLowerEncoderMem(true))
	return b, err
}

// Begin begins an object. h has its place and the lost offsets.
func (b *Builder) Begin(h Header) {
	b.h, b.next = h, h.First+h.Lost
	b.h.Format, b.h.Records, b.h.Bytes, b.h.Oldest, b.h.Newest = Format, 0, 0, 0, 0
	b.buf.b = append(b.buf.b[:0], make([]byte, HeaderBytes)...) // the header's room
	b.enc.Reset(&b.buf)
}

// Add adds a record. Offsets must rise.
func (b *Builder) Add(r *kgo.Record) error {
	if r.Offset < b.next {
		return fmt.Errorf("archive %s/%d: offset %d comes behind %d", b.h.Topic, b.h.Partition, r.Offset, b.next-1)
	}
	line, err := AppendLine(b.line[:0], r)
	if err != nil {
		return fmt.Errorf("archive %s/%d@%d: %w", b.h.Topic, b.h.Partition, r.Offset, err)
	}
	if b.line = line[:0]; cap(b.line) > 4*windowBytes {
		b.line = nil // a long record keeps no memory
	}
	if _, err := b.enc.Write(line); err != nil {
		return err
	}
	at := r.Timestamp.UnixMilli()
	if b.h.Records == 0 {
		b.h.Oldest, b.h.Newest = at, at
	}
	b.h.Oldest, b.h.Newest = min(b.h.Oldest, at), max(b.h.Newest, at)
	b.h.Records++
	b.h.Bytes += int64(len(line))
	b.next = r.Offset + 1
	return nil
}

// Records is how many were added.
func (b *Builder) Records() int64 { return b.h.Records }

// Size is about how long the object is, and how long its lines are.
func (b *Builder) Size() (compressed, lines int64) { return int64(len(b.buf.b)), b.h.Bytes }

// Finish returns the object, which ends before next. It is valid until Begin.
func (b *Builder) Finish(next int64, complete bool) (*Header, []byte, error) {
	if next < b.next {
		return nil, nil, fmt.Errorf("archive %s/%d: an object up to %d has a record at %d", b.h.Topic, b.h.Partition, next, b.next-1)
	}
	if err := b.enc.Close(); err != nil {
		return nil, nil, err
	}
	object := b.buf.b
	sum := sha256.Sum256(object[HeaderBytes:])
	b.h.Next, b.h.Complete, b.h.SHA256 = next, complete, hex.EncodeToString(sum[:])
	if _, err := appendHeader(object[:0], &b.h); err != nil {
		return nil, nil, err
	}
	h := b.h
	return &h, object, nil
}

// Reader reads the records of an object, and holds that they are those that were written.
type Reader struct {
	Header *Header
	sum    hash.Hash
	body   io.Reader // goes through sum
	dec    *zstd.Decoder
	lines  *bufio.Reader
	long   []byte
	next   int64
	count  int64
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
	r := &Reader{Header: h, sum: sha256.New(), next: h.First + h.Lost}
	r.body = io.TeeReader(from, r.sum)
	if r.dec, err = zstd.NewReader(r.body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8*windowBytes)); err != nil {
		return nil, err
	}
	r.lines = bufio.NewReaderSize(r.dec, 64<<10)
	return r, nil
}

// Close ends the reading.
func (r *Reader) Close() { r.dec.Close() }

// Next is the next record; io.EOF behind the last one, when the object is whole. topic and partition of the record are set.
func (r *Reader) Next() (*kgo.Record, error) {
	text, err := r.readLine()
	if errors.Is(err, io.EOF) && len(text) == 0 {
		return nil, r.whole()
	}
	if err != nil {
		return nil, r.failed(err)
	}
	rec := &kgo.Record{Topic: r.Header.Topic, Partition: r.Header.Partition}
	if err := parseLine(text, rec); err != nil {
		return nil, err
	}
	if rec.Offset < r.next || rec.Offset >= r.Header.Next {
		return nil, fmt.Errorf("%w: offset %d is not within %d and %d", ErrCorrupt, rec.Offset, r.next, r.Header.Next-1)
	}
	r.next = rec.Offset + 1
	r.count++
	return rec, nil
}

// readLine returns a line, valid until the next call.
func (r *Reader) readLine() ([]byte, error) {
	part, err := r.lines.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return part, err
	}
	r.long = append(r.long[:0], part...)
	for errors.Is(err, bufio.ErrBufferFull) {
		part, err = r.lines.ReadSlice('\n')
		r.long = append(r.long, part...)
	}
	return r.long, err
}

// failed separates damage from failures to read.
func (r *Reader) failed(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, zstd.ErrMagicMismatch) || errors.Is(err, zstd.ErrCRCMismatch) ||
		errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrReservedBlockType) || errors.Is(err, zstd.ErrCompressedSizeTooBig) ||
		errors.Is(err, zstd.ErrBlockTooSmall) || errors.Is(err, zstd.ErrUnexpectedBlockSize) || errors.Is(err, zstd.ErrUnknownDictionary) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// whole compares the end with the header.
func (r *Reader) whole() error {
	if _, err := io.Copy(io.Discard, r.body); err != nil {
		return err
	}
	switch sum := hex.EncodeToString(r.sum.Sum(nil)); {
	case sum != r.Header.SHA256:
		return fmt.Errorf("%w: its checksum is %s, its header says %s", ErrCorrupt, sum, r.Header.SHA256)
	case r.count != r.Header.Records:
		return fmt.Errorf("%w: %d records, its header says %d", ErrCorrupt, r.count, r.Header.Records)
	}
	return io.EOF
}
