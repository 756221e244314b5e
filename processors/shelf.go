package processors

import (
	"bytes"
	"container/list"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

// shelf keeps records whose chunks wait at hand, so that few of them are read from the log again when they may leave:
// a sender's disorder is mostly a matter of moments. When it is full, what has lain there longest goes; the log has it.
//
// It holds copies, for a record that was fetched keeps its whole batch in memory. Their values are packed: history is
// text that repeats itself, and packing costs about what a copy of it does. What was committed at a place of
// the log does not change, so what is on the shelf stays right, whatever becomes of the transaction that put it there.
type shelf struct {
	mu      sync.Mutex
	most    int64 // bytes as they lie here; 0: it holds nothing
	bytes   int64
	byPlace map[place]*list.Element
	byAge   list.List // of *shelved, the oldest first
}

type place struct {
	topic     schemas.Topic
	partition int32
	offset    int64
}

type shelved struct {
	at     place
	rec    kgo.Record // its value is packed
	length int        // of the value
	bytes  int64
}

// packing is room to pack a value in, before what it comes to is copied.
var packing = sync.Pool{New: func() any { return new([]byte) }}

// shelvedBytes is about what a record takes beside its contents.
const shelvedBytes = 512

func newShelf(most int64) *shelf { return &shelf{most: most, byPlace: map[place]*list.Element{}} }

// put keeps a copy of a record.
func (s *shelf) put(topic schemas.Topic, rec *kgo.Record) {
	if s.most == 0 {
		return
	}
	at := place{topic, rec.Partition, rec.Offset}
	kept := &shelved{at: at, rec: *rec, length: len(rec.Value)}
	room := packing.Get().(*[]byte)
	*room = s2.Encode((*room)[:cap(*room)], rec.Value)
	kept.rec.Key, kept.rec.Value = bytes.Clone(rec.Key), bytes.Clone(*room)
	packing.Put(room)
	n := int64(shelvedBytes + len(rec.Key) + len(kept.rec.Value))
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

// take gives away the record of a place; nil where it is not on the shelf.
func (s *shelf) take(topic schemas.Topic, partition int32, offset int64) *kgo.Record {
	rec := s.pick(place{topic, partition, offset})
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

// pick takes what lies at a place, packed.
func (s *shelf) pick(at place) *kgo.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byPlace[at]
	if e == nil {
		return nil
	}
	return &s.remove(e).rec
}

// peek looks at the record of a place: its headers, and how long its value is. nil where it is not on the shelf.
func (s *shelf) peek(topic schemas.Topic, partition int32, offset int64) (headers []kgo.RecordHeader, length int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byPlace[place{topic, partition, offset}]
	if e == nil {
		return nil, 0, false
	}
	k := e.Value.(*shelved)
	return k.rec.Headers, k.length, true
}

// clear forgets a partition.
func (s *shelf) clear(partition int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, e := range s.byPlace {
		if at.partition == partition {
			s.remove(e)
		}
	}
}

// remove is called with mu.
func (s *shelf) remove(e *list.Element) *shelved {
	k := s.byAge.Remove(e).(*shelved)
	delete(s.byPlace, k.at)
	s.bytes -= k.bytes
	return k
}
