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
	// segmentLeast is the smallest limit of a record. A smaller one of a topic is ignored.
	segmentLeast = 16 << 10
	// segmentPlaceBytes is the length of the headers that describe a segment, without the offsets in the last one.
	// Each offset takes segmentOffsetBytes at most.
	segmentPlaceBytes  = 256
	segmentOffsetBytes = 20
)

// recordLimit returns the longest record, before compression, whose batch fits into max.message.bytes. The batch has a
// header, and compression can make incompressible bytes longer.
func recordLimit(maxMessageBytes int64) int64 {
	const fixed = 2 << 10
	return max(maxMessageBytes-maxMessageBytes/1024-fixed, segmentLeast)
}

// learnLimits reads max.message.bytes of the raw topics. A client without the right to describe topics learns the limit
// from the first rejection.
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
		p.log.Info("cannot read max.message.bytes of the raw topics; the limit is learned from the first rejection", "error", err)
		return
	}
	for _, r := range res.Resources {
		if r.Error != nil {
			p.log.Info("cannot read max.message.bytes of a raw topic; the limit is learned from the first rejection", "topic", r.ResourceName, "error", r.Error)
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

// tooLarge reports whether a record was refused for its length and can be cut into segments.
func tooLarge(err error, bytes int64) bool { return bytes > segmentLeast && coexkafka.TooLarge(err) }

// publishSegments writes a body in segments. most bounds the length of their records. Segments are written one after the
// other, because the last one names the offsets of the others. When it returns an error, the error applies to the last
// segment; readers ignore segments without a last one.
func (p *Publisher) publishSegments(r *raw.Record, most int64, deadline time.Time) error {
	around := int64(r.Bytes()-len(r.Value)) + segmentPlaceBytes
	room := max(most-around, segmentLeast/2)
	size := max(int(room)-segmentOffsetBytes*(1+len(r.Value)/int(room)), segmentLeast/4)
	used, err := coexkafka.Segmented(r.Value, size, func(value []byte, place []segment.Header) (int64, error) {
		part := *r
		part.Value = value
		part.Headers = make([]raw.Header, 0, len(r.Headers)+len(place))
		part.Headers = append(part.Headers, r.Headers...)
		for _, h := range place {
			part.Headers = append(part.Headers, raw.Header(h))
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

// lowerLimit lowers the limit of a topic after a rejection.
func (p *Publisher) lowerLimit(topic schemas.Topic, to int64) {
	limit := &p.limits[raw.Lane(topic)]
	for was := limit.Load(); to < was; was = limit.Load() {
		if limit.CompareAndSwap(was, to) {
			p.log.Warn("Kafka rejected a body as too large; it and all later ones of this length are written in segments",
				"topic", topic.String(), "segment_bytes", to)
		}
	}
}
