package segment

import (
	"fmt"
	"hash/crc32"
	"strconv"

	"github.com/coexstream/coexstream/schemas"
)

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Group is a body that is written in segments.
type Group struct {
	id       string
	body     []byte
	size     int
	checksum string
	offsets  []int64
}

// NewID is the id of a group, from random bits.
func NewID(a, b uint64) string { return fmt.Sprintf("%016x%016x", a, b) }

// Cut cuts a body into as few segments of at most size bytes as it takes. The id must be of this call alone: a
// body that is cut again, at another size, is another group. The group refers to body.
func Cut(id string, body []byte, size int) *Group {
	return &Group{id: id, body: body, size: max(size, 1), checksum: fmt.Sprintf("%08x", crc32.Checksum(body, castagnoli))}
}

// Count is the number of segments, at least one.
func (g *Group) Count() int { return max(1, (len(g.body)+g.size-1)/g.size) }

// Value is a slice of the body.
func (g *Group) Value(i int) []byte {
	from, to := i*g.size, min((i+1)*g.size, len(g.body))
	return g.body[from:to:to]
}

// Headers are what segment i has beside the headers of the body's record. Those of the last one can be had when
// the offsets of all others are known.
func (g *Group) Headers(i int) []Header {
	count := g.Count()
	hs := []Header{
		{schemas.HeaderSegmentID, []byte(g.id)},
		{schemas.HeaderSegmentIndex, strconv.AppendInt(nil, int64(i), 10)},
		{schemas.HeaderSegmentCount, strconv.AppendInt(nil, int64(count), 10)},
	}
	if i < count-1 {
		return hs
	}
	if len(g.offsets) != count-1 {
		panic(fmt.Sprintf("segment: the last of %d segments is to be written when %d are", count, len(g.offsets)))
	}
	var list []byte
	for k, o := range g.offsets {
		if k > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendInt(list, o, 10)
	}
	return append(hs,
		Header{schemas.HeaderSegmentBytes, strconv.AppendInt(nil, int64(len(g.body)), 10)},
		Header{schemas.HeaderSegmentChecksum, []byte(g.checksum)},
		Header{schemas.HeaderSegmentOffsets, list})
}

// Written sets the offset at which segment i, the next in order, is durable.
func (g *Group) Written(i int, offset int64) {
	if i != len(g.offsets) {
		panic(fmt.Sprintf("segment: segment %d was written after %d", i, len(g.offsets)))
	}
	g.offsets = append(g.offsets, offset)
}
