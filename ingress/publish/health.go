package publish

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// health says whether producing works, from how it went lately, and logs it, though not every time.
type health struct {
	log *slog.Logger
	now func() time.Time
	// grace is how long producing may fail before readiness does: a leader election is no outage.
	grace time.Duration
	// forget is how long after the last failure readiness returns by itself. Without requests nothing
	// would ever succeed, and without readiness there would be no requests.
	forget time.Duration

	mu      sync.Mutex
	failing bool
	since   time.Time // of the first failure after the last success
	latest  time.Time // of the last failure
	told    time.Time // of the last line about a failure
	err     error     // the last failure
}

func (h *health) succeeded() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.failing {
		return
	}
	h.failing = false
	// While only some partitions fail, successes and failures take turns: not worth two lines each time.
	if failed := h.now().Sub(h.since); failed >= healthWorth {
		h.log.Info("Kafka acknowledges again", "failed_for", failed)
	}
}

func (h *health) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.latest, h.err = h.now(), err
	if !h.failing {
		h.failing, h.since = true, h.latest
	}
	if h.told.IsZero() || h.latest.Sub(h.told) >= healthTell {
		h.told = h.latest
		h.log.Warn("Kafka does not acknowledge, trying again", "error", err)
	}
}

const (
	healthWorth = time.Second      // shorter failures end without a line
	healthTell  = 10 * time.Second // between two lines about failures
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
