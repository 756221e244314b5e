package publish

import (
	"context"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/coexstream/coexstream/ingress/raw"
	coexkafka "github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
)

const (
	// segmentLeast is the smallest limit of a record that is believed of a cluster.
	segmentLeast = 16 << 10
	// segmentPlaceBytes is what the headers of a segment's place take, without the offsets that the last one
	// names, each of which takes segmentOffsetBytes at most.
	segmentPlaceBytes  = 256
	segmentOffsetBytes = 20
)

// recordLimit is how long a record may be, before compression, so that its batch is not longer than what a topic
// takes: the batch has a header, and compression may make longer what it cannot make shorter.
func recordLimit(maxMessageBytes int64) int64 {
	const fixed = 2 << 10
	return max(maxMessageBytes-maxMessageBytes/1024-fixed, segmentLeast)
}

// learnLimits asks what the raw topics take. A client that may not know finds out when a record is refused.
func (p *Publisher) learnLimits(ctx context.Context) {
	for i := range p.limits {
		p.limits[i].Store(recordLimit(int64(p.cfg.RecordBytesMax)))
	}
	const name = "max.message.bytes"
	req := &kafka.DescribeConfigsRequest{}
	for _, topic := range p.transport.MetadataTopics {
		req.Resources = append(req.Resources, kafka.DescribeConfigRequestResource{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{name},
		})
	}
	res, err := p.client.DescribeConfigs(ctx, req)
	if err != nil {
		p.log.Info("the raw topics do not tell the longest record that they take; it is found out", "error", err)
		return
	}
	for _, r := range res.Resources {
		if r.Error != nil {
			p.log.Info("the raw topics do not tell the longest record that they take; it is found out", "topic", r.ResourceName, "error", r.Error)
			continue
		}
		for _, e := range r.ConfigEntries {
			n, err := strconv.ParseInt(e.ConfigValue, 10, 64)
			if e.ConfigName != name || err != nil || n <= 0 {
				continue
			}
			for _, t := range raw.Topics() {
				if l := &p.limits[raw.Lane(t)]; t.Name(p.cfg.TopicPrefix) == r.ResourceName && recordLimit(n) < l.Load() {
					l.Store(recordLimit(n))
					p.log.Info("longer bodies are written in segments", "topic", r.ResourceName, "max_message_bytes", n)
				}
			}
		}
	}
}

// tooLarge tells whether a record was refused for its length, and could be shorter.
func tooLarge(err error, bytes int64) bool { return bytes > segmentLeast && coexkafka.TooLarge(err) }

// publishSegments writes a body in segments, one after the other, because the last one names the offsets of the
// others; most is how long their records may be. Where it returns an error the last one is not written, or may be,
// as it says; what is written of the others nobody reads.
func (p *Publisher) publishSegments(r *raw.Record, most int64, deadline time.Time) error {
	around := int64(r.Bytes()-len(r.Value)) + segmentPlaceBytes
	room := max(most-around, segmentLeast/2)
	size := max(int(room)-segmentOffsetBytes*(1+len(r.Value)/int(room)), segmentLeast/4)
	used, err := coexkafka.Segmented(r.Value, size, func(value []byte, place []segment.Header) (int64, error) {
		part := *r
		part.Value = value
		part.Headers = make([]kafka.Header, 0, len(r.Headers)+len(place))
		part.Headers = append(part.Headers, r.Headers...)
		for _, h := range place {
			part.Headers = append(part.Headers, kafka.Header(h))
		}
		return p.publish(&part, int64(part.Bytes()), deadline, true)
	})
	if err != nil {
		return err
	}
	p.metrics.segmented.Inc()
	if used < size {
		most = int64(used) + around
	}
	p.lowerLimit(r.Topic, max(most, segmentLeast))
	return nil
}

// lowerLimit takes note of what a topic was found to take.
func (p *Publisher) lowerLimit(topic schemas.Topic, to int64) {
	limit := &p.limits[raw.Lane(topic)]
	for was := limit.Load(); to < was; was = limit.Load() {
		if limit.CompareAndSwap(was, to) {
			p.log.Warn("a body was refused as too large, and written in segments, as all such bodies are from now on",
				"topic", topic.String(), "segment_bytes", to)
		}
	}
}
