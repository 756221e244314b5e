package archived

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/parquet-go/parquet-go"
)

// row has the columns of a Parquet object that make up a record. The other columns are extracts of these.
type row struct {
	Offset      int64       `parquet:"offset"`
	Timestamp   int64       `parquet:"timestamp,timestamp(millisecond)"`
	Key         *string     `parquet:"key,optional"`
	KeyBinary   []byte      `parquet:"key_binary,optional"`
	Headers     []rowHeader `parquet:"headers,list"`
	Value       *string     `parquet:"value,optional"`
	ValueBinary []byte      `parquet:"value_binary,optional"`
}

// rowHeader is a header of a record.
type rowHeader struct {
	Key         *string `parquet:"key,optional"`
	Value       *string `parquet:"value,optional"`
	KeyBinary   []byte  `parquet:"key_binary,optional"`
	ValueBinary []byte  `parquet:"value_binary,optional"`
}

// record copies the row. Its size is that of key, value and headers.
func (w *row) record() (r *record, size int64) {
	r = &record{offset: w.Offset, timestamp: w.Timestamp, key: cell(w.Key, w.KeyBinary), value: cell(w.Value, w.ValueBinary)}
	size = int64(len(r.key) + len(r.value))
	for _, h := range w.Headers {
		p := pair{string(cell(h.Key, h.KeyBinary)), cell(h.Value, h.ValueBinary)}
		size += int64(len(p.key) + len(p.value))
		r.headers = append(r.headers, p)
	}
	return r, size
}

// cell is the content of a column for text and its column for other bytes; nil where both are null.
func cell(text *string, binary []byte) []byte {
	if text != nil {
		return []byte(*text)
	}
	if len(binary) == 0 { // the empty string is text
		return nil
	}
	return bytes.Clone(binary)
}

// readRows yields the records of a Parquet object, whose header was read into head. The file is read as a whole: its directory is at its end.
func readRows(head []byte, h *header, r io.Reader, yield func(r *record, size int64) error) error {
	rest, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(rest); hex.EncodeToString(sum[:]) != h.SHA256 {
		return damaged("its SHA-256 is %x", sum)
	}
	content := append(bytes.Clone(head), rest...)
	f, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return damaged("%w", err)
	}
	rows := parquet.NewGenericReader[row](f)
	defer func() { _ = rows.Close() }() // read only, from memory
	buf := make([]row, 64)
	for {
		clear(buf)
		n, err := rows.Read(buf)
		for i := range buf[:n] {
			if err := yield(buf[i].record()); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return damaged("%w", err)
		}
	}
}
