package webhook_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coexstream/coexstream/schemas"
)

// It is not parallel: it measures memory.
func TestMemoryOfAnEndpointThatIsAwayDoesNotGrowWithItsBacklog(t *testing.T) {
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	const partitions = 6
	held := func(events int) (bytes int) {
		synctest.Test(t, func(t *testing.T) {
			log, to := newTopics(partitions), newReceiver()
			for p := range int32(partitions) {
				for b := range 20 {
					log.add(schemas.TopicMessages, message(100*int(p)+b, 0, p))
				}
				// The others are the same bytes: what they take is the sink's.
				r := message(int(p), 1, p)
				for range events {
					again := *r
					log.add(schemas.TopicMessages, &again)
				}
			}
			to.answers(func(string, int) (int, time.Duration) { return 0, time.Millisecond })
			before := heap()
			r := newRun(t, log, to, endpoints(t, "start: beginning"))
			time.Sleep(time.Hour)
			bytes = heap() - before
			if n := r.metric("coexstream_webhook_held_events"); n < partitions*512 || n > partitions*512*5/4 {
				t.Errorf("%v events are held", n)
			}
			r.stop()
		})
		return bytes
	}
	few, many := held(2_000), held(20_000)
	t.Logf("%d KiB with 2,000 events a partition, %d KiB with 20,000", few>>10, many>>10)
	if many > few*5/4+1<<20 {
		t.Errorf("%d bytes with 2,000 events a partition, and %d with 20,000", few, many)
	}
}
