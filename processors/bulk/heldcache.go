package bulk

import (
	"bytes"
	"container/list"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

// HeldCache keeps records whose chunks wait for an earlier one, so that few of them are read from the log again. Senders
// usually deliver chunks out of order for moments only. A full cache evicts its oldest records; the log still has them.
//
// It has compressed copies, because a fetched record keeps its whole batch in memory. History repeats itself, so a
// compressed copy costs about as much time as a plain one. A committed record never changes, so a cached one stays right
// when the transaction that cached it is aborted.
type HeldCache struct {
	mu      sync.Mutex
	most    int64 // compressed bytes; 0: it caches nothing
	bytes   int64
	byPlace map[logPosition]*list.Element
	byAge   list.List // of *cachedRecord, the oldest first
}

type logPosition struct {
	topic     schemas.Topic
	partition int32
	offset    int64
}

type cachedRecord struct {
	at     logPosition
	rec    kgo.Record // its value is compressed
	length int        // of the value
	bytes  int64
}

// compressBuffers has buffers to compress a value into, before it is copied in its final size.
var compressBuffers = sync.Pool{New: func() any { return new([]byte) }}

// cachedRecordBytes is about the memory of a record beside its contents.
const cachedRecordBytes = 512

// NewHeldCache makes a cache for at most so many compressed bytes.
func NewHeldCache(most int64) *HeldCache {
	return &HeldCache{most: most, byPlace: map[logPosition]*list.Element{}}
}

// Put caches a copy of a record.
func (s *HeldCache) Put(topic schemas.Topic, rec *kgo.Record) {
	if s.most == 0 {
		return
	}
	at := logPosition{topic, rec.Partition, rec.Offset}
	kept := &cachedRecord{at: at, rec: *rec, length: len(rec.Value)}
	room := compressBuffers.Get().(*[]byte)
	*room = s2.Encode((*room)[:cap(*room)], rec.Value)
	kept.rec.Key, kept.rec.Value = bytes.Clone(rec.Key), bytes.Clone(*room)
	compressBuffers.Put(room)
	n := int64(cachedRecordBytes + len(rec.Key) + len(kept.rec.Value))
	kept.rec.Headers = slices.Clone(rec.Headers)
	for i := range kept.rec.Headers {
		h := &kept.rec.Headers[i]
		h.Value = bytes.Clone(h.Value)
		n += int64(len(h.Key) + len(h.Value))
	}
	kept.bytes = n
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.most || s.byPlace[at] != nil {
		return
	}
	for s.bytes+n > s.most {
		s.remove(s.byAge.Front())
	}
	s.bytes += n
	s.byPlace[at] = s.byAge.PushBack(kept)
}

// Pop removes and returns the record at a position; nil when it is not cached.
func (s *HeldCache) Pop(topic schemas.Topic, partition int32, offset int64) *kgo.Record {
	rec := s.popPacked(logPosition{topic, partition, offset})
	if rec == nil {
		return nil
	}
	value, err := s2.Decode(nil, rec.Value)
	if err != nil {
		return nil // the log has it
	}
	rec.Value = value
	return rec
}

// popPacked removes and returns a record with its compressed value.
func (s *HeldCache) popPacked(at logPosition) *kgo.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byPlace[at]
	if e == nil {
		return nil
	}
	return &s.remove(e).rec
}

// Peek returns the headers of the record at a position, and the length of its value.
func (s *HeldCache) Peek(topic schemas.Topic, partition int32, offset int64) (headers []kgo.RecordHeader, length int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byPlace[logPosition{topic, partition, offset}]
	if e == nil {
		return nil, 0, false
	}
	k := e.Value.(*cachedRecord)
	return k.rec.Headers, k.length, true
}

// ClearPartition removes the records of a partition.
func (s *HeldCache) ClearPartition(partition int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, e := range s.byPlace {
		if at.partition == partition {
			s.remove(e)
		}
	}
}

// remove needs mu.
func (s *HeldCache) remove(e *list.Element) *cachedRecord {
	k := s.byAge.Remove(e).(*cachedRecord)
	delete(s.byPlace, k.at)
	s.bytes -= k.bytes
	return k
}
