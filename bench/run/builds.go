package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/bench/load"
)

// buildsWait is how long the check waits for events. An earlier build may miss some of them.
const buildsWait = 5 * time.Second

// build is one of several builds of the program that are compared with each other. The first one is the yardstick.
type build struct{ name, binary string }

// parseBuilds reads "name=path,name=path".
func parseBuilds(list string) ([]build, error) {
	if list == "" {
		return nil, nil
	}
	var builds []build
	for _, item := range strings.Split(list, ",") {
		name, path, ok := strings.Cut(item, "=")
		if !ok || name == "" || path == "" {
			return nil, fmt.Errorf("builds: %q is not allowed, only name=path", item)
		}
		for _, b := range builds {
			if b.name == name {
				return nil, fmt.Errorf("builds: %q is not allowed twice", name)
			}
		}
		binary, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("builds: %s: %w", path, err)
		}
		builds = append(builds, build{name, binary})
	}
	if len(builds) < 2 {
		return nil, fmt.Errorf("builds: %q is not allowed, only two and more", list)
	}
	return builds, nil
}

// serverMetric is the CPU of a request on both sides of the connection to the broker: what a producer saves in one process
// may cost the other.
var serverMetric = compare.Metric{Key: "cpu_both", Title: "server and broker CPU", Unit: "µs/req"}

// buildMatches are the matches between builds.
func buildMatches() []match {
	const connections, bulkConnections, fullConnections, rate = 64, 8, 64, 2000
	echo, history := load.Kind{Name: load.Echo, Bytes: 1 << 10, Weight: 1}, load.Kind{Name: load.History, Bytes: 1_000_000, Weight: 1}
	small := load.Spec{Connections: connections, Mix: []load.Kind{echo}}
	paced := load.Spec{Connections: connections, Mix: []load.Kind{echo}, Rate: rate}
	bulk := load.Spec{Connections: bulkConnections, Mix: []load.Kind{history}}
	full := load.Spec{Connections: fullConnections, Mix: []load.Kind{history}}
	return []match{
		loadOfBuilds("small", "echoes of 1 KB, closed loop, 64 connections", small, false),
		loadOfBuilds("paced", "echoes of 1 KB, open loop, 2000 req/s", paced, false),
		loadOfBuilds("bulk", "history of 1 MB, closed loop, 8 connections", bulk, false),
		loadOfBuilds("full", "history of 1 MB, closed loop, 64 connections", full, false),
		loadOfBuilds("kafka-small", "echoes of 1 KB, closed loop, 64 connections", small, true),
		loadOfBuilds("kafka-paced", "echoes of 1 KB, open loop, 2000 req/s", paced, true),
		loadOfBuilds("kafka-bulk", "history of 1 MB, closed loop, 8 connections", bulk, true),
		{"processor", func(ctx context.Context, h *harness) (compare.Outcome, error) {
			return h.playBuildTurns(ctx, compare.Match{
				Name: "processor", Title: fmt.Sprintf("raw history to ordered events, %d MB, %s", h.o.backlogBytes/megabyte, h.o.embeddedBroker()),
				Metrics: workMetrics, Plot: messagesMetric.Key,
			}, h.processorTurn)
		}},
		{"kafka-processor", func(ctx context.Context, h *harness) (compare.Outcome, error) {
			on, why, err := h.kafka(ctx)
			if err != nil || why != "" {
				return compare.Outcome{Name: "kafka-processor", Skip: why}, err
			}
			return h.playBuildTurns(ctx, compare.Match{
				Name: "kafka-processor", Title: fmt.Sprintf("raw history to ordered events, %d MB, Apache Kafka", h.o.backlogBytes/megabyte),
				Metrics: workMetrics, Plot: messagesMetric.Key,
			}, func(ctx context.Context) (compare.Sample, error) { return h.processorTurnOn(ctx, on) })
		}},
		{"isolation", func(ctx context.Context, h *harness) (compare.Outcome, error) {
			return h.playBuildTurns(ctx, compare.Match{
				Name: "isolation", Title: fmt.Sprintf("live echo, %d a second, while %d MB of history are worked off, %s", h.o.echoRate, h.o.backlogBytes/megabyte, h.o.embeddedBroker()),
				Metrics: []compare.Metric{p50Metric, p99Metric, p999Metric, backlogMetric}, Plot: p99Metric.Key,
			}, h.echoesBesideBacklog)
		}},
	}
}

