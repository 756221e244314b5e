package spool

import (
	"context"
	"slices"
	"time"
)

// openWait is the time between two attempts to open a segment of an earlier process.
const openWait = 100 * time.Millisecond

// count reads the segments of earlier processes. It counts the records of each shard and finds damage. A segment that
// cannot be opened may have records of every shard. Until it was opened, or openTries attempts failed, records of all
// shards go to the spool.
func (s *Spool) count(ctx context.Context) {
	s.mu.Lock()
	old := slices.DeleteFunc(slices.Clone(s.segments), func(seg *segment) bool { return seg.own })
	s.mu.Unlock()
	left := slices.Clone(old)
	for tries := 1; ; tries++ {
		left = slices.DeleteFunc(left, func(seg *segment) bool { return ctx.Err() == nil && s.opened(seg) })
		if ctx.Err() != nil {
			return
		}
		if len(left) == 0 || tries == openTries {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(openWait):
		}
	}
	s.mu.Lock()
	for _, seg := range old {
		if seg.undone == 0 && !seg.uncounted {
			s.finish(seg)
		}
	}
	if n := s.total.Load(); n > 0 && len(old) > 0 {
		s.log.Info("the spool holds records of an earlier run", "records", n, "segments", len(old), "oldest", s.oldest())
	}
	s.counted.Store(true)
	s.shut.Add(-1)
	s.mu.Unlock()
	signal(s.news)
}

// opened counts the records of a segment of an earlier process. It returns false when the segment cannot be opened.
func (s *Spool) opened(seg *segment) bool {
	f, err := s.fs.Open(s.path(seg.id.name()))
	if err != nil {
		s.mu.Lock()
		seg.uncounted = true
		s.mu.Unlock()
		s.unreadable(seg, err)
		return false
	}
	s.countIn(seg, f)
	_ = f.Close() // it was only read
	return true
}

// countIn counts the records of a segment of an earlier process.
func (s *Spool) countIn(seg *segment, f File) {
	scan := scanner{from: f, id: seg.id, end: seg.readable}
	for {
		it := scan.next()
		switch it.kind {
		case itemEnd:
			s.mu.Lock()
			seg.uncounted = false
			s.mu.Unlock()
			return
		case itemSeal:
		case itemDamaged:
			s.tellDamage(seg, &it)
		case itemRecord:
			s.mu.Lock()
			if positionOf(seg.id.sequence, it.at) >= s.cursors[it.head.shard] {
				s.arrive(seg, &it.head)
			}
			s.mu.Unlock()
		}
	}
}

// The kinds of damage. A tail may be a write that was interrupted by a kill or a power cut and never acknowledged. It
// looks like damage, so it is kept as well.
const (
	damageTail  = "tail"
	damageInner = "inner"
)

// tellDamage logs and counts a damaged range of a segment.
func (s *Spool) tellDamage(seg *segment, it *item) {
	s.mu.Lock()
	known := seg.damaged && !seg.own
	seg.damaged = true
	tail := !seg.own && it.next == seg.readable
	s.mu.Unlock()
	if known && s.counted.Load() {
		return // logged when it was counted
	}
	kind := damageInner
	if tail {
		kind = damageTail
	}
	s.metrics.damagedBytes.WithLabelValues(kind).Add(float64(it.next - it.at))
	args := []any{"segment", seg.id.name(), "offset", it.at, "bytes", it.next - it.at}
	if it.from != 0 {
		args = append(args, "received_from", time.UnixMilli(it.from).UTC())
	}
	if it.to != 0 {
		args = append(args, "received_to", time.UnixMilli(it.to).UTC())
	}
	if it.err != nil {
		args = append(args, "error", it.err)
	}
	if tail {
		s.log.Warn("the end of a segment of the spool cannot be decoded: a write that was cut before it was acknowledged, or damage; it is kept in quarantine", args...)
		return
	}
	s.log.Error("a part of the spool is damaged: records in it may have been acknowledged; it is kept in quarantine", args...)
}
