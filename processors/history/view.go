package history

import "time"

// Held is the number of chunks that wait.
func (n *Number) Held() (held int) {
	for _, w := range n.windows {
		held += w.held()
	}
	return held
}

// Running tells when the newest window opened, if it is still open.
func (n *Number) Running() (openedAt time.Time, ok bool) {
	w := n.last()
	if w == nil || w.ended {
		return time.Time{}, false
	}
	return w.openedAt.time(), true
}
