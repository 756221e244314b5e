package webhook

import (
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// mark is where the topics of a lane of a partition ended at a time. The lane is behind since then until all of that is acknowledged.
type mark struct {
	at      time.Time
	ends    map[schemas.Topic]int64 // nil: not known yet
	records int64                   // that the lane is behind the newest ends
	behind  bool
}

// see takes the newest ends of all logs.
func (c *courier) see(ends map[schemas.Topic]map[int32]int64) {
	now := c.s.deps.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[queue.Place]int64{}
	records := map[queue.Place]int64{}
	c.q.Positions(func(p queue.Place, first, read int64, held int) {
		next[p] = first
		records[p] = max(0, ends[p.Topic][p.Partition]-read) + int64(held)
	})
	for partition, r := range c.readers {
		for _, lane := range sinks.Lanes() {
			m := r.marks[lane]
			reached := m.ends != nil
			for topic, end := range m.ends {
				reached = reached && next[queue.Place{Topic: topic, Partition: partition}] >= end
			}
			if reached || m.ends == nil {
				if reached {
					m.at = now
				}
				m.ends = map[schemas.Topic]int64{}
			}
			m.records, m.behind = 0, false
			for _, topic := range sinks.TableTopics() {
				at := queue.Place{Topic: topic, Partition: partition}
				if sinks.Backlog(topic) != (lane == sinks.Lanes()[1]) || !c.e.topics[topic] {
					continue
				}
				if _, marked := m.ends[topic]; !marked {
					m.ends[topic] = ends[topic][partition]
				}
				m.records += records[at]
				m.behind = m.behind || next[at] < m.ends[topic]
			}
		}
		r.bell.ring()
	}
	c.dispatches.ring()
}

// lag is how many offsets a lane is behind, and for how long.
func (c *courier) lag(lane string) (records int64, behind time.Duration) {
	now := c.s.deps.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.readers {
		m := r.marks[lane]
		records += m.records
		if m.behind {
			behind = max(behind, now.Sub(m.at))
		}
	}
	return records, behind
}
