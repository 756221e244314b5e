package processors

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/processors/task"
	"github.com/coexstream/coexstream/schemas"
)

// pieces keeps chunks that wait and whose bodies have many of them, each apart from its body (ADR 0036). Where the chunks of
// several bodies leave in turn, each body would have to be read and cut again for each of its chunks otherwise.
//
// When it is full, the body that takes most room gives up half of it: the chunks that leave last. So each of k bodies has about
// a k-th of the room, for the chunks that it needs next, and is read again once for each k-th of the room that its chunks
// take: what is read is at most the bytes of these bodies, times how many times the room they are.
type pieces struct {
	mu     sync.Mutex
	most   int
	bytes  int
	bodies map[place]*apart
}

// piecesBytesMax is the room for pieces of all partitions of a processor.
const piecesBytesMax = 16 << 20

// apart is a body whose chunks are kept as pieces.
type apart struct {
	rec   kgo.Record // without its value
	order []element  // as they leave; some may have left
	of    map[element]*split.Piece
	bytes int
}

// element is where a chunk stands in its body.
type element struct{ change, element uint16 }

func newPieces(most int) *pieces { return &pieces{most: most, bodies: map[place]*apart{}} }

// withoutValue is a copy of a record without its value.
func withoutValue(rec *kgo.Record) kgo.Record {
	own := *rec
	own.Value = nil
	return *kafka.Clone(&own)
}

// put keeps the pieces of a record's body, in the order in which they leave, instead of those that are there.
func (p *pieces) put(topic schemas.Topic, rec *kgo.Record, all []*split.Piece) {
	at := place{topic, rec.Partition, rec.Offset}
	if len(all) == 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.remove(at) // they have left
		return
	}
	a := &apart{rec: withoutValue(rec), of: make(map[element]*split.Piece, len(all)), order: make([]element, 0, len(all))}
	for _, one := range all {
		e := element{uint16(one.Change), uint16(one.Element)}
		a.order, a.of[e] = append(a.order, e), one
		a.bytes += one.Bytes()
	}
	a.bytes += shelvedBytes + len(rec.Key)
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

// shrink lets the body that takes most room give up half of it.
func (p *pieces) shrink() {
	var largest *apart
	var where place
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

func (a *apart) forget(e element) {
	if one := a.of[e]; one != nil {
		delete(a.of, e)
		a.bytes -= one.Bytes()
	}
}

// look finds the piece of a chunk, and the record of its body, without its value; nil where it is not here.
func (p *pieces) look(partition int32, w task.Want) (*kgo.Record, *split.Piece) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.bodies[place{w.Topic, partition, w.Offset}]
	if a == nil {
		return nil, nil
	}
	one := a.of[element{w.Change, w.Element}]
	if one == nil {
		return nil, nil
	}
	return &a.rec, one
}

// left forgets a chunk that has left.
func (p *pieces) left(partition int32, w task.Want) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := place{w.Topic, partition, w.Offset}
	a := p.bodies[at]
	if a == nil {
		return
	}
	before := a.bytes
	a.forget(element{w.Change, w.Element})
	p.bytes -= before - a.bytes
	if len(a.of) == 0 {
		p.remove(at)
	}
}

// clear forgets a partition.
func (p *pieces) clear(partition int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at := range p.bodies {
		if at.partition == partition {
			p.remove(at)
		}
	}
}

// remove is called with mu.
func (p *pieces) remove(at place) {
	if a := p.bodies[at]; a != nil {
		p.bytes -= a.bytes
		delete(p.bodies, at)
	}
}
