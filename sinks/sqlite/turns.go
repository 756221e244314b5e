package sqlite

import "sync"

// turns admits one step at a time: steps with live events before those with backlog.
type turns struct {
	mu   sync.Mutex
	free *sync.Cond
	busy bool
	live int // that wait
}

func newTurns() *turns {
	t := &turns{}
	t.free = sync.NewCond(&t.mu)
	return t
}

func (t *turns) take(live bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if live {
		t.live++
		defer func() { t.live-- }()
	}
	for t.busy || !live && t.live > 0 {
		t.free.Wait()
	}
	t.busy = true
}

func (t *turns) give() {
	t.mu.Lock()
	t.busy = false
	t.mu.Unlock()
	t.free.Broadcast()
}
