package main

import (
	"context"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/bench/judge"
)

// Metrics of a processor.
var (
	messagesMetric   = compare.Metric{Key: "messages", Title: "history", Unit: "messages/s", More: true}
	cpuMessageMetric = compare.Metric{Key: "cpu_message", Title: "CPU", Unit: "µs/message"}
)

// playProcessor lets the processor work off history that is in the log already, exactly once, in order.
func playProcessor(ctx context.Context, h *harness) (compare.Outcome, error) {
	return h.play(ctx, compare.Match{
		Name: "processor", Title: fmt.Sprintf("raw history to ordered events, exactly once, %d MB, embedded broker", h.o.backlogBytes/megabyte),
		Metrics:     []compare.Metric{messagesMetric, megabytesMetric, cpuMessageMetric, rssMetric},
		Contestants: []compare.Contestant{{Name: subjectName, Turn: h.processorTurn}},
		Plot:        messagesMetric.Key,
	})
}

func (h *harness) processorTurn(ctx context.Context) (sample compare.Sample, err error) {
	s, err := h.newStack(ctx, "processor", nil)
	if err != nil {
		return sample, err
	}
	defer s.close(&err)
	sent, err := s.backlog(ctx)
	if err != nil {
		return sample, err
	}
	if err := s.process(ctx); err != nil {
		return sample, err
	}
	// It is ready when it has its partitions; what it took to join the group is not its work.
	begin := time.Now()
	if err := s.drained(ctx); err != nil {
		return sample, err
	}
	took := time.Since(begin)
	cpu, err := s.proc.CPU()
	if err != nil {
		return sample, err
	}
	rss, err := s.proc.PeakRSS()
	if err != nil {
		return sample, err
	}
	v, err := s.check(ctx)
	if err != nil {
		return sample, err
	}
	return compare.Sample{OK: v.OK(), Verdict: verdictOf(&v), Values: map[string]float64{
		messagesMetric.Key:   float64(sent.Messages) / took.Seconds(),
		megabytesMetric.Key:  float64(sent.Bytes) / megabyte / took.Seconds(),
		cpuMessageMetric.Key: float64(cpu.Nanoseconds()) / 1e3 / float64(max(sent.Messages, 1)),
		rssMetric.Key:        float64(rss) / megabyte,
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
