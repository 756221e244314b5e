package bulk

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// PieceCache keeps waiting chunks of bodies with many of them, each apart from its body (ADR 0036). Without it, each of these
// chunks would have its body read and parsed again, when the chunks of several bodies are released in turn.
//
// A full cache halves the largest body: it removes the chunks that are released last. So each of k bodies has about a k-th
// of the room, for the chunks that it needs next. The bytes that are read again are at most the bytes of these bodies, times
// how often they fill the room.
type PieceCache struct {
	mu     sync.Mutex
	most   int
	bytes  int
	bodies map[logPosition]*splitBody
}

// PieceBytesMax is the room for pieces of all partitions of a processor.
const PieceBytesMax = 16 << 20

// splitBody is a body whose chunks are kept as pieces.
type splitBody struct {
	rec   kgo.Record // without its value
	order []element  // in the order of their release; some may have been released
	of    map[element]*split.Piece
	bytes int
}

// element is the place of a chunk in its body.
type element struct{ change, element uint16 }

// NewPieceCache makes a cache for at most so many bytes.
func NewPieceCache(most int) *PieceCache {
	return &PieceCache{most: most, bodies: map[logPosition]*splitBody{}}
}

// withoutValue is a copy of a record without its value.
func withoutValue(rec *kgo.Record) kgo.Record {
	own := *rec
	own.Value = nil
	return *kafka.Clone(&own)
}

// Put replaces the pieces of a record's body. They come in the order of their release.
func (p *PieceCache) Put(topic schemas.Topic, rec *kgo.Record, all []*split.Piece) {
	at := logPosition{topic, rec.Partition, rec.Offset}
	if len(all) == 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.remove(at) // all were released
		return
	}
	a := &splitBody{rec: withoutValue(rec), of: make(map[element]*split.Piece, len(all)), order: make([]element, 0, len(all))}
	for _, one := range all {
		e := element{uint16(one.Change), uint16(one.Element)}
		a.order, a.of[e] = append(a.order, e), one
		a.bytes += one.Bytes()
	}
	a.bytes += cachedRecordBytes + len(rec.Key)
	for _, h := range a.rec.Headers {
		a.bytes += len(h.Key) + len(h.Value)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(at)
	p.bodies[at] = a
	for p.bytes += a.bytes; p.bytes > p.most; {
		p.shrink()
	}
}

// shrink removes half of the largest body.
func (p *PieceCache) shrink() {
	var largest *splitBody
	var where logPosition
	for at, a := range p.bodies {
		if largest == nil || a.bytes > largest.bytes {
			largest, where = a, at
		}
	}
	before := largest.bytes
	for keep := before / 2; largest.bytes > keep && len(largest.order) > 0; {
		last := len(largest.order) - 1
		largest.forget(largest.order[last])
		largest.order = largest.order[:last]
	}
	p.bytes -= before - largest.bytes
	if len(largest.of) == 0 {
		p.remove(where)
	}
}

func (a *splitBody) forget(e element) {
	if one := a.of[e]; one != nil {
		delete(a.of, e)
		a.bytes -= one.Bytes()
	}
}

// Look returns the piece of a chunk, and the record of its body without the value; nil when it is not cached.
func (p *PieceCache) Look(partition int32, ref partition.ChunkRef) (*kgo.Record, *split.Piece) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.bodies[logPosition{ref.Topic, partition, ref.Offset}]
	if a == nil {
		return nil, nil
	}
	one := a.of[element{ref.Change, ref.Element}]
	if one == nil {
		return nil, nil
	}
	return &a.rec, one
}

// Left removes a released chunk.
func (p *PieceCache) Left(partition int32, ref partition.ChunkRef) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := logPosition{ref.Topic, partition, ref.Offset}
	a := p.bodies[at]
	if a == nil {
		return
	}
	before := a.bytes
	a.forget(element{ref.Change, ref.Element})
	p.bytes -= before - a.bytes
	if len(a.of) == 0 {
		p.remove(at)
	}
}

// ClearPartition removes the bodies of a partition.
func (p *PieceCache) ClearPartition(partition int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at := range p.bodies {
		if at.partition == partition {
			p.remove(at)
		}
	}
}

// remove needs mu.
func (p *PieceCache) remove(at logPosition) {
	if a := p.bodies[at]; a != nil {
		p.bytes -= a.bytes
		delete(p.bodies, at)
	}
}
