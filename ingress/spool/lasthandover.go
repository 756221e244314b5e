package spool

import "time"

// A business that never pauses would never leave the spool: while one record is handed over, the next one arrives.
// Therefore, when a window has all records of a shard, new records of the shard wait until the window was handed over.
// Then they go to Kafka directly.

// BeginHandOver is called before the window is handed over.
func (s *Spool) BeginHandOver(w *Window) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := map[int]int32{}
	for i := range w.Entries {
		in[w.Entries[i].Shard]++
	}
	for shard, n := range in {
		if n == s.counts[shard] && !s.slow[shard] {
			s.closing[shard].Store(true)
		}
	}
}

// handedOver ends the wait for a shard. It is called with mu.
func (s *Spool) handedOver(shard uint16) {
	if s.closing[shard].Load() {
		s.closing[shard].Store(false)
		close(s.turned)
		s.turned = make(chan struct{})
	}
}

// AwaitHandOver waits while the last records of a shard are being handed over, at most until a time. MustSpool then
// reports the outcome.
func (s *Spool) AwaitHandOver(shard int, until time.Time) {
	if !s.closing[shard].Load() {
		return
	}
	timer := time.NewTimer(until.Sub(s.now()))
	defer timer.Stop()
	for {
		s.mu.Lock()
		waiting, turned := s.closing[shard].Load(), s.turned
		s.mu.Unlock()
		if !waiting {
			return
		}
		select {
		case <-turned:
		case <-timer.C:
			return
		}
	}
}
