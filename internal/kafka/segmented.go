package kafka

import (
	"errors"
	"fmt"
	"math/rand/v2"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/coexstream/coexstream/schemas/segment"
)

// segmentLeast is the smallest size of a segment that is tried.
const segmentLeast = 4 << 10

// Segmented writes a body in segments of at most size bytes, and in smaller ones where the cluster refuses those as
// too large. write writes one record, the body's with another value and further headers, waits until it is durable
// and returns its offset. size is that of the segments that were written in the end.
//
// After an error readers ignore the written segments, unless the last one was written in spite of the error.
func Segmented(body []byte, size int, write func(value []byte, place []segment.Header) (int64, error)) (int, error) {
	for {
		err := WriteSegments(body, size, write)
		if err == nil || !TooLarge(err) || size <= segmentLeast {
			return size, err
		}
		size = max(min(size, len(body))/2, segmentLeast)
	}
}

// WriteSegments is Segmented with one size.
func WriteSegments(body []byte, size int, write func(value []byte, place []segment.Header) (int64, error)) error {
	g := segment.Cut(segment.NewID(rand.Uint64(), rand.Uint64()), body, size)
	for i := range g.Count() {
		offset, err := write(g.Value(i), g.Headers(i))
		if err != nil {
			return fmt.Errorf("segment %d of %d: %w", i, g.Count(), err)
		}
		if i == g.Count()-1 {
			break
		}
		if offset < 0 {
			return fmt.Errorf("segment %d of %d: the broker did not tell its offset", i, g.Count())
		}
		g.Written(i, offset)
	}
	return nil
}

// TooLarge reports whether a cluster refuses a record for its length.
func TooLarge(err error) bool {
	for _, e := range []error{kafkago.MessageSizeTooLarge, kafkago.RecordListTooLarge, kerr.MessageTooLarge, kerr.RecordListTooLarge} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// SegmentBytes is the size of segments whose records fit into a topic with such a max.message.bytes: there is room
// for key, headers, and the offsets that the last one names.
func SegmentBytes(maxMessageBytes int64, body int) int {
	room := max(maxMessageBytes-maxMessageBytes/1024-12<<10, segmentLeast)
	const offset = 20
	return int(max(room-offset*(1+int64(body)/room), segmentLeast))
}
