package publish

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol/produce"
)

// answerBytesMax bounds an answer. It has some dozens of bytes for each partition, and a message for each failure.
const answerBytesMax = 1 << 20

// read reads the answer into r.response.
func (r *produceRequest) read(from io.Reader) error {
	if cap(r.answer) < 4 {
		r.answer = make([]byte, 512)
	}
	head := r.answer[:4]
	if _, err := io.ReadFull(from, head); err != nil {
		return err
	}
	size := int(int32(binary.BigEndian.Uint32(head)))
	if size < 4 || size > answerBytesMax {
		return fmt.Errorf("it has %d bytes, want 4 to %d", size, answerBytesMax)
	}
	if cap(r.answer) < size {
		r.answer = make([]byte, size)
	}
	r.answer = r.answer[:size]
	if _, err := io.ReadFull(from, r.answer); err != nil {
		return err
	}
	if id := int32(binary.BigEndian.Uint32(r.answer)); id != r.id {
		return fmt.Errorf("it is to request %d, want %d", id, r.id)
	}
	return decodeProduced(r.answer[4:], r.version, &r.response)
}

var errAnswerShort = errors.New("it is cut off")

// decodeProduced decodes the body of an answer ("Produce API" in Kafka's documentation). The slices of res are reused.
func decodeProduced(body []byte, version int16, res *produce.Response) error {
	f := fields{b: body}
	topics := res.Topics[:0]
	for range f.count() {
		topics = grown(topics)
		t := &topics[len(topics)-1]
		t.Topic = f.string(t.Topic)
		t.Partitions = t.Partitions[:0]
		for range f.count() {
			t.Partitions = grown(t.Partitions)
			f.partition(version, &t.Partitions[len(t.Partitions)-1])
		}
	}
	res.Topics = topics
	res.ThrottleTimeMs = int32(f.uint(4))
	if f.short {
		return errAnswerShort
	}
	return nil
}

// grown returns s with one more element, which may hold an old value.
func grown[T any](s []T) []T {
	if len(s) < cap(s) {
		return s[:len(s)+1]
	}
	var none T
	return append(s, none)
}

// fields reads the fields of an answer. Behind its end they are zero, and short is set.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n > len(f.b) {
		f.b, f.short = nil, true
		return nil
	}
	taken := f.b[:n]
	f.b = f.b[n:]
	return taken
}

// uint reads an integer of n bytes.
func (f *fields) uint(n int) (v uint64) {
	for _, b := range f.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

// count reads the length of an array. It bounds the length by the bytes that are left, because each element has one
// byte at least.
func (f *fields) count() int {
	n := int(int32(f.uint(4)))
	if n > len(f.b) {
		f.b, f.short = nil, true
		return 0
	}
	return max(n, 0) // -1: null
}

// string reads a string; null is the empty string. It returns was when the text is equal, which saves an allocation.
func (f *fields) string(was string) string {
	b := f.take(max(int(int16(f.uint(2))), 0))
	if string(b) == was {
		return was
	}
	return string(b)
}

func (f *fields) partition(version int16, p *produce.ResponsePartition) {
	p.Partition = int32(f.uint(4))
	p.ErrorCode = int16(f.uint(2))
	p.BaseOffset = int64(f.uint(8))
	p.LogAppendTime = int64(f.uint(8))
	p.LogStartOffset, p.RecordErrors, p.ErrorMessage = 0, p.RecordErrors[:0], ""
	if version >= 5 {
		p.LogStartOffset = int64(f.uint(8))
	}
	if version >= 8 {
		for range f.count() {
			p.RecordErrors = append(p.RecordErrors, produce.ResponseError{
				BatchIndex: int32(f.uint(4)), BatchIndexErrorMessage: f.string(""),
			})
		}
		p.ErrorMessage = f.string("")
	}
}
