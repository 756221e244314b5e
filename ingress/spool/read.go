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
	BytesMax   int // of payloads; a longer record has a window of its own

	Entries []Entry
	buf     []byte
}

// Bytes returns the length of all payloads.
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

// pass is one run through the spool, from the oldest record that was not handed over to the newest. Records of held
// shards are left to the next pass.
type pass struct {
	seg  *segment
	file File
	scan *scanner
	held map[int]bool
	left bool // records were left to the next pass
}

// Read fills the window with the next records of the pass. When Done was not called for a record of the former window,
// its shard is held: the record and all later ones of the shard are left to the next pass. At the end of the pass the
// window is empty. Then Left reports whether records were left, and Wait waits for new ones.
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

// settle ends the former content of the window.
func (s *Spool) settle(w *Window) {
	p := &s.pass
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range w.Entries {
		s.handedOver(uint16(w.Entries[i].Shard))
		if e := &w.Entries[i]; !e.done {
			if p.held == nil {
				p.held = map[int]bool{}
			}
			p.held[e.Shard] = true
			s.leave(e.seg)
		}
	}
	if p.seg != nil && !p.seg.skipped && p.scan.offset > p.seg.from {
		p.seg.from = p.scan.offset // nothing before it will be read again
	}
}

// offer puts a record into the window, unless it was handed over or its shard is held.
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

// onSegment moves the pass to a segment with bytes to read. It returns false when there is none. settled: all records
// that were read before were handed over or are held.
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

// after returns the next segment behind another one that has records to read.
func (s *Spool) after(seg *segment) *segment {
	for _, next := range s.segments {
		if (seg == nil || next.id.sequence > seg.id.sequence) && next.readable > next.from && (next.undone > 0 || next.uncounted) {
			return next
		}
	}
	return nil
}

// atEnd ends a pass. When nothing was left to the next pass, all records were handed over, and those that are still
// counted were damaged after they had been written.
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

// openTries is the number of attempts to open a segment before later segments may overtake it.
const openTries = 10

// unreadable leaves a segment that cannot be opened to the next pass. It reports whether this pass may continue.
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

// Left reports whether the pass left records to the next one.
func (s *Spool) Left() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pass.left
}

// OnlyHeldLeft reports whether all waiting records belong to held shards. Then the pass can end.
func (s *Spool) OnlyHeldLeft() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := int64(0)
	for shard := range s.pass.held {
		held += int64(s.counts[shard])
	}
	return held > 0 && held >= s.total.Load()
}

// Rewind begins a new pass, in which no shard is held. Records of the window without Done are read again.
func (s *Spool) Rewind(w *Window) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range w.Entries {
		s.handedOver(uint16(w.Entries[i].Shard))
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

// Done marks a record as handed over. The records of a shard are marked in their order. slow says that its
// partition acknowledges slowly. Then new records of the shard continue to go to the spool.
func (s *Spool) Done(e *Entry, slow bool) {
	shard := uint16(e.Shard)
	e.done = true
	s.mu.Lock()
	s.cursors[shard] = max(s.cursors[shard], e.position()+1)
	s.moved = true
	s.slow[shard] = slow
	s.since[shard] = e.At.UnixMilli() // later records arrived later
	if s.counts[shard] > 0 {
		s.add(shard, -1)
	} else {
		s.turn(shard)
	}
	if s.counts[shard] == 0 {
		s.handedOver(shard)
	}
	if e.seg.undone--; e.seg.undone <= 0 && !e.seg.open {
		s.finish(e.seg)
	}
	s.mu.Unlock()
	s.metrics.drainedRecords.Inc()
	s.metrics.drainedBytes.Add(float64(len(e.Payload)))
}

// finish removes a segment from the list: all of its records were handed over. It is called with mu.
func (s *Spool) finish(seg *segment) {
	if i := slices.Index(s.segments, seg); i >= 0 {
		s.segments = slices.Delete(s.segments, i, i+1)
		s.over = append(s.over, seg)
	}
}

// sweep deletes finished segments, and moves damaged ones to the quarantine.
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
			if !seg.logged {
				seg.logged = true
				s.log.Error("a finished segment of the spool cannot be removed; it is tried again", "error", err)
			}
		}
		s.mu.Unlock()
	}
}

func (s *Spool) discard(seg *segment) error {
	name := s.path(seg.id.name())
	if s.pass.seg == seg {
		s.pass.close()
		s.pass.scan.offset = seg.readable // no record follows the last one
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
	// A former attempt that failed may have removed the file.
	if err := s.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	s.mu.Lock()
	s.used -= seg.size
	s.mu.Unlock()
	return nil
}
