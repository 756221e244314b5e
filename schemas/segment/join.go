package segment

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"github.com/coexstream/coexstream/schemas"
)

// ErrInvalid means that segments do not make the body that was cut. Their headers contradict each other, or its
// length or checksum is another one.
var ErrInvalid = errors.New("segments do not make a body")

const (
	// CountMax bounds the segments of a body.
	CountMax = 1 << 16
	// BytesMax bounds a body in all cases.
	BytesMax = 1 << 30
)

// Segment has the headers of a segment.
type Segment struct {
	ID           string
	Index, Count int
	// Of the last one:
	Bytes    int
	Checksum uint32
	Offsets  []int64 // of the others, in order
}

// Last reports whether the segment represents the body.
func (s *Segment) Last() bool { return s.Index == s.Count-1 }

// Names reports whether a header is one of a segment's place, which the body's record does not have.
func Names(key string) bool { return strings.HasPrefix(key, schemas.SegmentHeaderPrefix) }

// Of reads the headers of a record. is reports whether it is a segment; then err is the fault of its headers.
// header is the value of the header of that name, nil where there is none.
func Of(header func(name string) []byte) (s Segment, is bool, err error) {
	id := header(schemas.HeaderSegmentID)
	if id == nil {
		return Segment{}, false, nil
	}
	s.ID = string(id)
	number := func(name string, most int) int {
		n, e := strconv.Atoi(string(header(name)))
		if err == nil && (e != nil || n < 0 || n > most) {
			err = fmt.Errorf("%w: %s is %q", ErrInvalid, name, header(name))
		}
		return n
	}
	s.Index, s.Count = number(schemas.HeaderSegmentIndex, CountMax-1), number(schemas.HeaderSegmentCount, CountMax)
	if err == nil && s.Index >= s.Count {
		err = fmt.Errorf("%w: segment %d of %d", ErrInvalid, s.Index, s.Count)
	}
	if err != nil || !s.Last() {
		return s, true, err
	}
	s.Bytes = number(schemas.HeaderSegmentBytes, BytesMax)
	sum, e := strconv.ParseUint(string(header(schemas.HeaderSegmentChecksum)), 16, 32)
	if err == nil && e != nil {
		err = fmt.Errorf("%w: %s is %q", ErrInvalid, schemas.HeaderSegmentChecksum, header(schemas.HeaderSegmentChecksum))
	}
	s.Checksum = uint32(sum)
	if list := string(header(schemas.HeaderSegmentOffsets)); list != "" {
		s.Offsets = make([]int64, 0, s.Count-1)
		for one := range strings.SplitSeq(list, ",") {
			o, e := strconv.ParseInt(one, 10, 64)
			if e != nil || o < 0 {
				return s, true, fmt.Errorf("%w: %s names %q", ErrInvalid, schemas.HeaderSegmentOffsets, one)
			}
			s.Offsets = append(s.Offsets, o)
		}
	}
	if err == nil && (len(s.Offsets) != s.Count-1 || !slices.IsSorted(s.Offsets)) {
		err = fmt.Errorf("%w: %s does not name the %d others in order", ErrInvalid, schemas.HeaderSegmentOffsets, s.Count-1)
	}
	return s, true, err
}

// Joint is a body that is being put together.
type Joint struct {
	s    *Segment
	next int
	body []byte
}

// Join begins to put together the body of a last segment.
func (s *Segment) Join() *Joint { return &Joint{s: s} }

// Add takes segment i, the next in order. Its value is copied.
func (j *Joint) Add(i int, header func(name string) []byte, value []byte) error {
	o, is, err := Of(header)
	switch {
	case !is:
		return fmt.Errorf("%w: a whole record stands where segment %d of %d should be", ErrInvalid, i, j.s.Count)
	case err != nil:
		return err
	case o.ID != j.s.ID || o.Count != j.s.Count || o.Index != i || i != j.next || i >= j.s.Count-1:
		return fmt.Errorf("%w: segment %d of %d of %s stands where segment %d of %d of %s should be", ErrInvalid, o.Index, o.Count, o.ID, j.next, j.s.Count, j.s.ID)
	}
	return j.append(value)
}

func (j *Joint) append(value []byte) error {
	if len(j.body)+len(value) > j.s.Bytes {
		return fmt.Errorf("%w: they are longer than the %d bytes of the body", ErrInvalid, j.s.Bytes)
	}
	if j.body == nil {
		// Memory is limited by the bytes that were read, and not by a header.
		j.body = make([]byte, 0, min(j.s.Bytes, (len(value)+1)*j.s.Count))
	}
	j.body = append(j.body, value...)
	j.next++
	return nil
}

// Whole takes the value of the last segment and returns the body.
func (j *Joint) Whole(value []byte) ([]byte, error) {
	if j.next != j.s.Count-1 {
		return nil, fmt.Errorf("%w: %d of %d are there", ErrInvalid, j.next+1, j.s.Count)
	}
	if err := j.append(value); err != nil {
		return nil, err
	}
	if len(j.body) != j.s.Bytes {
		return nil, fmt.Errorf("%w: they have %d bytes and the body %d", ErrInvalid, len(j.body), j.s.Bytes)
	}
	if sum := crc32.Checksum(j.body, castagnoli); sum != j.s.Checksum {
		return nil, fmt.Errorf("%w: the checksum is %08x and that of the body %08x", ErrInvalid, sum, j.s.Checksum)
	}
	return j.body, nil
}
