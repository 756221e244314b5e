package cost

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// attempts: the least of several counts, because another goroutine can only add to one.
const attempts = 3

// allocations counts what one repetition allocates. As testing.AllocsPerRun does, it counts the whole process with one
// processor; and without garbage collection, which empties pools.
func allocations(t *testing.T, o *Operation) float64 {
	t.Helper()
	do := o.Start(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	n := o.times()
	do(2 * n)
	least := -1.0
	for range attempts {
		once, twice := mallocs(do, n), mallocs(do, 2*n)
		if per := max(0, (float64(twice)-float64(once))/float64(n)); least < 0 || per < least {
			least = per
		}
	}
	return least
}

func mallocs(do func(int), times int) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do(times)
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}
