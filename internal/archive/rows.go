package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/format"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// groupBytesMax and groupRowsMax bound a row group, which a writer and a reader have in memory.
	groupBytesMax = 8 << 20
	groupRowsMax  = 50_000
	// pageBytes is about how much of a column is compressed at a time.
	pageBytes = 64 << 10
	// rowsBytesMax bounds an object that is read: Parquet is read from its end.
	rowsBytesMax = 64 << 20
)

// table writes records as rows of Parquet.
type table struct {
	w     *parquet.GenericWriter[row]
	one   [1]row
	to    *growing
	bytes int64 // of the row group
	rows  int
}

func newTable() (*table, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	options := []parquet.WriterOption{
		parquet.Compression(c), parquet.PageBufferSize(pageBytes), parquet.WriteBufferSize(0), parquet.ColumnPageBuffers(parquet.NewChunkBufferPool(32 << 10)),
		parquet.DataPageVersion(1), parquet.CreatedBy("coexstream", "", ""),
	}
	// Bounds of long texts would be as long as the texts.
	for _, path := range [][]string{
		{"key"}, {"key_binary"}, {"value"}, {"value_binary"}, {"headers", "list", "element", "key"}, {"headers", "list", "element", "value"},
		{"headers", "list", "element", "key_binary"}, {"headers", "list", "element", "value_binary"},
	} {
		options = append(options, parquet.SkipPageBounds(path...), parquet.SkipPageStatistics(path...))
	}
	return &table{w: parquet.NewGenericWriter[row](io.Discard, options...)}, nil
}

func (t *table) begin(to *growing) error {
	t.w.Reset(&behindHeader{to})
	t.to = to
	t.bytes, t.rows = 0, 0
	return nil
}

// behindHeader leaves room for the object's header between the magic number of the file and its first column. Readers find columns by the
// offsets of the footer, which count from the begin of the file: so the writer has to count the room as written.
type behindHeader struct{ to *growing }

// Write implements io.Writer.
func (w *behindHeader) Write(p []byte) (int, error) { return w.to.Write(p) }

// WriteString implements io.StringWriter. The magic number is the only text that the writer writes at the begin.
func (w *behindHeader) WriteString(s string) (int, error) {
	if len(w.to.b) > 0 {
		return w.to.Write([]byte(s))
	}
	w.to.b = append(append(w.to.b, s...), make([]byte, HeaderBytes-len(s))...)
	return HeaderBytes, nil
}

func (t *table) add(r *kgo.Record) (int64, error) {
	t.one[0].set(r)
	_, err := t.w.Write(t.one[:])
	n := int64(len(r.Key) + len(r.Value))
	for i := range r.Headers {
		n += int64(len(r.Headers[i].Key) + len(r.Headers[i].Value))
	}
	if t.bytes, t.rows = t.bytes+n, t.rows+1; err == nil && (t.bytes >= groupBytesMax || t.rows >= groupRowsMax) {
		t.bytes, t.rows = 0, 0
		err = t.w.Flush()
	}
	return n, err
}

// pending is the row group that is not written yet: its pages are compressed, and the last one of each column is not.
func (t *table) pending() int64 { return max(0, t.w.Size()-int64(len(t.to.b))) }

func (t *table) finish() error {
	err := t.w.Close()
	t.one[0] = row{} // it keeps no record
	return err
}

// rowReader reads rows of Parquet.
type rowReader struct {
	r    *parquet.GenericReader[row]
	buf  []row
	rows []row // of buf, to be returned
	end  error
}

// newRows reads the whole object, and compares its checksum before anything is read from it.
func newRows(head []byte, h *Header, from io.Reader) (_ source, err error) {
	content, err := io.ReadAll(io.LimitReader(from, rowsBytesMax))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	if text := hex.EncodeToString(sum[:]); text != h.SHA256 {
		return nil, fmt.Errorf("%w: its checksum is %s, its header says %s", ErrCorrupt, text, h.SHA256)
	}
	content = append(head[:len(head):len(head)], content...)
	f, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return &rowReader{r: parquet.NewGenericReader[row](f), buf: make([]row, 64)}, nil
}

func (r *rowReader) close() { _ = r.r.Close() } // it was only read, from memory

func (r *rowReader) next(rec *kgo.Record) error {
	for len(r.rows) == 0 {
		if r.end != nil {
			return r.end
		}
		clear(r.buf)
		n, err := r.r.Read(r.buf)
		if r.rows = r.buf[:n]; err != nil && !errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		r.end = err
	}
	r.rows[0].record(rec)
	r.rows = r.rows[1:]
	return nil
}

// codec is zstd for Parquet, with the window of the other objects. The library's own one keeps encoders of 8 MiB.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

var _ compress.Codec = (*codec)(nil)

func newCodec() (*codec, error) {
	enc, err := zstd.NewWriter(nil, encoderOptions()...)
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	return &codec{enc, dec}, err
}

// String implements compress.Codec.
func (c *codec) String() string { return "ZSTD" }

// CompressionCodec implements compress.Codec.
func (c *codec) CompressionCodec() format.CompressionCodec { return format.Zstd }

// Encode implements compress.Codec.
func (c *codec) Encode(dst, src []byte) ([]byte, error) { return c.enc.EncodeAll(src, dst[:0]), nil }

// Decode implements compress.Codec.
func (c *codec) Decode(dst, src []byte) ([]byte, error) { return c.dec.DecodeAll(src, dst[:0]) }
