package app

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// A collection starts when the garbage reaches half of the live heap, but at least roomLeast (ADR 0026). History comes in
// bursts of long bodies, and Go's default would let the heap grow to twice the size of a burst. The bodies have no
// pointers, so a collection is cheap. With a small live heap, half of it would be reached very often, and requests would
// meet a running collection.
const (
	collectEarlyPercent = 50
	roomLeast           = 96 << 20
)

// collectEarly sets the start of collections. GOGC of the environment takes precedence.
func (a *app) collectEarly() {
	if a.environmentSets("GOGC") {
		return
	}
	c := &collector{live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	c.set(collectEarlyPercent)
	c.watch()
}

// collectOften keeps the heap small, for a process without requests that could meet a collection. GOGC of the environment takes precedence.
func (a *app) collectOften() {
	if !a.environmentSets("GOGC") {
		debug.SetGCPercent(collectEarlyPercent)
	}
}

// collector sets the start of the next collection after each one. Only one goroutine of the runtime uses it at a time.
type collector struct {
	live    []metrics.Sample
	percent int
}

// sentinel is an object without a reference to it, so the next collection frees it. It has a pointer, because objects
// without one share memory with others and are freed with them.
type sentinel struct{ _ *collector }

// watch lets the runtime call collected after the next collection.
func (c *collector) watch() {
	runtime.AddCleanup(&sentinel{c}, (*collector).collected, c)
}

func (c *collector) collected() {
	metrics.Read(c.live)
	// Setting it stops the world briefly, so it follows the live heap in steps.
	if p := percentFor(c.live[0].Value.Uint64()); p < c.percent*9/10 || p > c.percent*11/10 {
		c.set(p)
	}
	c.watch()
}

func (c *collector) set(percent int) {
	c.percent = percent
	debug.SetGCPercent(percent)
}

// percentMax keeps the runtime's smallest heap, 4 MiB at 100 percent, within roomLeast.
const percentMax = 1000

// percentFor returns the allowed garbage in percent of the live heap.
func percentFor(live uint64) int {
	return int(max(collectEarlyPercent, min(percentMax, roomLeast*100/max(live, 1))))
}
