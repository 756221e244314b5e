package main

import (
	"context"
	"fmt"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/bench/load"
)

// alone starts a broker and the ingress on it: what the matches below share.
func (h *harness) alone(ctx context.Context, name string, settings map[string]any, stop *stops) (*broker, *server, error) {
	b, err := h.startBroker(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	stop.add(b.stop)
	sub, err := h.newSubject(ctx, name, b, settings)
	if err != nil {
		return nil, nil, err
	}
	s, err := sub.ingress(ctx)
	if s != nil {
		stop.add(s.stop)
	}
	return b, s, err
}

// playBulk is the large body: what publishing it costs beyond taking it in, with each way to compress it.
func playBulk(ctx context.Context, h *harness) (o compare.Outcome, err error) {
	const connections = 8
	spec := load.Spec{Connections: connections, Duration: h.o.turn, Timeout: requestTimeout, Mix: []load.Kind{{Name: load.History, Bytes: 1_000_000, Weight: 1}}}
	ts, err := load.NewTemplates(spec.Mix)
	if err != nil {
		return o, err
	}
	var stop stops
	defer stop.all(&err)
	const name = "bulk"
	b, s, err := h.alone(ctx, name, nil, &stop)
	if err != nil {
		return o, err
	}
	without, err := h.peer(ctx, name, unpublishedName, "unpublished", secret, nil)
	if err != nil {
		return o, err
	}
	stop.add(without.stop)
	m := compare.Match{
		Name: name, Title: fmt.Sprintf("history of 1 MB, signed, closed loop, %d connections, %s", connections, h.o.embeddedBroker()),
		Metrics:     []compare.Metric{megabytesMetric, perCoreMetric, p50Metric, p99Metric, rssMetric},
		Contestants: []compare.Contestant{h.contestant(s, "", spec, ts), h.contestant(without, "", spec, ts)},
		Pairs:       []compare.Pair{{Metric: perCoreMetric.Key, Of: subjectName, To: unpublishedName}},
		Plot:        perCoreMetric.Key,
	}
	for _, codec := range []string{"none", "lz4", "zstd"} { // the default is another one
		sub, err := h.newSubject(ctx, name, b, map[string]any{"compression": map[string]any{"bulk": codec}})
		if err != nil {
			return o, err
		}
		other, err := sub.ingress(ctx)
		if other != nil {
			stop.add(other.stop)
		}
		if err != nil {
			return o, err
		}
		other.name = subjectName + ", " + codec
		m.Contestants = append(m.Contestants, h.contestant(other, "", spec, ts))
		m.Pairs = append(m.Pairs, compare.Pair{Metric: perCoreMetric.Key, Of: other.name, To: unpublishedName})
	}
	return h.play(ctx, m)
}

// playMix is a day with onboardings at a rate that leaves room.
func playMix(ctx context.Context, h *harness) (o compare.Outcome, err error) {
	const connections, rate = 64, 500
	spec := load.Spec{Connections: connections, Rate: rate, Duration: h.o.turn, Timeout: requestTimeout, Mix: load.Standard()}
	ts, err := load.NewTemplates(spec.Mix)
	if err != nil {
		return o, err
	}
	var stop stops
	defer stop.all(&err)
	const name = "mix"
	_, s, err := h.alone(ctx, name, nil, &stop)
	if err != nil {
		return o, err
	}
	return h.play(ctx, compare.Match{
		Name: name, Title: fmt.Sprintf("echoes of 1 KB, contacts of 10 KB, history of 1 and 3 MB, open loop, %d req/s, %s", rate, h.o.embeddedBroker()),
		Metrics:     []compare.Metric{rateMetric, megabytesMetric, p50Metric, p99Metric, p999Metric, lateMetric, cpuMetric, rssMetric},
		Contestants: []compare.Contestant{h.contestant(s, "", spec, ts)},
	})
}

// memoryMetric is the peak of the resident memory for each byte of the bodies in flight.
var memoryMetric = compare.Metric{Key: "rss_ratio", Title: "peak RSS", Unit: "of bytes in flight"}

// playMemory is many large bodies at once.
func playMemory(ctx context.Context, h *harness) (o compare.Outcome, err error) {
	connections := 256
	if h.o.short {
		connections = 16
	}
	const bytes = 3_000_000
	spec := load.Spec{Connections: connections, Duration: h.o.turn, Timeout: 3 * requestTimeout, Mix: []load.Kind{{Name: load.History, Bytes: bytes, Weight: 1}}}
	ts, err := load.NewTemplates(spec.Mix)
	if err != nil {
		return o, err
	}
	var stop stops
	defer stop.all(&err)
	const name = "memory"
	// All bodies are to be kept until they are written: with the usual limits of time, a disk that writes less
	// than 200 MB/s would have some of them refused.
	_, s, err := h.alone(ctx, name, map[string]any{"ack_timeout": "1m", "read_timeout": "2m"}, &stop)
	if err != nil {
		return o, err
	}
	c := h.contestant(s, "every connection has a body in flight at any time", spec, ts)
	turn := c.Turn
	c.Turn = func(ctx context.Context) (compare.Sample, error) {
		sample, err := turn(ctx)
		if rss, ok := sample.Values[rssMetric.Key]; ok {
			sample.Values[memoryMetric.Key] = rss * megabyte / float64(connections*bytes)
		}
		return sample, err
	}
	return h.play(ctx, compare.Match{
		Name: name, Title: fmt.Sprintf("history of 3 MB, signed, closed loop, %d connections", connections),
		Metrics:     []compare.Metric{megabytesMetric, p50Metric, p99Metric, rssMetric, memoryMetric},
		Contestants: []compare.Contestant{c},
	})
}
