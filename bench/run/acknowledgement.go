package main

import (
	"context"
	"fmt"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/bench/durable"
	"github.com/coexstream/coexstream/bench/load"
)

// playAcknowledgement is the time of an answer at a rate that leaves room, beside the time of the broker's
// own acknowledgement at the same rate.
func playAcknowledgement(ctx context.Context, h *harness) (o compare.Outcome, err error) {
	const connections, rate = 256, 4000
	spec := load.Spec{Connections: connections, Rate: rate, Duration: h.o.turn, Timeout: requestTimeout, Mix: []load.Kind{{Name: load.Echo, Bytes: 1 << 10, Weight: 1}}}
	ts, err := load.NewTemplates(spec.Mix)
	if err != nil {
		return o, err
	}
	var stop stops
	defer stop.all(&err)
	const name = "acknowledgement"
	b, s, err := h.alone(ctx, name, nil, &stop)
	if err != nil {
		return o, err
	}
	const topic = "produced"
	if err := b.topic(ctx, topic); err != nil {
		return o, err
	}
	log, err := durable.Open(b.addresses, []string{topic})
	if err != nil {
		return o, err
	}
	defer log.Close()
	straight := compare.Contestant{Name: produceName, Remark: "acks=all, no linger", Turn: func(ctx context.Context) (compare.Sample, error) {
		spec := spec
		h.runs++
		spec.Run, spec.Brokers, spec.Topic = h.runs, b.addresses, topic
		mark, err := log.Mark(ctx)
		if err != nil {
			return compare.Sample{}, err
		}
		m := measured{checks: true}
		if m.report, err = h.runLoad(ctx, spec); err != nil {
			return compare.Sample{}, err
		}
		m.repliesOK = m.report.Acked > 0 && m.report.Acked == m.report.Requests
		m.verdict, mark, err = log.Check(ctx, mark, spec.Run, ts, &m.report)
		if err != nil {
			return compare.Sample{}, err
		}
		sample := m.sample()
		delete(sample.Values, rssMetric.Key) // it has no server
		return sample, log.Trim(ctx, mark)
	}}
	return h.play(ctx, compare.Match{
		Name: name, Title: fmt.Sprintf("time of an answer, echoes of 1 KB, open loop, %d req/s, %s", rate, h.o.embeddedBroker()),
		Metrics:     []compare.Metric{rateMetric, p50Metric, p99Metric, p999Metric, lateMetric, cpuMetric},
		Contestants: []compare.Contestant{h.contestant(s, "", spec, ts), straight},
		Pairs:       []compare.Pair{{Metric: p50Metric.Key, Of: subjectName, To: produceName}, {Metric: p99Metric.Key, Of: subjectName, To: produceName}},
		Plot:        p99Metric.Key,
	})
}
