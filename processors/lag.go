package processors

import (
	"strconv"
	"time"

	"github.com/coexstream/coexstream/processors/task"
	"github.com/coexstream/coexstream/schemas"
)

// progress is how far one input of one partition has been worked on, as far as its lag in seconds needs it.
type progress struct {
	receivedAt time.Time // of the newest webhook processed
	caughtUpAt time.Time // when nothing was left, the last time that somebody looked
}

// lag is how old the oldest record that waits can be, told at now while records wait: it came after the
// newest one that was processed, and after nothing was left. Zero where neither is known yet: right after a
// start, until the first record.
func (p *progress) lag(now time.Time) time.Duration {
	since := p.receivedAt
	if p.caughtUpAt.After(since) {
		since = p.caughtUpAt
	}
	if since.IsZero() {
		return 0
	}
	return max(now.Sub(since), 0)
}

// behind takes how many records of an input wait, and tells the metrics.
func (r *runner) behind(topic schemas.Topic, records int64, now time.Time) {
	var seconds float64
	if records > 0 {
		seconds = r.progress[topic].lag(now).Seconds()
	} else {
		r.progress[topic].caughtUpAt = now
	}
	partition := strconv.Itoa(int(r.partition))
	r.metrics.lagRecords.WithLabelValues(topic.String(), partition).Set(float64(max(records, 0)))
	r.metrics.lagSeconds.WithLabelValues(topic.String(), partition).Set(seconds)
}

// forget removes what is told of a partition: its new owner tells it from now on.
func (m *metrics) forget(partition int32) {
	label := strconv.Itoa(int(partition))
	for _, topic := range schemas.Inputs() {
		m.lagRecords.DeleteLabelValues(topic.String(), label)
		m.lagSeconds.DeleteLabelValues(topic.String(), label)
	}
}

// forgetAll is forget for all partitions, and for what the session knew of them.
func (m *metrics) forgetAll() {
	m.largest.Reset()
	m.lagRecords.Reset()
	m.lagSeconds.Reset()
	for _, g := range []interface{ Set(float64) }{m.tasks, m.held, m.waiting, m.running, m.gaps, m.numbers, m.bulkPaused} {
		g.Set(0)
	}
}

// observe tells what the tasks hold. It looks at every number, so it is called once for each tick, never for
// each transaction.
func (s *session) observe() {
	var held, waiting, running, gaps, numbers int
	var largest task.Size
	for _, r := range s.runners {
		if r == nil {
			continue
		}
		size := r.task.Size()
		held, waiting, running = held+size.Held, waiting+size.Waiting, running+size.Running
		gaps, numbers = gaps+size.Gaps, numbers+size.Numbers
		if size.Largest > largest.Largest {
			largest = size
		}
	}
	m := s.p.metrics
	m.held.Set(float64(held))
	m.waiting.Set(float64(waiting))
	m.running.Set(float64(running))
	m.gaps.Set(float64(gaps))
	m.numbers.Set(float64(numbers))
	m.largest.Reset()
	if largest.Largest > 0 {
		m.largest.WithLabelValues(largest.Business).Set(float64(largest.Largest))
	}
}
