package task

import "time"

// Size is what a task holds.
type Size struct {
	Numbers int // known
	Running int // numbers whose sync is open
	Waiting int // numbers that hold chunks
	Held    int // chunks held
	Gaps    int // holes that were given up or lost, and not filled since

	Deferred           int // records that wait for a turn
	DeferredBytes      int64
	DeferredBusinesses int
	Longest            Longest
}

// Longest is the business whose records wait the longest for a turn.
type Longest struct {
	Business string
	Since    time.Time // when the first of them was received
	Records  int       // 0: none waits
}

// Size counts over all numbers.
func (t *Task) Size() Size {
	s := Size{Numbers: len(t.order)}
	t.deferral.size(&s)
	for _, n := range t.order {
		if held := n.history.Held(); held > 0 {
			s.Held += held
			s.Waiting++
		}
		if _, open := n.history.Running(); open {
			s.Running++
		}
		s.Gaps += n.history.Gaps()
	}
	return s
}
