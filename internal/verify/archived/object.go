package archived

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"strconv"

	"github.com/klauspost/compress/zstd"
)

// name is the name of an object, in its parts.
type name struct {
	full      string
	topic     string // full name
	partition int32
	log       string // id, in hexadecimal digits
	snapshot  string // date; empty: none
	first     int64
	parquet   bool
}

var namePattern = regexp.MustCompile(`^([^/]+)/(\d{4,10})/([0-9a-f]{32})/(?:(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)/)?(\d{20})\.(jsonl\.zst|parquet)$`)

// parseName is false for other files of the archive.
func parseName(full string) (n name, ok bool) {
	m := namePattern.FindStringSubmatch(full)
	if m == nil {
		return n, false
	}
	partition, err := strconv.ParseInt(m[2], 10, 32)
	first, err2 := strconv.ParseInt(m[5], 10, 64)
	return name{full, m[1], int32(partition), m[3], m[4], first, m[6] == "parquet"}, err == nil && err2 == nil
}

// header is at the begin of an object.
type header struct {
	Format    int    `json:"format"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Log       string `json:"log"`
	First     int64  `json:"first"`
	Next      int64  `json:"next"`
	Lost      int64  `json:"lost"`
	Records   int64  `json:"records"`
	Bytes     int64  `json:"bytes"`
	SHA256    string `json:"sha256"`
	Snapshot  string `json:"snapshot"`
	Complete  bool   `json:"complete"`
}

// record is a line of an object.
type record struct {
	offset, timestamp int64
	key, value        []byte
	headers           []pair
}

type pair struct {
	key   string
	value []byte
}

// header is the value of the last header of a name, nil where there is none.
func (r *record) header(name string) []byte {
	for i := len(r.headers) - 1; i >= 0; i-- {
		if r.headers[i].key == name {
			return r.headers[i].value
		}
	}
	return nil
}

// digest identifies a record with all that belongs to it.
type digest [16]byte

func (r *record) digest() digest {
	h := sha256.New()
	var length [8]byte
	field := func(b []byte) {
		n := uint64(len(b)) + 1
		if b == nil {
			n = 0
		}
		binary.BigEndian.PutUint64(length[:], n)
		h.Write(length[:])
		h.Write(b)
	}
	field(binary.BigEndian.AppendUint64(nil, uint64(r.offset)))    //nolint:gosec // only its bits count
	field(binary.BigEndian.AppendUint64(nil, uint64(r.timestamp))) //nolint:gosec // as above
	field(r.key)
	field(r.value)
	for _, p := range r.headers {
		field([]byte(p.key))
		field(p.value)
	}
	return digest(h.Sum(nil)[:16])
}

const (
	headerBytes   = 1024
	headerMagic   = 0x184D2A5C // of a frame that zstd skips
	parquetMagic  = 0x31524150 // PAR1
	checksumBytes = 4
)

// errDamaged: the object is not as it was written.
var errDamaged = errors.New("damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errDamaged, fmt.Errorf(format, args...))
}

// readHeader reads the begin of an object, and returns its bytes as well.
func readHeader(n name, r io.Reader) (*header, []byte, error) {
	b := make([]byte, headerBytes)
	if _, err := io.ReadFull(r, b); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, damaged("it ends in its header")
	} else if err != nil {
		return nil, nil, err
	}
	magic := uint32(headerMagic)
	if n.parquet {
		magic = parquetMagic
	}
	text, sum := b[:headerBytes-checksumBytes], binary.LittleEndian.Uint32(b[headerBytes-checksumBytes:])
	if binary.LittleEndian.Uint32(b) != magic || binary.LittleEndian.Uint32(b[4:]) != headerBytes-8 || crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return nil, nil, damaged("its header is not whole")
	}
	h := &header{}
	if err := json.Unmarshal(bytes.TrimRight(text[8:], " "), h); err != nil {
		return nil, nil, damaged("header: %w", err)
	}
	if h.Format != 1 {
		return nil, nil, fmt.Errorf("format %d is not known", h.Format)
	}
	if h.Topic != n.topic || h.Partition != n.partition || h.Log != n.log || h.Snapshot != n.snapshot || h.First != n.first || h.Next < h.First {
		return nil, nil, damaged("its header is of %s/%d@%d, log %s", h.Topic, h.Partition, h.First, h.Log)
	}
	return h, b, nil
}

// peek reads the header of an object.
func peek(ctx context.Context, b bucket, n name) (*header, error) {
	r, err := b.open(ctx, n.full)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // read only
	h, _, err := readHeader(n, r)
	return h, err
}

// readObject yields the records of an object. The header is nil where it cannot be read. A damaged object fails with errDamaged.
func readObject(ctx context.Context, b bucket, n name, yield func(*record)) (*header, error) {
	r, err := b.open(ctx, n.full)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // read only
	h, head, err := readHeader(n, r)
	if err != nil {
		return nil, err
	}
	records, size, next := int64(0), int64(0), h.First+h.Lost
	take := func(rec *record, bytes int64) error {
		if rec.offset < next || rec.offset >= h.Next {
			return damaged("record %d has the offset %d, of %d to %d", records+1, rec.offset, next, h.Next-1)
		}
		next, records, size = rec.offset+1, records+1, size+bytes
		yield(rec)
		return nil
	}
	if n.parquet {
		err = readRows(head, h, r, take)
	} else {
		err = readLines(h, r, take)
	}
	if err == nil && (records != h.Records || size != h.Bytes) {
		err = damaged("%d records of %d bytes, and %d of %d according to its header", records, size, h.Records, h.Bytes)
	}
	return h, err
}

// readLines yields the records of an object of JSON lines, and compares its checksum at the end.
func readLines(h *header, r io.Reader, yield func(r *record, size int64) error) error {
	sum := sha256.New()
	rest := io.TeeReader(r, sum)
	d, err := zstd.NewReader(rest, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer d.Close()
	lines := bufio.NewReaderSize(d, 1<<20)
	for n := 1; ; n++ {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(text) == 0 {
			break
		}
		if err != nil {
			return damaged("line %d: %w", n, err)
		}
		rec, err := parseRecord(text)
		if err != nil {
			return damaged("line %d: %w", n, err)
		}
		if err := yield(rec, int64(len(text))); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, rest); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != h.SHA256 {
		return damaged("its SHA-256 is %s", got)
	}
	return nil
}

func parseRecord(text []byte) (*record, error) {
	type member struct {
		Key         *string `json:"key"`
		KeyBase64   []byte  `json:"key_base64"`
		Value       *string `json:"value"`
		ValueBase64 []byte  `json:"value_base64"`
	}
	var l struct {
		Offset    *int64   `json:"offset"`
		Timestamp *int64   `json:"timestamp"`
		Headers   []member `json:"headers"`
		member
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return nil, err
	}
	if l.Offset == nil || l.Timestamp == nil {
		return nil, errors.New("no offset or timestamp")
	}
	bytesOf := func(text *string, binary []byte) []byte {
		if text != nil {
			return []byte(*text)
		}
		return binary
	}
	r := &record{offset: *l.Offset, timestamp: *l.Timestamp, key: bytesOf(l.Key, l.KeyBase64), value: bytesOf(l.Value, l.ValueBase64)}
	for _, h := range l.Headers {
		r.headers = append(r.headers, pair{string(bytesOf(h.Key, h.KeyBase64)), bytesOf(h.Value, h.ValueBase64)})
	}
	return r, nil
}
