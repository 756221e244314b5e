package app

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Garbage is collected when the heap is half as large again as what is in use: history comes in bursts of long bodies,
// and the collector would otherwise let the heap grow to twice of what a burst needs. They hold no pointers, so that
// collecting costs little. But where little is in use half of it is soon made, and requests and live messages would
// often come while the collector is at work: so much garbage may always be made (ADR 0026).
const (
	collectEarlyPercent = 50
	roomLeast           = 96 << 20
)

// collectEarly sets when garbage is collected. What the user chose for the runtime stays.
func (a *app) collectEarly() {
	if a.environmentSets("GOGC") {
		return
	}
	c := &collector{live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	c.set(collectEarlyPercent)
	c.watch()
}

// collector sets after each collection when the next one begins. One goroutine at a time uses it, the runtime's.
type collector struct {
	live    []metrics.Sample
	percent int
}

// sentinel is an object that nobody uses. It holds a pointer: one without shares its memory with others, and lives as
// long as they do.
type sentinel struct{ _ *collector }

// watch hears of the end of the next collection.
func (c *collector) watch() {
	runtime.AddCleanup(&sentinel{c}, (*collector).collected, c)
}

func (c *collector) collected() {
	metrics.Read(c.live)
	// To set it stops the world for a moment, so it follows what is in use in steps.
	if p := percentFor(c.live[0].Value.Uint64()); p < c.percent*9/10 || p > c.percent*11/10 {
		c.set(p)
	}
	c.watch()
}

func (c *collector) set(percent int) {
	c.percent = percent
	debug.SetGCPercent(percent)
}

// percentMax keeps the smallest heap that the runtime collects, 4 MiB at 100 percent, within what roomLeast allows.
const percentMax = 1000

// percentFor is how much garbage may be made, in percent of what is in use.
func percentFor(live uint64) int {
	return int(max(collectEarlyPercent, min(percentMax, roomLeast*100/max(live, 1))))
}
