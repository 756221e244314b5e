package processors

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/processors/task"
	"github.com/coexstream/coexstream/schemas"
)

// sender produces what tasks emit, within the transaction that is open. It is used by several runners at
// once.
type sender struct {
	ctx     context.Context
	produce func(context.Context, *kgo.Record, func(*kgo.Record, error))
	limits  *recordLimits
	promise func(*kgo.Record, error) // keep; as a method value it would be allocated for each record

	mu    sync.Mutex
	first error
}

func newSender(ctx context.Context, produce func(context.Context, *kgo.Record, func(*kgo.Record, error)), limits *recordLimits) *sender {
	s := &sender{ctx: ctx, produce: produce, limits: limits}
	s.promise = s.keep
	return s
}

// keep is told how each record went.
func (s *sender) keep(r *kgo.Record, err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	if s.first == nil {
		s.first = fmt.Errorf("produce %s/%d: %w", r.Topic, r.Partition, err)
	}
	s.mu.Unlock()
}

func (s *sender) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

func (s *sender) failed() bool { return s.err() != nil }

// records are the Kafka records of one task's transaction, in blocks that are used again: nothing refers to
// them once the transaction has ended.
type records struct {
	blocks  [][]kgo.Record
	headers [][]kgo.RecordHeader
	nr, nh  int
}

const (
	recordBlock     = 1024
	recordKeepMax   = 32
	headerBlock     = 10 * recordBlock
	headerKeepMax   = 32
	topicNamesCount = 16
)

func (b *records) next() *kgo.Record {
	if b.nr == 0 || len(b.blocks[b.nr-1]) == recordBlock {
		if b.nr == len(b.blocks) {
			b.blocks = append(b.blocks, make([]kgo.Record, 0, recordBlock))
		}
		b.nr++
	}
	blk := b.blocks[b.nr-1]
	blk = blk[:len(blk)+1]
	b.blocks[b.nr-1] = blk
	r := &blk[len(blk)-1]
	*r = kgo.Record{}
	return r
}

func (b *records) headersOf(from []task.Header) []kgo.RecordHeader {
	n := len(from)
	if n > headerBlock {
		return convert(make([]kgo.RecordHeader, 0, n), from)
	}
	if b.nh == 0 || headerBlock-len(b.headers[b.nh-1]) < n {
		if b.nh == len(b.headers) {
			b.headers = append(b.headers, make([]kgo.RecordHeader, 0, headerBlock))
		}
		b.nh++
	}
	blk := b.headers[b.nh-1]
	at := len(blk)
	b.headers[b.nh-1] = blk[:at+n]
	return convert(blk[at:at:at+n], from)
}

func convert(dst []kgo.RecordHeader, from []task.Header) []kgo.RecordHeader {
	for _, h := range from {
		dst = append(dst, kgo.RecordHeader(h))
	}
	return dst
}

func (b *records) reset() {
	if len(b.blocks) > recordKeepMax {
		b.blocks = b.blocks[:recordKeepMax:recordKeepMax]
	}
	if len(b.headers) > headerKeepMax {
		b.headers = b.headers[:headerKeepMax:headerKeepMax]
	}
	for i := range b.blocks {
		clear(b.blocks[i])
		b.blocks[i] = b.blocks[i][:0]
	}
	for i := range b.headers {
		clear(b.headers[i])
		b.headers[i] = b.headers[i][:0]
	}
	b.nr, b.nh = 0, 0
}

// send produces one record of a task.
func (s *sender) send(b *records, names *[topicNamesCount]string, r task.Record) {
	k := b.next()
	k.Topic, k.Partition, k.Key, k.Value = names[r.Topic], r.Partition, r.Key, r.Value
	k.Headers = b.headersOf(r.Headers)
	if most := s.limits.value(r.Topic); len(k.Value) > most && inSegments(r.Topic) {
		s.segments(k, most)
		return
	}
	s.produce(s.ctx, k, s.promise)
}

func topicNames(cfg *Config) *[topicNamesCount]string {
	var names [topicNamesCount]string
	for _, t := range schemas.Topics() {
		names[t] = cfg.topic(t)
	}
	return &names
}
