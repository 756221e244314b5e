package spool

import "time"

// segment is a file of the spool. All fields but the id belong to Spool.mu.
type segment struct {
	id segmentID
	// size is the length of the file. readable is the length that may be read: the acknowledged part of a segment of this
	// process, and all of any other segment.
	size, readable int64
	open           bool // being written
	own            bool // of this process
	undone         int  // counted records without Done
	from           int64
	oldest         time.Time // of the first undone record, or somewhat earlier
	uncounted      bool      // it could not be opened yet
	damaged        bool
	logged         bool // a failed removal was logged
	tries          int  // failed attempts to open it
	// skipped: the current pass left records of it to the next one.
	skipped bool
}

// arrive counts a new record. It is called with mu.
func (s *Spool) arrive(seg *segment, h *head) {
	if seg.undone == 0 {
		seg.oldest = h.time()
	}
	seg.undone++
	if s.counts[h.shard] == 0 {
		s.since[h.shard] = h.at
	}
	s.add(h.shard, 1)
}

// add changes the number of waiting records of a shard.
func (s *Spool) add(shard uint16, n int32) {
	s.counts[shard] += n
	s.total.Add(int64(n))
	s.turn(shard)
}

// turn opens or shuts the gate of a shard.
func (s *Spool) turn(shard uint16) {
	shut := s.counts[shard] > 0 || s.slow[shard]
	if s.gates[shard].Load() == shut {
		return
	}
	s.gates[shard].Store(shut)
	if shut {
		s.shut.Add(1)
	} else {
		s.shut.Add(-1)
	}
}

// Idle reports whether MustSpool is false for every shard. It costs one atomic load.
func (s *Spool) Idle() bool { return s.shut.Load() == 0 }

// Drained reports whether the folder has been read and no record waits in it. Unlike Idle, it does not depend on how slow
// the last hand-overs were.
func (s *Spool) Drained() bool { return s.counted.Load() && s.total.Load() == 0 }

// MustSpool reports whether new records of a shard have to go to the spool: earlier ones of it wait there, or the last
// hand-over of the shard was slow. It is true for all shards until the folder has been read.
func (s *Spool) MustSpool(shard int) bool {
	return s.gates[shard].Load() || !s.counted.Load()
}

// HasBefore reports whether the spool has, or may have, a record of a shard that arrived until then.
func (s *Spool) HasBefore(shard int, then time.Time) bool {
	if !s.counted.Load() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[shard] > 0 && s.since[shard] <= then.UnixMilli()
}
