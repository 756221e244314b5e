package processors

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// stuckAfter is how long records of a partition may wait without a commit that makes progress.
	stuckAfter = time.Minute
	// failuresMax is how many sessions in a row may fail before Ready reports it. A session that lasted or committed
	// resets it.
	failuresMax = 3
)

// health records since when partitions make no progress, across sessions. Sessions report to it, and probes read it at
// any time, even while a session is blocked. mu guards the fields below it.
type health struct {
	now func() time.Time

	mu         sync.Mutex
	partitions map[int32]*pendingWork
	failures   int
	last       error
}

// pendingWork is the progress of one partition.
type pendingWork struct {
	since time.Time // when waiting without progress began; zero: no record waits
	at    int64     // sum of the committed positions
	doing string    // the latest work that a session began
}

func newHealth(now func() time.Time) *health {
	return &health{now: now, partitions: map[int32]*pendingWork{}}
}

func (h *health) of(partition int32) *pendingWork {
	w := h.partitions[partition]
	if w == nil {
		w = &pendingWork{}
		h.partitions[partition] = w
	}
	return w
}

// waits reports that records of a partition wait or are processed. doing names the work; empty: none.
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

// idle reports that no record of a partition waits.
func (h *health) idle(partition int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(partition).since = time.Time{}
}

// committed reports the sum of the committed positions, and whether the transaction had events.
func (h *health) committed(partition int32, at int64, events bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.of(partition)
	if events || at > w.at {
		w.since, w.doing = time.Time{}, ""
	}
	w.at, h.failures = at, 0
}

// forget removes a revoked partition.
func (h *health) forget(partition int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.partitions, partition)
}

// serves removes the partitions for which has returns false.
func (h *health) serves(has func(int32) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range h.partitions {
		if !has(p) {
			delete(h.partitions, p)
		}
	}
}

// failed reports that a session ended with an error. lasted says that it had run for a while.
func (h *health) failed(err error, lasted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if lasted {
		h.failures = 0
	}
	h.failures++
	h.last = err
}

// stalled returns the longest time for which records wait without progress; 0: none wait.
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

// wrong returns an error if a partition makes no progress or sessions keep failing; nil otherwise.
func (h *health) wrong() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	var worst *pendingWork
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
		fmt.Fprintf(&why, "records of partition %d have waited for %s without progress", partition, now.Sub(worst.since).Round(time.Second))
		if stuck > 1 {
			fmt.Fprintf(&why, " (and of %d more)", stuck-1)
		}
		if worst.doing != "" {
			fmt.Fprintf(&why, "; processing %s", worst.doing)
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
