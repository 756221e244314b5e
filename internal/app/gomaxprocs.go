package app

import (
	"runtime"
	"sync"

	"github.com/coexstream/coexstream/internal/config"
)

// procBoost raises GOMAXPROCS while a processor works on live messages and history side by side (ADR 0019). Go's
// scheduler polls the network when one of its processors is idle, and otherwise every 10 ms. If history keeps all of
// them busy, live responses stay unread that long. With more processors than cores, one is usually idle. The zero value
// never raises it.
type procBoost struct {
	extra int // 0: never

	mu     sync.Mutex
	active bool
	cores  int // GOMAXPROCS without the boost, while active
}

// extraProcs returns the configured boost. GOMAXPROCS of the environment stays.
func (a *app) extraProcs(cfg *config.Config) int {
	if a.environmentSets("GOMAXPROCS") {
		return 0
	}
	return cfg.Processor.ExtraProcs
}

// set begins or ends the boost. A change stops the world briefly.
func (b *procBoost) set(active bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.extra == 0 || b.active == active {
		return
	}
	b.active = active
	if active {
		b.cores = runtime.GOMAXPROCS(0)
		runtime.GOMAXPROCS(b.cores + b.extra)
		return
	}
	// The runtime follows changed limits of a container again, which it does not after a call of GOMAXPROCS.
	runtime.SetDefaultGOMAXPROCS()
}

// coreCount returns how many goroutines can run in parallel: GOMAXPROCS without the boost.
func (b *procBoost) coreCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.active {
		return b.cores
	}
	return runtime.GOMAXPROCS(0)
}
