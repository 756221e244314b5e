package main

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/processors/task"
	"github.com/coexstream/coexstream/schemas"
)

// spent is what a sequence of bodies cost.
type spent struct {
	in, out, state int           // bytes; letters are none of out
	cpu            time.Duration // of this thread, but for again
	again          time.Duration // for bodies of which held chunks were cut again: see ADR 0036
	events         int
	letters        int
	inLetters      int // bytes
	numbers        int // that are remembered
	heap           int // bytes that are in use afterwards, with what is lent given back; 0: not looked at
}

// headerBytes is what a header costs beside its name and value, and recordBytes a record.
const headerBytes, recordBytes = 2, 10

// player plays a partition.
type player struct {
	task    *task.Task
	scanner *split.Scanner
	space   task.Workspace
	raw     map[int64][]byte
	spent   spent
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newPlayer() (*player, error) {
	cfg := task.DefaultConfig()
	cfg.Partitions = 2
	// Half of what is invented belongs elsewhere, and is rerouted.
	cfg.PartitionOf = func(business []byte) int32 { return int32(len(business)+int(business[len(business)-1])) & 1 }
	t, err := task.New(cfg)
	if err != nil {
		return nil, err
	}
	p := &player{task: t, scanner: split.NewScanner(split.Limits{}), raw: map[int64][]byte{}}
	p.begin()
	return p, nil
}

func (p *player) begin() {
	p.space.Reset()
	p.task.Begin(func(r task.Record) {
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

func (p *player) origin(offset int64) *task.Origin {
	return &task.Origin{
		Topic: schemas.TopicRawBulk, Offset: offset, Label: fmt.Appendf(nil, "raw.bulk/0/%d", offset), ReceivedAt: epoch.Add(time.Duration(offset) * time.Second),
		Value: p.raw[offset], Headers: []task.Header{{Key: schemas.HeaderSource, Value: []byte("meta")}},
	}
}

// play gives a body to the partition, in a transaction of its own, with all that may leave because of it.
func (p *player) play(body []byte) {
	offset := int64(len(p.raw))
	p.raw[offset] = body
	p.spent.in += len(body)
	began, again := threadTime(), p.spent.again
	p.process(offset)
	p.task.Flush()
	p.spent.cpu += threadTime() - began - p.spent.again + again
	p.begin()
}

// rest lets the partition give back what it does not need, and sees what it holds.
func (p *player) rest() {
	for range 2 {
		p.scanner.Rest()
		p.space.Rest()
		p.begin()
	}
	p.spent.numbers = p.task.Size().Numbers
	clear(p.raw)
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
	b, err := p.scanner.Scan(p.raw[offset])
	if err != nil {
		if se := (*split.Error)(nil); errors.As(err, &se) {
			p.task.DeadLetter(o, se.Reason, se.Detail)
		}
		return
	}
	p.task.Webhook(o, b)
	for last := int64(-1); ; {
		w, ok := p.task.Wanted()
		if !ok {
			return
		}
		if w.Offset != last { // the pipeline keeps the last one cut
			began := threadTime()
			b, err = p.scanner.Scan(p.raw[w.Offset])
			p.spent.again += threadTime() - began
			if err != nil {
				p.task.Lost(w)
				continue
			}
			last = w.Offset
		}
		p.task.Release(w, p.origin(w.Offset), b)
	}
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
