package bulk

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

// bodyAt is a record with a body that cannot be compressed.
func bodyAt(partition int32, offset int64, bytes int) *kgo.Record {
	value := make([]byte, bytes)
	rand.NewChaCha8([32]byte{byte(offset)}).Read(value)
	return &kgo.Record{Partition: partition, Offset: offset, Key: []byte("1"), Value: value, Headers: []kgo.RecordHeader{{Key: "k", Value: []byte("v")}}}
}

func TestHeldCacheReturnsACopyOnce(t *testing.T) {
	s := NewHeldCache(1 << 20)
	rec := bodyAt(3, 7, 100)
	body := bytes.Clone(rec.Value)
	s.Put(schemas.TopicRawBulk, rec)
	rec.Value[0], rec.Key[0], rec.Headers[0].Value[0], rec.Headers[0].Key = 'x', 'x', 'x', "x"
	if s.Pop(schemas.TopicRawLive, 3, 7) != nil || s.Pop(schemas.TopicRawBulk, 2, 7) != nil || s.Pop(schemas.TopicRawBulk, 3, 8) != nil {
		t.Error("gave out a record of another place")
	}
	got := s.Pop(schemas.TopicRawBulk, 3, 7)
	if got == nil || got.Offset != 7 || !bytes.Equal(got.Value, body) || string(got.Key) != "1" ||
		got.Headers[0].Key != "k" || string(got.Headers[0].Value) != "v" {
		t.Errorf("took %+v", got)
	}
	if s.Pop(schemas.TopicRawBulk, 3, 7) != nil || s.bytes != 0 || s.byAge.Len() != 0 {
		t.Errorf("%d bytes are left after the only record was taken", s.bytes)
	}
}

func TestFullHeldCacheEvictsTheOldest(t *testing.T) {
	const each = 1000
	s := NewHeldCache(3 * (each + each/8 + cachedRecordBytes + 3))
	for offset := range int64(4) {
		s.Put(schemas.TopicRawBulk, bodyAt(0, offset, each))
		s.Put(schemas.TopicRawBulk, bodyAt(0, offset, each)) // it lies there already
	}
	if s.Pop(schemas.TopicRawBulk, 0, 0) != nil {
		t.Error("the oldest did not go")
	}
	for offset := int64(1); offset < 4; offset++ {
		if s.Pop(schemas.TopicRawBulk, 0, offset) == nil {
			t.Errorf("record %d is gone", offset)
		}
	}
	s.Put(schemas.TopicRawBulk, bodyAt(0, 9, 5*each))
	if s.Pop(schemas.TopicRawBulk, 0, 9) != nil {
		t.Error("took in more than it may")
	}
}

func TestHeldCacheCompresses(t *testing.T) {
	body := bytes.Repeat([]byte(`{"from":"16505551234","type":"text","text":{"body":"hello"}},`), 1000)
	s := NewHeldCache(int64(len(body)) / 2)
	for offset := range int64(4) {
		s.Put(schemas.TopicRawBulk, &kgo.Record{Offset: offset, Value: body})
	}
	for offset := range int64(4) {
		if got := s.Pop(schemas.TopicRawBulk, 0, offset); got == nil || !bytes.Equal(got.Value, body) {
			t.Errorf("record %d: %+v", offset, got)
		}
	}
}

func TestHeldCacheForgetsAPartition(t *testing.T) {
	s := NewHeldCache(1 << 20)
	for p := range int32(2) {
		s.Put(schemas.TopicRawBulk, bodyAt(p, 1, 10))
		s.Put(schemas.TopicRawLive, bodyAt(p, 1, 10))
	}
	s.ClearPartition(0)
	if s.Pop(schemas.TopicRawBulk, 0, 1) != nil || s.Pop(schemas.TopicRawLive, 0, 1) != nil {
		t.Error("a partition was not forgotten")
	}
	if s.Pop(schemas.TopicRawBulk, 1, 1) == nil || s.Pop(schemas.TopicRawLive, 1, 1) == nil {
		t.Error("another partition was forgotten")
	}
}

func TestHeldCacheCountsAllOfARecord(t *testing.T) {
	rec := bodyAt(0, 1, 1000)
	rec.Key = bytes.Repeat([]byte("k"), 100)
	rec.Headers = []kgo.RecordHeader{{Key: "name", Value: bytes.Repeat([]byte("v"), 200)}, {Key: "other"}}
	s := NewHeldCache(1 << 20)
	s.Put(schemas.TopicRawBulk, rec)
	size := s.bytes
	if least := int64(cachedRecordBytes + 1000 + 100 + len("name") + 200 + len("other")); size < least || size > least+20 {
		t.Errorf("%d bytes for a record of %d", size, least)
	}
	headers, length, ok := s.Peek(schemas.TopicRawBulk, 0, 1)
	if !ok || length != 1000 || len(headers) != 2 || headers[0].Key != "name" {
		t.Errorf("headers %v, length %d, %v", headers, length, ok)
	}
	for _, at := range []struct {
		topic     schemas.Topic
		partition int32
		offset    int64
	}{{schemas.TopicRawLive, 0, 1}, {schemas.TopicRawBulk, 1, 1}, {schemas.TopicRawBulk, 0, 2}} {
		if headers, length, ok := s.Peek(at.topic, at.partition, at.offset); ok || length != 0 || headers != nil {
			t.Errorf("a record at %+v is seen", at)
		}
	}

	// A record that fills the cache fits, and so do two that fill it together.
	for most, want := range map[int64]int{size - 1: 0, size: 1, 2*size - 1: 1, 2 * size: 2} {
		s := NewHeldCache(most)
		for offset := range int64(3) {
			again := *rec
			again.Offset = offset
			s.Put(schemas.TopicRawBulk, &again)
		}
		if got := s.byAge.Len(); got != want || s.bytes != int64(want)*size {
			t.Errorf("a cache of %d bytes holds %d records of %d", most, got, size)
		}
	}
}
