package archive

import (
	"errors"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/internal/kafka"
)

// Ready returns the reason why the sink does not archive. Records that wait for their time do not.
func (s *Sink) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bucket != nil {
		return s.bucket
	}
	var away error
	for _, c := range s.chains {
		switch {
		case errors.Is(c.err, ErrBlocked):
			return c.err
		case c.err != nil && away == nil:
			away = fmt.Errorf("%s/%d: %w", c.topic, c.partition, c.err)
		}
	}
	switch {
	case away != nil:
		return away
	case s.outside != nil:
		return s.outside
	}
	return s.broken
}

// Waiting is how many offsets are not archived, and since when the first of them waits; zero: none does.
func (s *Sink) Waiting() (offsets int64, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.chains {
		if c.snapshot() {
			continue
		}
		offsets += c.pace.waiting()
		if at := c.pace.since(); !at.IsZero() && (since.IsZero() || at.Before(since)) {
			since = at
		}
	}
	return offsets, since
}

// CaughtUp reports whether all that the logs held when they were last asked is archived, and the snapshots of the period are complete.
func (s *Sink) CaughtUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.chains) == 0 || s.broken != nil {
		return false
	}
	for _, c := range s.chains {
		if !c.known || c.end < 0 || c.busy || c.snapshot() && !c.done || !c.snapshot() && c.pace.waiting() > 0 {
			return false
		}
	}
	return true
}

// damaged is how many chains wait for a damaged batch.
func (s *Sink) damaged() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.chains {
		if errors.Is(c.err, kafka.ErrDamaged) {
			n++
		}
	}
	return n
}

// blocked counts the chains that are not continued.
func (s *Sink) blocked() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.chains {
		if errors.Is(c.err, ErrBlocked) {
			n++
		}
	}
	return n
}