// loadOfBuilds is a match in which the ingress of each build has the same load.
func loadOfBuilds(name, title string, spec load.Spec, kafka bool) match {
	return match{name, func(ctx context.Context, h *harness) (compare.Outcome, error) {
		return h.playBuilds(ctx, name, title, spec, kafka)
	}}
}

// with makes a build the subject while f runs.
func (h *harness) with(b build, f func() error) error {
	all := h.binary
	defer func() { h.binary = all }()
	h.binary = b.binary
	return f()
}

// playBuilds lets the ingress of each build take turns under a load. All write to one broker.
func (h *harness) playBuilds(ctx context.Context, name, title string, spec load.Spec, kafka bool) (o compare.Outcome, err error) {
	spec.Duration, spec.Timeout = h.o.turn, requestTimeout
	ts, err := load.NewTemplates(spec.Mix)
	if err != nil {
		return o, err
	}
	var stop stops
	defer stop.all(&err)
	var on *broker
	if kafka {
		var why string
		if on, why, err = h.kafka(ctx); err != nil || why != "" {
			return compare.Outcome{Name: name, Skip: why}, err
		}
		title += ", Apache Kafka"
	} else {
		if on, err = h.startBroker(ctx, name); err != nil {
			return o, err
		}
		stop.add(on.stop)
		title += ", " + h.o.embeddedBroker()
	}
	m := compare.Match{
		Name: name, Title: title, Plot: cpuMetric.Key,
		Metrics: []compare.Metric{rateMetric, p50Metric, p99Metric, cpuMetric, brokerCPUMetric, serverMetric, rssMetric},
	}
	for _, b := range h.o.builds {
		err := h.with(b, func() error {
			sub, err := h.newSubject(ctx, name, on, nil)
			if err != nil {
				return err
			}
			if kafka {
				stop.add(func() error { return sub.remove(context.WithoutCancel(ctx)) })
			}
			s, err := sub.ingress(ctx)
			if s != nil {
				stop.add(s.stop)
			}
			if err != nil {
				return err
			}
			s.name = b.name
			c := h.contestant(s, "", spec, ts)
			turn := c.Turn
			c.Turn = func(ctx context.Context) (compare.Sample, error) {
				sample, err := turn(ctx)
				if broker, ok := sample.Values[brokerCPUMetric.Key]; ok {
					sample.Values[serverMetric.Key] = sample.Values[cpuMetric.Key] + broker
				}
				return sample, err
			}
			m.Contestants = append(m.Contestants, c)
			return nil
		})
		if err != nil {
			return o, err
		}
	}
	return h.play(ctx, h.pairBuilds(m))
}

// playBuildTurns lets each build take the turns of another match, with the same world in a round. The check follows the
// contract of events of this revision. An earlier build has an earlier contract, so its verdict is shown and does not
// count.
func (h *harness) playBuildTurns(ctx context.Context, m compare.Match, turn func(context.Context) (compare.Sample, error)) (compare.Outcome, error) {
	for i, b := range h.o.builds {
		turns := uint64(0)
		m.Contestants = append(m.Contestants, compare.Contestant{Name: b.name, Turn: func(ctx context.Context) (sample compare.Sample, err error) {
			turns++
			h.seed = turns
			err = h.with(b, func() error {
				sample, err = turn(ctx)
				return err
			})
			sample.OK = sample.OK || i > 0
			return sample, err
		}})
	}
	return h.play(ctx, h.pairBuilds(m))
}

// pairBuilds asks for the ratios of each build to the first one.
func (h *harness) pairBuilds(m compare.Match) compare.Match {
	for _, metric := range m.Metrics {
		for _, c := range m.Contestants[1:] {
			m.Pairs = append(m.Pairs, compare.Pair{Metric: metric.Key, Of: c.Name, To: m.Contestants[0].Name})
		}
	}
	return m
}
