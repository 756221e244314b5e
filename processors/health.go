package processors

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// stuckAfter is how long records may wait in a partition without a commit that gets on with it.
	stuckAfter = time.Minute
	// failuresMax is how many sessions may fail one after the other, none of which lasted or committed anything.
	failuresMax = 3
)

// health knows since when partitions do not get on, over the ends of sessions. The session tells it what it does; probes
// ask at any time, also while the session is stuck.
type health struct {
	now func() time.Time

	mu         sync.Mutex
	partitions map[int32]*waiting
	failures   int
	last       error
}

// waiting is a partition in which records wait.
type waiting struct {
	since time.Time // without a commit that got on; zero: nothing waits
	at    int64     // sum of the positions that are committed
	doing string    // what the session began last
}

func newHealth(now func() time.Time) *health {
	return &health{now: now, partitions: map[int32]*waiting{}}
}

func (h *health) of(partition int32) *waiting {
	w := h.partitions[partition]
	if w == nil {
		w = &waiting{}
		h.partitions[partition] = w
	}
	return w
}

// waits says that records of a partition wait, or are being worked on; doing names what is, if anything is.
func (h *health) waits(partition int32, doing string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.of(partition)
	if w.since.IsZero() {
		w.since = h.now()
	}
	if doing != "" {
		w.doing = doing
	}
}

// idle says that nothing waits in a partition.
func (h *health) idle(partition int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(partition).since = time.Time{}
}

// committed says how far a partition is, and whether events left.
func (h *health) committed(partition int32, at int64, events bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.of(partition)
	if events || at > w.at {
		w.since, w.doing = time.Time{}, ""
	}
	w.at, h.failures = at, 0
}

// forget is for a partition that went.
func (h *health) forget(partition int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.partitions, partition)
}

// serves says which partitions there are; what was known of others is forgotten.
func (h *health) serves(has func(int32) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range h.partitions {
		if !has(p) {
			delete(h.partitions, p)
		}
	}
}

// failed says that a session ended with an error; lasted, that it did so after a while.
func (h *health) failed(err error, lasted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if lasted {
		h.failures = 0
	}
	h.failures++
	h.last = err
}

// stalled is for how long the records wait that wait the longest; 0 where none does.
func (h *health) stalled() (longest time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	for _, w := range h.partitions {
		if !w.since.IsZero() {
			longest = max(longest, now.Sub(w.since))
		}
	}
	return longest
}

// wrong says what is wrong, or nothing.
func (h *health) wrong() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	var worst *waiting
	stuck, partition := 0, int32(0)
	for p, w := range h.partitions {
		if w.since.IsZero() || now.Sub(w.since) <= stuckAfter {
			continue
		}
		if stuck++; worst == nil || w.since.Before(worst.since) || w.since.Equal(worst.since) && p < partition {
			worst, partition = w, p
		}
	}
	var why strings.Builder
	if worst != nil {
		fmt.Fprintf(&why, "records of partition %d wait for %s, and no commit makes progress on them", partition, now.Sub(worst.since).Round(time.Second))
		if stuck > 1 {
			fmt.Fprintf(&why, " (and of %d more)", stuck-1)
		}
		if worst.doing != "" {
			fmt.Fprintf(&why, "; at work on %s", worst.doing)
		}
	}
	if h.failures >= failuresMax {
		if why.Len() > 0 {
			why.WriteString("; ")
		}
		fmt.Fprintf(&why, "the last %d sessions failed, now with: %v", h.failures, h.last)
	}
	if why.Len() == 0 {
		return nil
	}
	return fmt.Errorf("%s", why.String())
}
