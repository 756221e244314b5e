package spool

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// Shards is the number of shards. Each shard has an order of its own.
const Shards = 4096

// frameKind is the kind of a frame.
type frameKind uint8

const (
	kindRecord frameKind = 1
	kindSeal   frameKind = 2 // the segment was closed properly; no payload
)

const (
	frameMagic = 0x31787363 // "csx1"
	headBytes  = 32
	frameAlign = 8
)

// head is the header of a frame.
//
//	0  magic       4
//	4  kind        1
//	5  zero        1
//	6  shard       2
//	8  length      4   of the payload
//	12 sum         4   CRC-32C of the payload
//	16 at          8   Unix milliseconds
//	24 zero        4
//	28 checksum    4   CRC-32C of the above, the segment's sequence and salt, and the offset
//
// All little-endian.
type head struct {
	kind   frameKind
	shard  uint16
	length uint32
	sum    uint32
	at     int64
}

func (h *head) time() time.Time { return time.UnixMilli(h.at) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameBytes returns the length of a frame with a payload of n bytes.
func frameBytes(n int) int64 { return (headBytes + int64(n) + frameAlign - 1) &^ (frameAlign - 1) }

// put writes the header of the frame at the offset of a segment.
func (h *head) put(b []byte, id segmentID, offset int64) {
	binary.LittleEndian.PutUint32(b, frameMagic)
	b[4], b[5] = byte(h.kind), 0
	binary.LittleEndian.PutUint16(b[6:], h.shard)
	binary.LittleEndian.PutUint32(b[8:], h.length)
	binary.LittleEndian.PutUint32(b[12:], h.sum)
	binary.LittleEndian.PutUint64(b[16:], uint64(h.at))
	binary.LittleEndian.PutUint32(b[24:], 0)
	binary.LittleEndian.PutUint32(b[28:], headSum(b, id, offset))
}

func headSum(b []byte, id segmentID, offset int64) uint32 {
	var place [24]byte
	binary.LittleEndian.PutUint64(place[:], uint64(id.sequence))
	binary.LittleEndian.PutUint64(place[8:], id.salt)
	binary.LittleEndian.PutUint64(place[16:], uint64(offset))
	return crc32.Update(crc32.Checksum(b[:headBytes-4], castagnoli), castagnoli, place[:])
}

// parseHead decodes a header. It returns false when the bytes are no header.
func parseHead(b []byte, id segmentID, offset int64) (h head, ok bool) {
	if binary.LittleEndian.Uint32(b) != frameMagic || binary.LittleEndian.Uint32(b[28:]) != headSum(b, id, offset) {
		return head{}, false
	}
	h = head{
		kind: frameKind(b[4]), shard: binary.LittleEndian.Uint16(b[6:]), length: binary.LittleEndian.Uint32(b[8:]),
		sum: binary.LittleEndian.Uint32(b[12:]), at: int64(binary.LittleEndian.Uint64(b[16:])),
	}
	return h, (h.kind == kindRecord || h.kind == kindSeal) && h.shard < Shards
}

func payloadSum(payload []byte) uint32 { return crc32.Checksum(payload, castagnoli) }

// appendFrame appends a frame with an empty header, and returns the content of the header.
func appendFrame(dst []byte, shard uint16, at time.Time, put func([]byte) []byte) ([]byte, head) {
	start := len(dst)
	var blank [headBytes]byte
	dst = put(append(dst, blank[:]...))
	payload := dst[start+headBytes:]
	h := head{kind: kindRecord, shard: shard, length: uint32(len(payload)), sum: payloadSum(payload), at: at.UnixMilli()}
	for int64(len(dst)-start) < frameBytes(len(payload)) {
		dst = append(dst, 0)
	}
	return dst, h
}
