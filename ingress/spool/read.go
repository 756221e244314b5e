package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// Entry is a record that was read.
type Entry struct {
	Shard   int
	At      time.Time
	Payload []byte // valid until the window is filled again

	seg    *segment
	offset int64
	from   int // in Window.buf
	to     int
	done   bool
}

func (e *Entry) position() position { return positionOf(e.seg.id.sequence, e.offset) }

// Window is a bounded piece of a spool.
type Window struct {
	RecordsMax int
	BytesMax   int // of payloads; a longer record goes alone

	Entries []Entry
	buf     []byte
}

// Bytes is how many bytes of payloads it holds.
func (w *Window) Bytes() int { return len(w.buf) }

const windowKeep = 4 << 20

func (w *Window) reset() {
	w.Entries = w.Entries[:0]
	if cap(w.buf) > max(windowKeep, 2*w.BytesMax) {
		w.buf = nil
	}
	w.buf = w.buf[:0]
}

func (w *Window) full() bool { return len(w.Entries) >= w.RecordsMax || len(w.buf) >= w.BytesMax }

// pass is one way through the spool, from the oldest record that nobody has taken to the newest. Records of
// shards that are held are left behind for the next one.
type pass struct {
	seg  *segment
	file File
	scan *scanner
	held map[int]bool
	left bool // something was left behind
}

// Read fills the window with what comes next in the pass. What Done was not called for of what the window
// held before is left, with all of its shard behind it, to the next pass. An empty window says that the pass
// is at its end: Left tells whether something was left behind; Wait waits for more.
func (s *Spool) Read(w *Window) {
	s.settle(w)
	w.reset()
	s.sweep()
	if !s.counted.Load() {
		return
	}
	p := &s.pass
	for !w.full() && s.onSegment(len(w.Entries) == 0) {
		it := p.scan.next()
		switch it.kind {
		case itemRecord:
			s.offer(w, &it)
		case itemDamaged:
			s.tellDamage(p.seg, &it)
		case itemSeal, itemEnd:
		}
	}
	for i := range w.Entries {
		e := &w.Entries[i]
		e.Payload = w.buf[e.from:e.to:e.to]
	}
}

// settle ends what the window held before.
func (s *Spool) settle(w *Window) {
	p := &s.pass
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range w.Entries {
		s.converged(uint16(w.Entries[i].Shard))
		if e := &w.Entries[i]; !e.done {
			if p.held == nil {
				p.held = map[int]bool{}
			}
			p.held[e.Shard] = true
			s.leave(e.seg)
		}
	}
	if p.seg != nil && !p.seg.skipped && p.scan.offset > p.seg.from {
		p.seg.from = p.scan.offset // nothing before it will be wanted again
	}
}

// offer puts a record into the window, unless it was taken, or its shard is held.
func (s *Spool) offer(w *Window, it *item) {
	p := &s.pass
	e := Entry{Shard: int(it.head.shard), At: it.head.time(), seg: p.seg, offset: it.at, from: len(w.buf)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.position() < s.cursors[it.head.shard] {
		return
	}
	if p.held[e.Shard] {
		s.leave(p.seg)
		return
	}
	if !p.seg.skipped && len(w.Entries) == 0 {
		p.seg.oldest = e.At
	}
	w.buf = append(w.buf, it.payload...)
	e.to = len(w.buf)
	w.Entries = append(w.Entries, e)
}

// onSegment makes the pass stand before something that it can read, or says that there is nothing. settled
// says that everything that was read before was taken or held.
func (s *Spool) onSegment(settled bool) bool {
	p := &s.pass
	for {
		s.mu.Lock()
		if p.seg != nil {
			p.scan.end = p.seg.readable
			if p.scan.offset < p.scan.end {
				s.mu.Unlock()
				return true
			}
		}
		next := s.after(p.seg)
		if next == nil {
			if settled {
				s.atEnd()
			}
			s.mu.Unlock()
			return false
		}
		from, uncounted := next.from, next.uncounted
		s.mu.Unlock()
		p.close()
		f, err := s.fs.Open(s.path(next.id.name()))
		p.seg = next
		if err == nil && uncounted {
			s.countIn(next, f)
		}
		if err != nil {
			p.scan = &scanner{offset: next.size, end: next.size}
			if s.unreadable(next, err) {
				continue
			}
			p.seg = nil
			return false
		}
		next.tries, p.file = 0, f
		p.scan = &scanner{from: f, id: next.id, offset: from}
	}
}

// after is the segment after another one that has something to read.
func (s *Spool) after(seg *segment) *segment {
	for _, next := range s.segments {
		if (seg == nil || next.id.sequence > seg.id.sequence) && next.readable > next.from && (next.undone > 0 || next.uncounted) {
			return next
		}
	}
	return nil
}

// atEnd: everything that can be read was read. If nothing was left behind, everything was taken, and what
// is still counted was damaged after it had been written.
func (s *Spool) atEnd() {
	if s.pass.left {
		return
	}
	for _, seg := range slices.Clone(s.segments) {
		seg.undone = 0
		if seg.open {
			s.retire = seg.size > 0
		} else {
			s.finish(seg)
		}
	}
	for shard := range s.counts {
		if s.counts[shard] != 0 {
			s.add(uint16(shard), -s.counts[shard])
		}
	}
	if s.retire {
		signal(s.work)
	}
}

// openTries is how often a segment that cannot be opened is tried before what comes after it overtakes.
const openTries = 10

// unreadable leaves a segment that cannot be opened to the next pass. It tells whether this one may go on.
func (s *Spool) unreadable(seg *segment, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(seg)
	if seg.tries++; seg.tries == 1 || seg.tries == openTries {
		s.log.Error("a segment of the spool cannot be opened; it is tried again", "segment", seg.id.name(), "tries", seg.tries, "error", err)
	}
	return seg.tries >= openTries
}

func (s *Spool) leave(seg *segment) {
	seg.skipped, s.pass.left = true, true
}

func (p *pass) close() {
	if p.file != nil {
		_ = p.file.Close() // it was only read
		p.file = nil
	}
}

// Left tells whether the pass left something behind.
func (s *Spool) Left() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pass.left
}

