package processors

import (
	"runtime"
	"sync"
)

// extraProcs is added to GOMAXPROCS while live messages are expected beside bulk. Go's scheduler polls the network when
// one of its processors is idle, and otherwise every 10 ms. If bulk keeps all processors busy, live responses stay
// unread that long. With more processors than cores, one is usually idle. The kernel then favours threads that have
// been sleeping.
const extraProcs = 2

// procBoosts counts the active boosts of all sessions in this process, because GOMAXPROCS belongs to the process.
var procBoosts struct {
	sync.Mutex
	asking int // active boosts
	cores  int // GOMAXPROCS without the boost, while asking > 0
}

// procBoost is one session's boost of GOMAXPROCS. The zero value is inactive. It belongs to the session's goroutine.
type procBoost struct{ active bool }

// set activates or deactivates the boost. An unchanged value costs nothing; a change of GOMAXPROCS stops the world
// briefly.
func (e *procBoost) set(room bool) {
	if e.active == room {
		return
	}
	e.active = room
	procBoosts.Lock()
	defer procBoosts.Unlock()
	switch {
	case room && procBoosts.asking == 0:
		procBoosts.cores = runtime.GOMAXPROCS(0)
		runtime.GOMAXPROCS(procBoosts.cores + extraProcs)
	case !room && procBoosts.asking == 1:
		runtime.GOMAXPROCS(procBoosts.cores)
	}
	if room {
		procBoosts.asking++
	} else {
		procBoosts.asking--
	}
}

// cores returns GOMAXPROCS without the boost: the number of goroutines that can run in parallel.
func cores() int {
	procBoosts.Lock()
	defer procBoosts.Unlock()
	if procBoosts.asking > 0 {
		return procBoosts.cores
	}
	return runtime.GOMAXPROCS(0)
}
