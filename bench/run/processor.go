package main

import (
	"context"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/bench"
	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/bench/judge"
)

// Metrics of a processor.
var (
	messagesMetric         = compare.Metric{Key: "messages", Title: "history", Unit: "messages/s", More: true}
	cpuMessageMetric       = compare.Metric{Key: "cpu_message", Title: "CPU", Unit: "µs/message"}
	brokerCPUMessageMetric = compare.Metric{Key: "broker_cpu_message", Title: "broker", Unit: "µs/message"}
	coresMetric            = compare.Metric{Key: "cores", Title: "both", Unit: "cores"}
	cpuSecondsMetric       = compare.Metric{Key: "cpu_seconds", Title: "CPU", Unit: "s"}
)

// playProcessor lets the processor work off history that is in the log already, exactly once, in order.
func playProcessor(ctx context.Context, h *harness) (compare.Outcome, error) {
	return h.play(ctx, compare.Match{
		Name: "processor", Title: fmt.Sprintf("raw history to ordered events, exactly once, %d MB, embedded broker", h.o.backlogBytes/megabyte),
		Metrics:     workMetrics,
		Contestants: []compare.Contestant{{Name: subjectName, Turn: h.processorTurn}},
		Plot:        messagesMetric.Key,
	})
}

var workMetrics = []compare.Metric{messagesMetric, megabytesMetric, cpuMessageMetric, brokerCPUMessageMetric, coresMetric, rssMetric}

func (h *harness) processorTurn(ctx context.Context) (compare.Sample, error) {
	return h.workOff(ctx, "processor", (*stack).backlog, 1)
}

// workOff writes what is to be worked off and lets so many processors do it, which have their partitions before it
// begins: what it took to join the group is not their work.
func (h *harness) workOff(ctx context.Context, name string, write func(*stack, context.Context) (bench.SimulateReport, error), processors int) (sample compare.Sample, err error) {
	s, err := h.newStack(ctx, name, nil)
	if err != nil {
		return sample, err
	}
	defer s.close(&err)
	team, err := s.team(ctx, processors)
	if err != nil {
		return sample, err
	}
	defer team.stop(&err)
	if err := team.each((*role).Pause); err != nil {
		return sample, err
	}
	sent, err := write(s, ctx)
	if err != nil {
		return sample, err
	}
	before, err := team.used(s.broker)
	if err != nil {
		return sample, err
	}
	begin := time.Now()
	if err := team.each((*role).Resume); err != nil {
		return sample, err
	}
	if err := s.drained(ctx, team); err != nil {
		return sample, err
	}
	took := time.Since(begin)
	after, err := team.used(s.broker)
	if err != nil {
		return sample, err
	}
	v, err := s.check(ctx)
	if err != nil {
		return sample, err
	}
	own, broker := after.own-before.own, after.broker-before.broker
	each := float64(max(sent.Messages, 1))
	return compare.Sample{OK: v.OK(), Verdict: verdictOf(&v), Values: map[string]float64{
		messagesMetric.Key:         each / took.Seconds(),
		megabytesMetric.Key:        float64(sent.Bytes) / megabyte / took.Seconds(),
		cpuMessageMetric.Key:       micros(own) / each,
		brokerCPUMessageMetric.Key: micros(broker) / each,
		coresMetric.Key:            (own + broker).Seconds() / took.Seconds(),
		rssMetric.Key:              float64(after.rss) / megabyte,
	}}, nil
}

// verdictOf is a judge's verdict in a line.
func verdictOf(v *judge.Verdict) string {
	word := "OK"
	if !v.OK() {
		word = fmt.Sprintf("FAILED: %d faults", v.Faults)
	}
	s := fmt.Sprintf("%s: %d lost, %d duplicated, %d out of order; %d bodies", word,
		v.Count(judge.Lost), v.Count(judge.Duplicated), v.Count(judge.OutOfOrder), v.BodiesOwed)
	for _, f := range v.Samples {
		return fmt.Sprintf("%s; %s: %s: %s", s, f.Topic, f.Fault, f.What)
	}
	return s
}
