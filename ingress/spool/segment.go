package spool

import "time"

// segment is a file of the spool. All fields but the id belong to Spool.mu.
type segment struct {
	id segmentID
	// size is what the file takes; readable is up to where it may be read. Of a segment that this process
	// writes that is what was acknowledged, of another one everything.
	size, readable int64
	open           bool // being written: more may come
	own            bool // of this process
	undone         int  // records that Done was not called for, as far as they were counted
	from           int64
	oldest         time.Time // of the first undone record, or somewhat earlier
	uncounted      bool      // it could not be opened yet
	damaged        bool
	told           bool // that it cannot be removed
	tries          int  // to open it, in vain
	// skipped: the pass that is on left records of it behind.
	skipped bool
}

// arrive counts a record that nobody has taken yet. It is called with mu.
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

// add changes how many records of a shard nobody has taken yet.
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

// Idle tells that Detour is false for every shard. It costs one load.
func (s *Spool) Idle() bool { return s.shut.Load() == 0 }

// Detour tells whether what comes for a shard has to go to the spool, since earlier ones of it are there
// still, or the last of them was slow to be taken. Until the folder has been read, nobody knows.
func (s *Spool) Detour(shard int) bool {
	return s.gates[shard].Load() || !s.counted.Load()
}

// HasBefore tells whether there is, or may be, something of a shard that arrived until then.
func (s *Spool) HasBefore(shard int, then time.Time) bool {
	if !s.counted.Load() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[shard] > 0 && s.since[shard] <= then.UnixMilli()
}
