package publish

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// health derives readiness from the outcomes of produce attempts, and logs failures at a limited rate.
type health struct {
	log *slog.Logger
	now func() time.Time
	// grace is the time that attempts may fail before readiness does. A leader election is no outage.
	grace time.Duration
	// forget is the time after the last failure until readiness returns. Without readiness no requests come, and
	// without requests no attempt succeeds.
	forget time.Duration

	mu      sync.Mutex
	failing bool
	since   time.Time // the first failure after the last success
	latest  time.Time // the last failure
	logged  time.Time // the last warning
	warned  bool      // since the last success, so that its end must be logged
	err     error     // the last failure
}

func (h *health) succeeded() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.failing {
		return
	}
	// While only some partitions fail, successes and failures alternate. Two lines each time would flood the log, so a
	// short failure without a warning has no end either.
	if failed := h.now().Sub(h.since); h.warned || failed >= healthLogLeast {
		h.log.Info("Kafka acknowledges again", "failed_for", failed)
	}
	h.failing, h.warned = false, false
}

func (h *health) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.latest, h.err = h.now(), err
	if !h.failing {
		h.failing, h.since = true, h.latest
	}
	if h.logged.IsZero() || h.latest.Sub(h.logged) >= healthLogEvery {
		h.logged, h.warned = h.latest, true
		h.log.Warn("Kafka does not acknowledge, trying again", "error", err)
	}
}

const (
	healthLogLeast = time.Second      // the end of a shorter failure without a warning is not logged
	healthLogEvery = 10 * time.Second // between two warnings
)

func (h *health) ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if h.failing && now.Sub(h.since) >= h.grace && now.Sub(h.latest) < h.forget {
		return fmt.Errorf("nothing acknowledged by Kafka for %s: %w", now.Sub(h.since).Round(time.Second), h.err)
	}
	return nil
}
