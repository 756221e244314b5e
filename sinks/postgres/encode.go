package postgres

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/coexstream/coexstream/sinks/merge"
)

// encoder takes the values of a row, column by column.
type encoder interface {
	text(string)
	order(merge.Order)
	bytes([]byte) // nil: NULL
	number(int64)
	flag(bool)
	micros(us int64, null bool) // since 1970
}

const (
	secondMax = 253402300799 // the last one of the year 9999
	epochGap  = 946684800    // seconds from 1970 to 2000, where PostgreSQL counts from
)

// second is a time in Unix seconds, NULL where it is not known.
func second(e encoder, s int64) { e.micros(min(s, secondMax)*1e6, s <= 0) }

// sortSecond is second for a column without NULL.
func sortSecond(e encoder, s int64) { e.micros(max(0, min(s, secondMax))*1e6, false) }

// millisecond is a time in Unix milliseconds.
func millisecond(e encoder, ms int64) { e.micros(min(ms, secondMax*1000)*1e3, ms <= 0) }

// copying writes rows in the binary format of COPY.
type copying struct{ b []byte }

func (c *copying) begin(columns int) { c.b = binary.BigEndian.AppendUint16(c.b, uint16(columns)) }

func (c *copying) head(n int) { c.b = binary.BigEndian.AppendUint32(c.b, uint32(n)) }

func (c *copying) text(s string) {
	c.head(len(s))
	c.b = append(c.b, s...)
}

func (c *copying) order(o merge.Order) { c.text(string(o)) }

func (c *copying) bytes(b []byte) {
	if b == nil {
		c.null()
		return
	}
	c.head(len(b))
	c.b = append(c.b, b...)
}

func (c *copying) null() { c.b = append(c.b, 0xff, 0xff, 0xff, 0xff) }

func (c *copying) number(n int64) {
	c.head(8)
	c.b = binary.BigEndian.AppendUint64(c.b, uint64(n))
}

func (c *copying) flag(v bool) {
	c.head(1)
	n := byte(0)
	if v {
		n = 1
	}
	c.b = append(c.b, n)
}

func (c *copying) micros(us int64, null bool) {
	if null {
		c.null()
		return
	}
	c.number(us - epochGap*1e6)
}

// chunkBytes is the approximate size of one encoded chunk.
const chunkBytes = 64 << 10

// copyReader encodes rows while they are read.
type copyReader struct {
	c    copying
	next func(e encoder) bool // encodes a row, false: there is none
	cols int
	at   int // what of c was read
	done bool
}

func newCopyReader(columns int, next func(encoder) bool) *copyReader {
	r := &copyReader{next: next, cols: columns}
	r.c.b = append(make([]byte, 0, chunkBytes+4096), "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	return r
}

// Read is as io.Reader has it.
func (r *copyReader) Read(p []byte) (int, error) {
	if r.at == len(r.c.b) {
		if r.done {
			return 0, io.EOF
		}
		r.c.b, r.at = r.c.b[:0], 0
	}
	for !r.done && len(r.c.b) < chunkBytes {
		before := len(r.c.b)
		r.c.begin(r.cols)
		if !r.next(&r.c) {
			r.c.b, r.done = append(r.c.b[:before], 0xff, 0xff), true
		}
	}
	n := copy(p, r.c.b[r.at:])
	r.at += n
	return n, nil
}

// arrays collects one array for each column.
type arrays struct {
	columns []column
	args    []any
	at      int
	size    int // of the texts, in bytes
}

func newArrays(columns []column, rows int) *arrays {
	a := &arrays{columns: columns, args: make([]any, len(columns))}
	for i, c := range columns {
		switch c.kind {
		case text:
			a.args[i] = make([]string, 0, rows)
		case bytea:
			a.args[i] = make([][]byte, 0, rows)
		case bigint:
			a.args[i] = make([]int64, 0, rows)
		case boolean:
			a.args[i] = make([]bool, 0, rows)
		case instant:
			a.args[i] = make([]*time.Time, 0, rows)
		}
	}
	return a
}

func add[T any](a *arrays, v T) {
	a.args[a.at] = append(a.args[a.at].([]T), v) //nolint:forcetypeassert // the tests encode every table
	a.at = (a.at + 1) % len(a.args)
}

func (a *arrays) text(s string) {
	a.size += len(s)
	add(a, s)
}

func (a *arrays) bytes(b []byte) {
	a.size += len(b)
	add(a, b)
}

func (a *arrays) order(o merge.Order) { add(a, []byte(o)) }
func (a *arrays) number(n int64)      { add(a, n) }
func (a *arrays) flag(v bool)         { add(a, v) }

func (a *arrays) micros(us int64, null bool) {
	if null {
		add[*time.Time](a, nil)
		return
	}
	t := time.UnixMicro(us)
	add(a, &t)
}
