package processors

import (
	"context"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
)

// recordLimits say how long the batches of each topic may be, before compression.
type recordLimits [topicNamesCount]int64

// recordLimitLeast is the lowest limit that is believed of a cluster.
const recordLimitLeast = 64 << 10

// recordLimitUsual is what Kafka's own default takes.
const recordLimitUsual = 1000 << 10

// learnLimits asks the topics for their max.message.bytes. A processor that may not know goes by its configuration,
// and by what made an earlier session fail.
func (s *session) learnLimits(ctx context.Context) {
	names := map[string]schemas.Topic{}
	var ask []string
	for _, t := range schemas.Topics() {
		s.limits[t] = s.p.recordBytesMax
		names[s.cfg.topic(t)] = t
		ask = append(ask, s.cfg.topic(t))
	}
	got, err := s.adm.DescribeTopicConfigs(ctx, ask...)
	if err != nil {
		s.p.log.Debug("the topics do not tell the longest record that they take", "error", err)
		return
	}
	for _, rc := range got {
		for _, c := range rc.Configs {
			if c.Key != "max.message.bytes" || c.Value == nil {
				continue
			}
			if n, err := strconv.ParseInt(*c.Value, 10, 64); err == nil && n > 0 {
				t := names[rc.Name]
				s.limits[t] = max(min(s.limits[t], n), recordLimitLeast)
			}
		}
	}
}

// refused takes note of a session that ended because a topic takes shorter records than was thought.
func (p *Processor) refused(err error) {
	if kafka.TooLarge(err) {
		p.recordBytesMax = max(min(p.recordBytesMax/2, recordLimitUsual), recordLimitLeast)
		p.log.Warn("a topic refuses a record as too large; longer dead letters and rerouted parts are written in segments", "bytes", p.recordBytesMax)
	}
}

// value is the longest value that leaves room for key and headers in a record of a topic.
func (l *recordLimits) value(t schemas.Topic) int {
	return int(max(l[t]-eventSlackBytes, l[t]/2))
}

// events is the longest value that every topic of events takes.
func (l *recordLimits) events() int {
	least := l.value(schemas.TopicHistory)
	for _, t := range schemas.Topics() {
		switch t {
		case schemas.TopicRawLive, schemas.TopicRawBulk, schemas.TopicRerouted, schemas.TopicDLQ, schemas.TopicState, schemas.TopicOther:
		default:
			least = min(least, l.value(t))
		}
	}
	return least
}

// inSegments tells whether bodies stand in segments on a topic: on those that carry raw records on. An event is one
// record; one that is too long for that is told in `dlq`.
func inSegments(t schemas.Topic) bool { return t == schemas.TopicRerouted || t == schemas.TopicDLQ }

// segments produces a record in segments. It waits for all but the last, which names where they are.
func (s *sender) segments(k *kgo.Record, size int) {
	err := kafka.WriteSegments(k.Value, size, func(value []byte, place []segment.Header) (int64, error) {
		part := *k
		part.Value = value
		part.Headers = make([]kgo.RecordHeader, 0, len(k.Headers)+len(place))
		part.Headers = append(part.Headers, k.Headers...)
		for _, h := range place {
			part.Headers = append(part.Headers, kgo.RecordHeader(h))
		}
		done := make(chan error, 1)
		s.produce(s.ctx, &part, func(_ *kgo.Record, err error) { done <- err })
		err := <-done
		return part.Offset, err
	})
	if err != nil {
		s.promise(k, fmt.Errorf("in segments of %d bytes: %w", size, err))
	}
}
