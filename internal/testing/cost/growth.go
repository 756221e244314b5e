package cost

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// Work for growthFactor times as many items may take growthMax times the processor time. Linear work takes
// growthFactor times as much, quadratic work its square. The bound lies between the two.
const (
	growthFactor = 8
	growthMax    = 28
	growthTries  = 3
)

// ofThread asks getrusage for the calling thread alone (RUSAGE_THREAD of Linux).
const ofThread = 1

// timeMin is measured at least, because some kernels count a thread's time in ticks of 4 ms.
const timeMin = 40 * time.Millisecond

// Linear fails the test when the work for n items grows faster than n. It compares the processor time of n items with
// that of n/8. start prepares the work for n items; it is not measured. The work runs on one goroutine. Linear looks at
// the goroutine's own thread only, so that a loaded machine and other tests change little. It tries again before it
// fails.
func Linear(t *testing.T, n int, start func(n int) func()) {
	t.Helper()
	var few, many time.Duration
	for range growthTries {
		few, many = threadTime(t, n/growthFactor, start), threadTime(t, n, start)
		if many <= growthMax*few {
			return
		}
	}
	t.Errorf("%d items took %v of the processor, and %d took %v: %.1f times as much, at most %d is allowed", n/growthFactor, few, n, many, float64(many)/float64(few), growthMax)
}

// threadTime is the processor time of its thread that the work for n items takes. Short work is repeated.
func threadTime(t *testing.T, n int, start func(n int) func()) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(ofThread, &u); err != nil {
			t.Skipf("SKIP: getrusage of a thread: %v", err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	var sum time.Duration
	for times := time.Duration(1); ; times++ {
		work := start(n)
		before := used()
		work()
		if sum += used() - before; sum >= timeMin {
			return sum / times
		}
	}
}
