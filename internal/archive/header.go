package archive

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// Format is the version of the format that this program writes, and the newest that it reads.
const Format = 1

// HeaderBytes is the length of the frame with the header, at the begin of an object.
const HeaderBytes = 1024

// Header describes an object.
type Header struct {
	Format     int    `json:"format"`
	Topic      string `json:"topic"` // full name
	Partition  int32  `json:"partition"`
	Partitions int32  `json:"partitions"` // of the topic, when the object was written
	Log        string `json:"log"`        // id of the topic, in hexadecimal digits
	First      int64  `json:"first"`      // where the object before it ended
	Next       int64  `json:"next"`       // first offset of the object behind it
	// Lost counts the offsets from First that retention had removed before they were archived.
	Lost    int64  `json:"lost,omitempty"`
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"`  // of the lines, decompressed
	Oldest  int64  `json:"oldest"` // lowest timestamp of the records, milliseconds
	Newest  int64  `json:"newest"` // highest
	SHA256  string `json:"sha256"` // of the bytes behind the header
	// Snapshot is its date, and Complete says that the object is its last one.
	Snapshot string `json:"snapshot,omitempty"`
	Complete bool   `json:"complete,omitempty"`
	// NextAs is the encoding of the object behind it; empty: JSONL. So all writers give that object the same name.
	NextAs Encoding `json:"next_as,omitempty"`
}

// Following is the object behind that of the header.
func (h *Header) Following(c Chain) Object {
	return Object{Chain: c, First: h.Next, Encoding: cmp.Or(h.NextAs, JSONL)}
}

// NewestAt is the highest timestamp of the records.
func (h *Header) NewestAt() time.Time { return time.UnixMilli(h.Newest) }

// OldestAt is the lowest one.
func (h *Header) OldestAt() time.Time { return time.UnixMilli(h.Oldest) }

// ErrCorrupt says that an object was changed after it was written.
var ErrCorrupt = errors.New("the object is damaged")

const (
	skippable  = 0x184D2A5C // magic number of a frame that zstd passes over
	parquetID  = 0x31524150 // PAR1, with which a Parquet file begins
	frameStart = 8          // magic number and length
	textMax    = HeaderBytes - frameStart - crc32.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendHeader appends the header with a magic number.
func appendHeader(dst []byte, magic uint32, h *Header) ([]byte, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if len(text) > textMax {
		return nil, fmt.Errorf("the header of %s/%d@%d has %d bytes, at most %d are allowed", h.Topic, h.Partition, h.First, len(text), textMax)
	}
	begin := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = binary.LittleEndian.AppendUint32(dst, HeaderBytes-frameStart)
	dst = append(dst, text...)
	dst = append(dst, bytes.Repeat([]byte{' '}, textMax-len(text))...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[begin:], castagnoli)), nil
}

// ParseHeader reads the header from the first HeaderBytes of an object.
func ParseHeader(b []byte) (*Header, error) {
	if len(b) < HeaderBytes || magicOf(b) == "" || binary.LittleEndian.Uint32(b[4:]) != HeaderBytes-frameStart {
		return nil, fmt.Errorf("%w: it does not begin with a header", ErrCorrupt)
	}
	if crc32.Checksum(b[:frameStart+textMax], castagnoli) != binary.LittleEndian.Uint32(b[frameStart+textMax:]) {
		return nil, fmt.Errorf("%w: the checksum of its header is wrong", ErrCorrupt)
	}
	h := &Header{}
	if err := json.Unmarshal(b[frameStart:frameStart+textMax], h); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrCorrupt, err)
	}
	switch {
	case h.NextAs != "" && h.NextAs != JSONL && h.NextAs != Parquet:
		return nil, fmt.Errorf("the object behind it is written as %q, which this program does not read", h.NextAs)
	case h.Format > Format || h.Format < 1:
		return nil, fmt.Errorf("the object has format %d, this program reads up to %d", h.Format, Format)
	case h.First < 0 || h.Next < h.First || h.Lost < 0 || h.Lost > h.Next-h.First || h.Records < 0 || h.Records > h.Next-h.First-h.Lost:
		return nil, fmt.Errorf("%w: header: %d records in the offsets %d to %d, %d lost", ErrCorrupt, h.Records, h.First, h.Next, h.Lost)
	}
	return h, nil
}

// magicOf is the encoding of an object, by its first bytes; empty: it is no object.
func magicOf(b []byte) Encoding {
	switch binary.LittleEndian.Uint32(b) {
	case skippable:
		return JSONL
	case parquetID:
		return Parquet
	}
	return ""
}

// Of reports whether the header is that of an object. The id of the log is not compared: the folder of a chain may be renamed, so that its
// log begins another one (docs/archive.md).
func (h *Header) Of(o Object, prefix string) error {
	if c := o.Chain; h.Topic != c.Topic.Name(prefix) || h.Partition != c.Partition || h.First != o.First || h.Snapshot != c.Snapshot {
		return fmt.Errorf("%w: its header is of %s/%d@%d", ErrCorrupt, h.Topic, h.Partition, h.First)
	}
	return nil
}
