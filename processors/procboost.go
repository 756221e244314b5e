package processors

import (
	"runtime"
	"sync"
)

// extraProcs is how many goroutines more may run at once while live messages are expected. Go's scheduler asks the network
// for news when one of its processors has nothing to do, and otherwise every 10 ms. Where bulk keeps all of them busy, what is
// live would lie unread in a socket for as long. With more of them than there are cores one has nothing to do, and it is
// the kernel that shares the cores, which lets go first who has slept.
const extraProcs = 2

// procBoosts is the room that this process's sessions have asked for. GOMAXPROCS is the process's, and so are they.
var procBoosts struct {
	sync.Mutex
	asking int
	cores  int // GOMAXPROCS without the room, while there is any
}

// procBoost is one session's part of elbows. The zero value asks for nothing.
type procBoost struct{ active bool }

// set asks for room, or for none any more. It costs nothing while the answer stays the same: to change GOMAXPROCS stops
// the world for a moment.
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

// cores is how many goroutines there are cores for.
func cores() int {
	procBoosts.Lock()
	defer procBoosts.Unlock()
	if procBoosts.asking > 0 {
		return procBoosts.cores
	}
	return runtime.GOMAXPROCS(0)
}
