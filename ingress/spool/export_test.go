package spool

import "fmt"

// Place returns the position of an entry, for messages of tests.
func (e *Entry) Place() string { return fmt.Sprintf("%s@%d", e.seg.id.name()[:8], e.offset) }

// State returns the state of the reader, for messages of tests.
func (s *Spool) State() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := ""
	for _, seg := range s.segments {
		out += fmt.Sprintf(" %x:%d/%d+%d u%d", seg.id.sequence, seg.from, seg.readable, seg.size, seg.undone)
		if seg.uncounted {
			out += "?"
		}
		if seg.skipped {
			out += "-"
		}
		if seg.open {
			out += "*"
		}
	}
	return out + fmt.Sprintf(" left %v cursors %x", s.pass.left, s.cursors[:8])
}
