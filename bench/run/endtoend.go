package main

import (
	"context"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/bench/load"
)

// Names of the brokers, which stand for the contestants of the end-to-end matches.
const (
	onEmbeddedName = "coexstream on the embedded broker"
	onKafkaName    = "coexstream on Apache Kafka"
)

func latencyValues(l load.Latency) map[string]float64 {
	return map[string]float64{
		p50Metric.Key: float64(l.P50) / microsPerMilli, p99Metric.Key: float64(l.P99) / microsPerMilli, p999Metric.Key: float64(l.P999) / microsPerMilli,
	}
}

// onBrokers makes a contestant for each kind of broker: a turn with a stack on it.
func (h *harness) onBrokers(ctx context.Context, name string, turn func(context.Context, *stack) (compare.Sample, error)) (contestants []compare.Contestant, stop stops, err error) {
	add := func(title string, on *broker) error {
		s, err := h.newStack(ctx, name, on)
		if err != nil {
			return err
		}
		stop.add(func() (err error) { s.close(&err); return err })
		if err := s.process(ctx); err != nil {
			return err
		}
		warm := h.o.short
		contestants = append(contestants, compare.Contestant{Name: title, Turn: func(ctx context.Context) (compare.Sample, error) {
			if !warm {
				// A turn that does not count: a virtual machine for Java compiles what it finds used.
				warm = true
				if sample, err := turn(ctx, s); err != nil || !sample.OK {
					return sample, err
				}
			}
			return turn(ctx, s)
		}})
		return nil
	}
	if err := add(onEmbeddedName, nil); err != nil {
		return nil, stop, err
	}
	kafka, why, err := h.kafka(ctx)
	if err != nil {
		return nil, stop, err
	}
	if why != "" {
		return append(contestants, compare.Contestant{Name: onKafkaName, Skip: why}), stop, nil
	}
	err = add(onKafkaName, kafka)
	return contestants, stop, err
}

// playEndToEnd is the live echo on an idle system: HTTP in to read-committed out.
func playEndToEnd(ctx context.Context, h *harness) (o compare.Outcome, err error) {
	contestants, stop, err := h.onBrokers(ctx, "endtoend", func(ctx context.Context, s *stack) (compare.Sample, error) {
		return idleEchoes(ctx, s, h.o.turn)
	})
	defer stop.all(&err)
	if err != nil {
		return o, err
	}
	return h.play(ctx, compare.Match{
		Name: "endtoend", Title: fmt.Sprintf("live echo, HTTP in to read-committed out, open loop, %d a second", h.o.echoRate),
		Metrics: []compare.Metric{p50Metric, p99Metric, p999Metric}, Contestants: contestants, Plot: p50Metric.Key,
	})
}

// echoLength is how many times the length of a turn under load echoes are sent, so that there are enough for
// a p99.
const echoLength = 2

func idleEchoes(ctx context.Context, s *stack, length time.Duration) (compare.Sample, error) {
	e, err := watchEchoes(ctx, s)
	if err != nil {
		return compare.Sample{}, err
	}
	defer e.close()
	if err := e.warm(ctx); err != nil {
		return compare.Sample{}, err
	}
	p, err := e.probe(ctx, echoLength*length, nil)
	return compare.Sample{OK: p.ok, Verdict: p.verdict, Values: latencyValues(p.latency)}, err
}
