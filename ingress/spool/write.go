package spool

import (
	"context"
	"fmt"
)

// group has the records that one write and one fsync make durable: all that arrived during the former ones.
type group struct {
	buf    []byte
	frames []frameAt
	done   chan struct{} // closed when err is set
	err    error
}

type frameAt struct {
	at   int // in buf
	head head
}

func newGroup() *group { return &group{done: make(chan struct{})} }

// writer has the state of the goroutine that writes.
type writer struct {
	file File
	seg  *segment // nil: none is open
}

// write writes groups until ctx ends and no group waits.
func (s *Spool) write(ctx context.Context) {
	done := ctx.Done()
	for {
		select {
		case <-s.work:
		case <-done:
			done = nil
			s.mu.Lock()
			s.closed = true
			s.mu.Unlock()
		}
		s.mu.Lock()
		g, retire, closed := s.waiting, s.retire, s.closed
		s.waiting = nil
		s.mu.Unlock()
		switch {
		case g != nil:
			g.err = s.commit(g)
			close(g.done)
			signal(s.work) // look again: more may wait
		case closed:
			s.seal()
			return
		case retire:
			s.retireOpen()
		}
	}
}

// commit makes a group durable. After a failed write or fsync it abandons the segment and writes the group to a new one,
// once.
func (s *Spool) commit(g *group) error {
	err := s.place(g)
	if err != nil {
		s.abandon(err)
		if err = s.place(g); err != nil {
			s.abandon(err)
		}
	}
	s.mu.Lock()
	s.pending -= int64(len(g.buf))
	if err != nil {
		s.used -= int64(len(g.buf))
		if s.failure == nil {
			s.log.Error("the spool cannot be written", "error", err)
		}
		s.failure, s.failedAt = fmt.Errorf("%w: %w", ErrFailed, err), s.now()
		err = s.failure
	} else {
		if s.failure != nil {
			s.log.Info("the spool can be written again")
		}
		s.failure = nil
		seg := s.writer.seg
		seg.readable = seg.size
		for i := range g.frames {
			s.arrive(seg, &g.frames[i].head)
		}
		s.committedRecords.Add(int64(len(g.frames)))
		s.committedBytes.Add(int64(len(g.buf)))
	}
	s.mu.Unlock()
	if err == nil {
		s.metrics.appendedRecords.Add(float64(len(g.frames)))
		s.metrics.appendedBytes.Add(float64(len(g.buf)))
		signal(s.news)
	}
	return err
}

// place writes a group to the open segment, or to a new one, and syncs it.
func (s *Spool) place(g *group) error {
	w := &s.writer
	if w.seg != nil && w.seg.size > 0 && w.seg.size+int64(len(g.buf)) > s.cfg.SegmentBytes {
		s.seal()
	}
	if w.seg == nil {
		if err := s.create(); err != nil {
			return err
		}
	}
	for _, f := range g.frames {
		f.head.put(g.buf[f.at:], w.seg.id, w.seg.size+int64(f.at))
	}
	n, err := w.file.Write(g.buf)
	s.grow(n)
	if err != nil {
		return fmt.Errorf("write %d bytes to %s: %w", len(g.buf), s.path(w.seg.id.name()), err)
	}
	return s.sync()
}

// grow adds to the length of the open segment. Append has already counted the bytes of the spool.
func (s *Spool) grow(n int) {
	s.mu.Lock()
	s.writer.seg.size += int64(n)
	s.mu.Unlock()
}

func (s *Spool) sync() error {
	if !s.cfg.Sync {
		return nil
	}
	began := s.now()
	err := s.writer.file.Sync()
	s.metrics.fsync.Observe(s.now().Sub(began).Seconds())
	if err != nil {
		s.metrics.fsyncFailures.Inc()
		return fmt.Errorf("fsync %s: %w", s.path(s.writer.seg.id.name()), err)
	}
	return nil
}

// create opens a new segment. Its name is durable before anything in it is acknowledged.
func (s *Spool) create() error {
	s.mu.Lock()
	id, err := s.nextID()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	f, err := s.fs.Create(s.path(id.name()))
	if err != nil {
		return fmt.Errorf("create a segment of the spool: %w", err)
	}
	s.writer = writer{f, &segment{id: id, open: true, own: true}}
	s.mu.Lock()
	s.segments = append(s.segments, s.writer.seg)
	s.mu.Unlock()
	if s.cfg.Sync {
		if err := s.fs.SyncDir(s.cfg.Dir); err != nil {
			return fmt.Errorf("fsync the folder %s: %w", s.cfg.Dir, err)
		}
	}
	return nil
}

// seal closes the open segment properly.
func (s *Spool) seal() {
	w := &s.writer
	if w.seg == nil {
		return
	}
	var b [headBytes]byte
	h := head{kind: kindSeal, at: s.now().UnixMilli(), sum: payloadSum(nil)}
	h.put(b[:], w.seg.id, w.seg.size)
	n, err := w.file.Write(b[:])
	s.mu.Lock()
	s.used += int64(n)
	s.mu.Unlock()
	s.grow(n)
	if err == nil {
		err = s.sync()
	}
	if err != nil {
		s.log.Warn("a segment of the spool could not be sealed; acknowledged records are not affected", "error", err)
	}
	s.release()
}

// abandon stops writing to the open segment, because the outcome of the last write is unknown. Records that were
// acknowledged before stay readable.
func (s *Spool) abandon(because error) {
	w := &s.writer
	if w.seg == nil {
		return
	}
	s.metrics.abandoned.Inc()
	s.log.Warn("a segment of the spool is given up, going on in another one", "segment", w.seg.id.name(), "error", because)
	s.mu.Lock()
	// Append has counted the bytes of the group once. The bytes that the failed write left come on top.
	s.used += w.seg.size - w.seg.readable
	s.mu.Unlock()
	s.release()
}

// release closes the file of the open segment. A segment without records is finished.
func (s *Spool) release() {
	w := &s.writer
	if err := w.file.Close(); err != nil {
		s.log.Warn("a segment of the spool could not be closed", "segment", w.seg.id.name(), "error", err)
	}
	s.mu.Lock()
	w.seg.open = false
	if w.seg.undone == 0 {
		s.finish(w.seg)
	}
	s.mu.Unlock()
	*w = writer{}
	signal(s.news)
}

// retireOpen ends the open segment when everything in it has been taken, so that an idle spool is empty.
func (s *Spool) retireOpen() {
	s.mu.Lock()
	s.retire = false
	w := &s.writer
	idle := w.seg != nil && w.seg.undone == 0
	s.mu.Unlock()
	if idle {
		s.release()
	}
}
