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

// recordLimits are the maximum sizes of the topics' batches in bytes, before compression.
type recordLimits [topicNamesCount]int64

// recordLimitLeast is the lowest accepted limit in bytes.
const recordLimitLeast = 64 << 10

// recordLimitUsual is slightly below Kafka's default limit, in bytes.
const recordLimitUsual = 1000 << 10

// learnLimits reads max.message.bytes of the topics. A processor without the right to describe topics uses its
// configuration, and learns from rejected records of earlier sessions.
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
		s.p.log.Debug("cannot read the record limits of the topics", "error", err)
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

// refused lowers the assumed limit if a session ended because a topic rejected a record as too large.
func (p *Processor) refused(err error) {
	if kafka.TooLarge(err) {
		p.recordBytesMax = max(min(p.recordBytesMax/2, recordLimitUsual), recordLimitLeast)
		p.log.Warn("a topic rejected a record as too large; longer dead letters and rerouted parts are written in segments", "bytes", p.recordBytesMax)
	}
}

// value returns the maximum size of a value in bytes. It leaves room for key and headers.
func (l *recordLimits) value(t schemas.Topic) int {
	return int(max(l[t]-eventSlackBytes, l[t]/2))
}

// events returns the maximum size of a value in bytes that every event topic accepts.
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

// inSegments reports whether a topic may have bodies in segments. These are the topics with copies of raw records. An
// event is one record; a longer one is reported in `dlq`.
func inSegments(t schemas.Topic) bool { return t == schemas.TopicRerouted || t == schemas.TopicDLQ }

// segments produces a record in segments. It waits for all but the last one, which refers to the offsets of the others.
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
