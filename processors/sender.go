package processors

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
)

// sender produces the records of cores within the open transaction. Several runners use it at once; mu guards first.
type sender struct {
	ctx     context.Context
	produce func(context.Context, *kgo.Record, func(*kgo.Record, error))
	limits  *recordLimits
	promise func(*kgo.Record, error) // keep; a method value would be allocated for each record

	mu    sync.Mutex
	first error
}

func newSender(ctx context.Context, produce func(context.Context, *kgo.Record, func(*kgo.Record, error)), limits *recordLimits) *sender {
	s := &sender{ctx: ctx, produce: produce, limits: limits}
	s.promise = s.keep
	return s
}

// keep is the callback of each produced record. It keeps the first error.
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

// err returns the first produce error; nil if there is none so far.
func (s *sender) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

// failed reports whether a record could not be produced. It is false for a nil sender.
func (s *sender) failed() bool { return s != nil && s.err() != nil }

// records are the Kafka records of one core in a transaction, in blocks that are reused. Nothing refers to them after
// the transaction has ended.
type records struct {
	blocks  [][]kgo.Record
	n, peak int // blocks in use, and their maximum since shrink
}

const (
	recordBlock     = 1024
	recordKeepMax   = 32
	topicNamesCount = 16
)

func (b *records) next() *kgo.Record {
	if b.n == 0 || len(b.blocks[b.n-1]) == recordBlock {
		if b.n == len(b.blocks) {
			b.blocks = append(b.blocks, make([]kgo.Record, 0, recordBlock))
		}
		b.n++
	}
	blk := b.blocks[b.n-1]
	blk = blk[:len(blk)+1]
	b.blocks[b.n-1] = blk
	r := &blk[len(blk)-1]
	*r = kgo.Record{}
	return r
}

// headersOf converts a core's headers to Kafka's without a copy. The conversion below compiles only if both types have
// the same fields in the same order. The headers are in the workspace of the core, which is reset together with the
// records.
func headersOf(from []partition.Header) []kgo.RecordHeader {
	return unsafe.Slice((*kgo.RecordHeader)(unsafe.Pointer(unsafe.SliceData(from))), len(from))
}

var _ = kgo.RecordHeader(partition.Header{})

// shrink releases blocks that were unused since the previous call.
func (b *records) shrink() {
	if b.peak < len(b.blocks) {
		clear(b.blocks[b.peak:])
		b.blocks = b.blocks[:b.peak]
	}
	b.peak = 0
}

func (b *records) reset() {
	b.peak = max(b.peak, b.n)
	if len(b.blocks) > recordKeepMax {
		clear(b.blocks[recordKeepMax:])
		b.blocks = b.blocks[:recordKeepMax:recordKeepMax]
	}
	for i := range b.blocks {
		clear(b.blocks[i])
		b.blocks[i] = b.blocks[i][:0]
	}
	b.n = 0
}

// add adds a record of a core and returns it as a Kafka record.
func (b *records) add(names *[topicNamesCount]string, r partition.Record) *kgo.Record {
	k := b.next()
	k.Topic, k.Partition, k.Key, k.Value = names[r.Topic], r.Partition, r.Key, r.Value
	k.Headers = headersOf(r.Headers)
	return k
}

// send produces one record, in segments if it exceeds the limit of a topic that allows segments.
func (s *sender) send(k *kgo.Record, topic schemas.Topic) {
	if most := s.limits.value(topic); len(k.Value) > most && inSegments(topic) {
		s.segments(k, most)
		return
	}
	s.produce(s.ctx, k, s.promise)
}

// sendAll produces the records that were added before the transaction began.
func (s *sender) sendAll(b *records, names *[topicNamesCount]string) {
	for _, blk := range b.blocks[:b.n] {
		for i := range blk {
			s.send(&blk[i], schemas.Topic(slices.Index(names[:], blk[i].Topic)))
		}
	}
}

// topicNames returns the names of all topics, indexed by topic.
func topicNames(cfg *Config) *[topicNamesCount]string {
	var names [topicNamesCount]string
	for _, t := range schemas.Topics() {
		names[t] = cfg.topic(t)
	}
	return &names
}
