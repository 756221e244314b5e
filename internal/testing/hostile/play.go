package main

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// spent is what a sequence of bodies cost.
type spent struct {
	in, out, state int           // bytes; letters are none of out
	cpu            time.Duration // of this thread
	events         int
	letters        int
	inLetters      int // bytes
	numbers        int // that are remembered
	heap           int // bytes in use afterwards, without pooled memory; 0: not measured
}

// headerBytes is what a header costs beside its name and value, and recordBytes a record.
const headerBytes, recordBytes = 2, 10

// player plays a partition.
type player struct {
	topic   schemas.Topic // that the bodies are of
	core    *partition.Partition
	scanner *split.Scanner
	space   partition.Workspace
	raw     map[int64][]byte
	pieces  map[partition.ChunkRef]*split.Piece
	body    *split.Body   // the one cut last
	at      int64         // where it stands
	step    time.Duration // between the receipts of two bodies
	spent   spent
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newPlayer() (*player, error) {
	cfg := partition.DefaultConfig()
	cfg.Partitions = 2
	// Half of the invented businesses belong to the other partition, and are rerouted.
	cfg.PartitionOf = func(business []byte) int32 { return int32(len(business)+int(business[len(business)-1])) & 1 }
	t, err := partition.New(cfg)
	if err != nil {
		return nil, err
	}
	p := &player{topic: schemas.TopicRawBulk, core: t, step: time.Second, scanner: split.NewScanner(split.Limits{}), raw: map[int64][]byte{}, pieces: map[partition.ChunkRef]*split.Piece{}}
	p.begin()
	return p, nil
}

func (p *player) begin() {
	p.space.Reset()
	p.core.Begin(func(r partition.Record) {
		n := recordBytes + len(r.Key) + len(r.Value)
		for _, h := range r.Headers {
			n += headerBytes + len(h.Key) + len(h.Value)
		}
		if r.Topic == schemas.TopicDLQ {
			p.spent.letters++
			p.spent.inLetters += n
			return
		}
		p.spent.out += n
		p.spent.events++
		if r.Topic == schemas.TopicState {
			p.spent.state += n
		}
	}, &p.space)
}

func (p *player) receipt(offset int64) time.Time {
	return epoch.Add(time.Duration(offset) * p.step)
}

func (p *player) origin(offset int64) *partition.Origin {
	return &partition.Origin{
		Topic: p.topic, Offset: offset, Label: fmt.Appendf(nil, "%s/0/%d", p.topic, offset), ReceivedAt: p.receipt(offset),
		Value: p.raw[offset], Headers: []partition.Header{{Key: schemas.HeaderSource, Value: []byte("meta")}},
	}
}

// play gives a body to the partition, in a transaction of its own, with all that may leave because of it.
func (p *player) play(body []byte) {
	offset := int64(len(p.raw))
	p.raw[offset] = body
	p.spent.in += len(body)
	began := threadTime()
	if p.topic == schemas.TopicRawBulk {
		p.core.Pass(p.receipt(offset))
		p.releaseAll()
	}
	p.process(offset)
	p.core.Flush()
	p.spent.cpu += threadTime() - began
	p.begin()
}

// pass lets time pass: waits end, and held chunks leave.
func (p *player) pass(d time.Duration) {
	began := threadTime()
	p.core.Tick(p.receipt(int64(len(p.raw))).Add(d))
	p.releaseAll()
	p.core.Flush()
	p.spent.cpu += threadTime() - began
	p.begin()
}

// rest lets the partition give back what it does not need, and sees what it holds.
func (p *player) rest() {
	for range 2 {
		p.scanner.Rest()
		p.space.Rest()
		p.begin()
	}
	p.spent.numbers = p.core.Size().Numbers
	clear(p.raw)
	clear(p.pieces)
	p.spent.heap = inUse()
}

// inUse is the live heap.
func inUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func (p *player) process(offset int64) {
	o := p.origin(offset)
	b, err := p.cut(offset)
	if err != nil {
		if se := (*split.Error)(nil); errors.As(err, &se) {
			p.core.DeadLetter(o, se.Reason, se.Detail)
		}
		return
	}
	p.core.Webhook(o, b)
	p.releaseAll()
}

// releaseAll releases all held chunks whose turn it is.
func (p *player) releaseAll() {
	for {
		h, ok := p.core.NextHeld()
		if !ok {
			p.setApart()
			return
		}
		b, err := p.bodyOf(h.Ref())
		if err != nil {
			h.Lost()
			continue
		}
		h.Release(p.origin(h.Ref().Offset), b)
	}
}

// bodyOf returns a body from which a held chunk can be released, as the pipeline would: the one parsed last, a cached
// piece, or the body of the log, parsed again.
func (p *player) bodyOf(ref partition.ChunkRef) (*split.Body, error) {
	if p.body != nil && p.at == ref.Offset {
		if c, _ := p.body.Chunk(int(ref.Change), int(ref.Element)); c != nil {
			return p.body, nil
		}
	}
	piece := p.pieces[ref]
	if piece == nil {
		return p.cut(ref.Offset)
	}
	p.setApart()
	delete(p.pieces, ref)
	p.body, p.at = p.scanner.ScanPiece(piece), ref.Offset
	return p.body, nil
}

func (p *player) cut(offset int64) (b *split.Body, err error) {
	p.setApart()
	b, err = p.scanner.Scan(p.raw[offset])
	p.body, p.at = b, offset
	return b, err
}

// setApart keeps the waiting chunks of the body as pieces, if they are many, before another body is parsed.
func (p *player) setApart() {
	if p.body == nil || !p.body.ManyChunks(partition.PiecesMin) {
		return
	}
	for _, piece := range p.core.Pieces(p.origin(p.at), p.body) {
		p.pieces[partition.ChunkRef{Topic: p.topic, Offset: p.at, Change: uint16(piece.Change), Element: uint16(piece.Element)}] = piece
	}
	p.body = nil
}

// threadTime is the processor's time of this thread, which has to be locked.
func threadTime() time.Duration {
	const ofThread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	if err := syscall.Getrusage(ofThread, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
