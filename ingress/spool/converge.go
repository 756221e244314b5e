package spool

import "time"

// A business that never pauses would never find its spool empty: while one record is handed over, the next
// one comes. So when all that there is of a shard is in one window, what comes for it waits a moment for the
// window, and then needs no detour.

// Converge tells that the window is about to be handed over.
func (s *Spool) Converge(w *Window) {
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

// converged ends the wait for a shard. It is called with mu.
func (s *Spool) converged(shard uint16) {
	if s.closing[shard].Load() {
		s.closing[shard].Store(false)
		close(s.turned)
		s.turned = make(chan struct{})
	}
}

// Await waits, but not longer than until, while the last records of a shard are being handed over. Detour
// then tells whether they were.
func (s *Spool) Await(shard int, until time.Time) {
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