// HeldAll tells whether all that waits belongs to shards that are held: the pass need not go on.
func (s *Spool) HeldAll() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := int64(0)
	for shard := range s.pass.held {
		held += int64(s.counts[shard])
	}
	return held > 0 && held >= s.total.Load()
}

// Rewind begins a new pass, in which no shard is held. What the window still holds is read again.
func (s *Spool) Rewind(w *Window) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range w.Entries {
		s.converged(uint16(w.Entries[i].Shard))
	}
	w.reset()
	for _, seg := range s.segments {
		seg.skipped = false
	}
	s.pass.close()
	s.pass = pass{}
}

// Wait returns when there may be something to read, or ctx ends.
func (s *Spool) Wait(ctx context.Context) {
	select {
	case <-s.news:
	case <-ctx.Done():
	}
}

// Done tells that a record was taken: it may be forgotten. Those of its shard must be told in their order.
// slow says that it took so long that the next ones of the shard had better come this way, too.
func (s *Spool) Done(e *Entry, slow bool) {
	shard := uint16(e.Shard)
	e.done = true
	s.mu.Lock()
	s.cursors[shard] = max(s.cursors[shard], e.position()+1)
	s.moved = true
	s.slow[shard] = slow
	s.since[shard] = e.At.UnixMilli() // those behind it arrived later
	if s.counts[shard] > 0 {
		s.add(shard, -1)
	} else {
		s.turn(shard)
	}
	if s.counts[shard] == 0 {
		s.converged(shard)
	}
	if e.seg.undone--; e.seg.undone <= 0 && !e.seg.open {
		s.finish(e.seg)
	}
	s.mu.Unlock()
	s.metrics.drainedRecords.Inc()
	s.metrics.drainedBytes.Add(float64(len(e.Payload)))
}

// finish takes a segment out: there is nothing in it that anybody wants. It is called with mu.
func (s *Spool) finish(seg *segment) {
	if i := slices.Index(s.segments, seg); i >= 0 {
		s.segments = slices.Delete(s.segments, i, i+1)
		s.over = append(s.over, seg)
	}
}

// sweep removes what is finished, and keeps aside what is damaged.
func (s *Spool) sweep() {
	s.mu.Lock()
	over := s.over
	s.over = nil
	s.mu.Unlock()
	for _, seg := range over {
		err := s.discard(seg)
		s.mu.Lock()
		if err == nil {
			s.moved = true
		} else {
			s.over = append(s.over, seg)
			if !seg.told {
				seg.told = true
				s.log.Error("a segment of the spool that is done with cannot be removed; it is tried again", "error", err)
			}
		}
		s.mu.Unlock()
	}
}

func (s *Spool) discard(seg *segment) error {
	name := s.path(seg.id.name())
	if s.pass.seg == seg {
		s.pass.close()
		s.pass.scan.offset = seg.readable // what follows its last record is nobody's
	}
	if seg.damaged {
		if err := s.fs.Rename(name, s.path(quarantineName+"/"+seg.id.name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("move %s to quarantine: %w", name, err)
		}
		s.mu.Lock()
		s.quarantine += seg.size
		s.mu.Unlock()
		s.metrics.quarantined.Inc()
		s.log.Warn("a damaged segment of the spool is in quarantine", "segment", seg.id.name(), "bytes", seg.size)
		return nil
	}
	// What failed the last time may have been done nevertheless.
	if err := s.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	s.mu.Lock()
	s.used -= seg.size
	s.mu.Unlock()
	return nil
}
