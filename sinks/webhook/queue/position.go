package queue

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Position is how far a topic of a partition was acknowledged.
type Position struct {
	Log  [16]byte // id of the topic; zero where the brokers give none
	Next int64    // everything before it was acknowledged
	// Open has the unacknowledged offsets between Next and End, in order. Everything from End on is not.
	Open []Range
	End  int64
}

// Range is offsets, without To.
type Range struct{ From, To int64 }

const metadataVersion = "coexw1."

var metadataCode = base64.RawURLEncoding

// Metadata is what a committed offset does not say: the log, and the acknowledged offsets behind the first one that is not.
func (p *Position) Metadata() string {
	b := append(make([]byte, 0, 64+4*len(p.Open)), p.Log[:]...)
	at := p.Next
	for _, r := range p.Open {
		b = binary.AppendUvarint(b, uint64(r.From-at))
		b = binary.AppendUvarint(b, uint64(r.To-r.From))
		at = r.To
	}
	if p.End > at {
		b = binary.AppendUvarint(b, uint64(p.End-at))
	}
	return metadataVersion + metadataCode.EncodeToString(b)
}

// ParsePosition reads a committed offset. Without metadata of this program, nothing behind the offset is acknowledged.
func ParsePosition(next int64, metadata string) (Position, error) {
	p := Position{Next: next, End: next}
	text, ok := strings.CutPrefix(metadata, metadataVersion)
	if !ok {
		return p, nil
	}
	b, err := metadataCode.DecodeString(text)
	if err != nil || len(b) < len(p.Log) {
		return p, fmt.Errorf("metadata of offset %d cannot be read", next)
	}
	copy(p.Log[:], b)
	b = b[len(p.Log):]
	var numbers []int64
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > 1<<62 {
			return Position{Next: next, End: next}, fmt.Errorf("metadata of offset %d cannot be read", next)
		}
		numbers, b = append(numbers, int64(n)), b[size:]
	}
	at := next
	for ; len(numbers) >= 2; numbers = numbers[2:] {
		from := at + numbers[0]
		at = from + numbers[1]
		p.Open = append(p.Open, Range{from, at})
	}
	if p.End = at; len(numbers) == 1 {
		p.End += numbers[0]
	}
	return p, nil
}

// Acknowledged reports whether an offset is.
func (p *Position) Acknowledged(offset int64) bool { return p.skip(offset) > offset }

// skip returns the first offset from one on that is not acknowledged.
func (p *Position) skip(offset int64) int64 {
	if offset >= p.End {
		return offset
	}
	offset = max(offset, p.Next)
	i, _ := slices.BinarySearchFunc(p.Open, offset, func(r Range, o int64) int {
		if r.To <= o {
			return -1
		}
		return 1
	})
	if i == len(p.Open) {
		return p.End
	}
	return max(offset, p.Open[i].From)
}
