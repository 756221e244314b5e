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

// lines writes records as lines of JSON.
type lines struct {
	enc  *zstd.Encoder
	line []byte
}

func (l *lines) begin(to *growing) error {
	to.b = append(to.b, make([]byte, HeaderBytes)...) // the header's room
	l.enc.Reset(to)
	return nil
}

func (l *lines) add(r *kgo.Record) (int64, error) {
	line, err := AppendLine(l.line[:0], r)
	if err != nil {
		return 0, err
	}
	if l.line = line[:0]; cap(l.line) > 4*windowBytes {
		l.line = nil // a long record keeps no memory
	}
	_, err = l.enc.Write(line)
	return int64(len(line)), err
}

// pending is a block at most.
func (l *lines) pending() int64 { return 0 }

func (l *lines) finish() error { return l.enc.Close() }

// lineReader reads lines of JSON.
type lineReader struct {
	h     *Header
	sum   hash.Hash
	body  *watched // goes through sum
	dec   *zstd.Decoder
	lines *bufio.Reader
	long  []byte
	bytes int64 // of the lines that were read
}

// watched keeps the error of a reader. A decoder that fails without such an error has found damage.
type watched struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

func newLines(h *Header, from io.Reader) (source, error) {
	l := &lineReader{h: h, sum: sha256.New()}
	l.body = &watched{r: io.TeeReader(from, l.sum)}
	dec, err := zstd.NewReader(l.body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8*windowBytes))
	if err != nil {
		return nil, err
	}
	l.dec, l.lines = dec, bufio.NewReaderSize(dec, 64<<10)
	return l, nil
}

func (l *lineReader) close() { l.dec.Close() }

func (l *lineReader) next(r *kgo.Record) error {
	text, err := l.read()
	switch {
	case errors.Is(err, io.EOF) && len(text) == 0:
		return l.whole()
	case l.body.err != nil:
		return l.body.err
	case errors.Is(err, ErrCorrupt):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return parseLine(text, r)
}

// read returns a line, valid until the next call. Lines are not longer in all than the header says, so damage needs no memory.
func (l *lineReader) read() ([]byte, error) {
	part, err := l.lines.ReadSlice('\n')
	l.bytes += int64(len(part))
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = append(l.long[:0], part...)
		for errors.Is(err, bufio.ErrBufferFull) && l.bytes <= l.h.Bytes {
			part, err = l.lines.ReadSlice('\n')
			l.long = append(l.long, part...)
			l.bytes += int64(len(part))
		}
		part = l.long
	}
	if l.bytes > l.h.Bytes {
		return nil, fmt.Errorf("%w: its lines are longer than the %d bytes of its header", ErrCorrupt, l.h.Bytes)
	}
	return part, err
}

// whole compares the end with the header.
func (l *lineReader) whole() error {
	if _, err := io.Copy(io.Discard, l.body); err != nil {
		return err
	}
	if sum := hex.EncodeToString(l.sum.Sum(nil)); sum != l.h.SHA256 {
		return fmt.Errorf("%w: its checksum is %s, its header says %s", ErrCorrupt, sum, l.h.SHA256)
	}
	return io.EOF
}
