package publish

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/segmentio/kafka-go"

	"github.com/coexstream/coexstream/ingress/raw"
)

// The record batch, version 2, from Kafka's documentation ("Record Batch"): a header of fixed length, then the records,
// which are compressed together.
const (
	batchLengthAt     = 8  // int32, of the rest
	batchEpochAt      = 12 // int32, the partition leader's; the broker sets it
	batchMagicAt      = 16
	batchChecksumAt   = 17 // CRC-32C of the rest
	batchAttributesAt = 21
	batchLastDeltaAt  = 23 // int32, offset of the last record less that of the first
	batchBaseTimeAt   = 27 // int64, milliseconds
	batchMaxTimeAt    = 35 // int64
	batchProducerAt   = 43 // producer id, epoch and first sequence, all -1: not idempotent
	batchCountAt      = 57 // int32
	batchHeaderBytes  = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batchSizeBytes is the length of the size field, which precedes a batch in a produce request.
const batchSizeBytes = 4

// appendBatchHeader appends room for the size and the header. batchSummary.seal fills it.
func appendBatchHeader(dst []byte) []byte {
	var none [batchSizeBytes + batchHeaderBytes]byte
	return append(dst, none[:]...)
}

// appendBatchRecord writes at most recordFramingBytes more than Record.Bytes, and headerFramingBytes more for each
// header: lengths, deltas and counts, each a varint of at most 64 bits.
const (
	recordFramingBytes = 1 + 6*binary.MaxVarintLen64
	headerFramingBytes = 2 * binary.MaxVarintLen32
)

// batchSummary has the values of the header that depend on the records.
type batchSummary struct {
	records    int
	base, most int64 // milliseconds, of the first and of the latest record
}

// add counts a record and returns the difference between its time and that of the first record.
func (s *batchSummary) add(at int64) (delta int64) {
	if s.records == 0 {
		s.base, s.most = at, at
	}
	s.records++
	s.most = max(s.most, at)
	return at - s.base
}

// seal writes the size and the header of a batch. sized is all of the batch, with its size.
func (s *batchSummary) seal(sized []byte, codec kafka.Compression) {
	b := sized[batchSizeBytes:]
	binary.BigEndian.PutUint32(sized, uint32(len(b)))
	binary.BigEndian.PutUint64(b, 0) // the offset of the first record: the broker sets it
	binary.BigEndian.PutUint32(b[batchLengthAt:], uint32(len(b)-batchEpochAt))
	binary.BigEndian.PutUint32(b[batchEpochAt:], 1<<32-1)
	b[batchMagicAt] = 2
	binary.BigEndian.PutUint16(b[batchAttributesAt:], uint16(codec))
	binary.BigEndian.PutUint32(b[batchLastDeltaAt:], uint32(s.records-1))
	binary.BigEndian.PutUint64(b[batchBaseTimeAt:], uint64(s.base))
	binary.BigEndian.PutUint64(b[batchMaxTimeAt:], uint64(s.most))
	for i := batchProducerAt; i < batchCountAt; i++ {
		b[i] = 0xff
	}
	binary.BigEndian.PutUint32(b[batchCountAt:], uint32(s.records))
	binary.BigEndian.PutUint32(b[batchChecksumAt:], crc32.Checksum(b[batchAttributesAt:], castagnoli))
}

// appendBatchRecord appends a record: length, attributes, deltas of time and offset to the first record of the batch,
// key, value and headers.
func appendBatchRecord(dst []byte, r *raw.Record, timeDelta, offsetDelta int64) []byte {
	length := 1 + varintBytes(timeDelta) + varintBytes(offsetDelta) +
		nullableBytes(r.Key) + varintBytes(int64(len(r.Value))) + len(r.Value) + varintBytes(int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		length += varintBytes(int64(len(h.Key))) + len(h.Key) + varintBytes(int64(len(h.Value))) + len(h.Value)
	}
	dst = binary.AppendVarint(dst, int64(length))
	dst = append(dst, 0)
	dst = binary.AppendVarint(dst, timeDelta)
	dst = binary.AppendVarint(dst, offsetDelta)
	if len(r.Key) == 0 {
		dst = binary.AppendVarint(dst, -1)
	} else {
		dst = binary.AppendVarint(dst, int64(len(r.Key)))
		dst = append(dst, r.Key...)
	}
	dst = binary.AppendVarint(dst, int64(len(r.Value)))
	dst = append(dst, r.Value...)
	dst = binary.AppendVarint(dst, int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		dst = binary.AppendVarint(dst, int64(len(h.Key)))
		dst = append(dst, h.Key...)
		dst = binary.AppendVarint(dst, int64(len(h.Value)))
		dst = append(dst, h.Value...)
	}
	return dst
}

// nullableBytes returns the encoded length of a key. An empty key is encoded as null.
func nullableBytes(b []byte) int {
	if len(b) == 0 {
		return 1
	}
	return varintBytes(int64(len(b))) + len(b)
}

// varintBytes returns the length of v as binary.AppendVarint encodes it.
func varintBytes(v int64) int {
	zigzag := uint64(v)<<1 ^ uint64(v>>63)
	return (bits.Len64(zigzag|1) + 6) / 7
}
