package processors

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/processors/bulk"
	"github.com/coexstream/coexstream/schemas"
)

// beforeBulk are the inputs that are processed before raw.bulk, in this order.
var beforeBulk = [...]schemas.Topic{schemas.TopicRawLive, schemas.TopicRerouted}

// pollRecordsMax bounds the records of one poll.
const pollRecordsMax = 2000

// polledRecords are the polled records of one partition number, by input.
type polledRecords struct {
	partition int32
	records   map[schemas.Topic][]*kgo.Record
	crowd     *liveBusinesses // the businesses with live traffic
}

// String returns the topics, the partition and the offsets of the records, for health and logs.
func (w *polledRecords) String() string {
	var b strings.Builder
	for _, t := range beforeBulk {
		if rs := w.records[t]; len(rs) > 0 {
			fmt.Fprintf(&b, "%s/%d@%d to %d ", t, w.partition, rs[0].Offset, rs[len(rs)-1].Offset)
		}
	}
	return strings.TrimSpace(b.String())
}

// groupByPartition groups polled records by partition number. It passes their times and the live lag to the policy, and
// counts records that retention removed.
func (s *session) groupByPartition(fetches kgo.Fetches) map[int32]*polledRecords {
	all := map[int32]*polledRecords{}
	var newest time.Time
	var lag int64
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		topic, ok := s.assignment.inputs[p.Topic]
		if !ok || topic == schemas.TopicRawBulk || len(p.Records) == 0 || s.blocked[p.Partition] != nil {
			return
		}
		w := all[p.Partition]
		if w == nil {
			w = &polledRecords{partition: p.Partition, records: map[schemas.Topic][]*kgo.Record{}}
			all[p.Partition] = w
		}
		if r := s.runners[p.Partition]; r != nil {
			next := r.position[topic]
			if before := w.records[topic]; len(before) > 0 { // from another leader in the same poll
				next = before[len(before)-1].Offset + 1
			}
			s.p.losses.gone(topic, p.Partition, next, min(p.Records[0].Offset, p.LogStartOffset))
		}
		w.records[topic] = append(w.records[topic], p.Records...)
		if r := s.runners[p.Partition]; r != nil {
			r.ends[topic] = max(r.ends[topic], p.HighWatermark)
		}
		var records, bytes int
		for _, r := range p.Records {
			if !r.Attrs.IsControl() {
				records++
				bytes += len(r.Value)
			}
		}
		if topic == schemas.TopicRawLive {
			for _, r := range p.Records {
				if r.Attrs.IsControl() {
					continue
				}
				s.crowd.wrote(r.Key, r.Timestamp)
				if r.Timestamp.After(newest) {
					newest = r.Timestamp
				}
			}
			lag += max(p.HighWatermark-p.Records[len(p.Records)-1].Offset-1, 0)
		}
		s.p.metrics.read(topic, records, bytes)
	})
	now := s.p.deps.Now()
	recent := s.crowd.since(now.Add(-bulk.LiveRecent))
	for _, w := range all {
		w.crowd = &recent
	}
	s.policy.Polled(now, newest, lag)
	paused := 0.0
	if s.policy.Behind {
		paused = 1
	}
	s.p.metrics.bulkPaused.Set(paused)
	return all
}
