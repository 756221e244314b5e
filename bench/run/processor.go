package main

import (
	"context"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/internal/verify"
	"github.com/coexstream/coexstream/internal/verify/judge"
	"github.com/coexstream/coexstream/schemas"
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
		Name: "processor", Title: fmt.Sprintf("raw history to ordered events, exactly once, %d MB, %s", h.o.backlogBytes/megabyte, h.o.embeddedBroker()),
		Metrics:     workMetrics,
		Contestants: []compare.Contestant{{Name: subjectName, Turn: h.processorTurn}},
		Plot:        messagesMetric.Key,
	})
}

var workMetrics = []compare.Metric{messagesMetric, megabytesMetric, cpuMessageMetric, brokerCPUMessageMetric, coresMetric, rssMetric}

func (h *harness) processorTurn(ctx context.Context) (compare.Sample, error) {
	return h.processorTurnOn(ctx, nil)
}

// processorTurnOn is the same on a broker; nil: an embedded one.
func (h *harness) processorTurnOn(ctx context.Context, on *broker) (compare.Sample, error) {
	return h.workOff(ctx, &labour{match: "processor", on: on, write: func(ctx context.Context, s *stack) (verify.SimulateReport, error) { return s.backlog(ctx) }})
}

// liveIsOver waits until the few live webhooks of the onboardings no longer announce others. For five seconds after
// one, a processor keeps its work for history short. The match isolation measures that work.
func liveIsOver(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(6 * time.Second):
		return nil
	}
}

// labour is work that is written to the log first and worked off then, and who does it.
type labour struct {
	match string
	write func(context.Context, *stack) (verify.SimulateReport, error)
	warm  func(context.Context, *stack) error // writes work that comes before, and does not count; may be nil

	on         *broker // nil: an embedded one
	processors int     // 0: one
	crew       crew    // nil: so many processors
}

// crew is a program that does the work of a processor.
type crew interface {
	start(ctx context.Context, s *stack) (team, error)
	group(s *stack) string
	reads() []schemas.Topic
	check(ctx context.Context, s *stack) (ok bool, verdict string, err error)
}

// workOff starts the team, so that joining the group does not count as work. It holds the team while the work is
// written, and measures from its release until everything is committed.
func (h *harness) workOff(ctx context.Context, l *labour) (sample compare.Sample, err error) {
	s, err := h.newStack(ctx, l.match, l.on)
	if err != nil {
		return sample, err
	}
	defer s.close(&err)
	var by crew = processors{max(l.processors, 1)}
	if l.crew != nil {
		by = l.crew
	}
	team, err := by.start(ctx, s)
	if err != nil {
		return sample, err
	}
	defer team.stop(&err)
	if l.warm != nil {
		if err := l.warm(ctx, s); err != nil {
			return sample, err
		}
		if err := s.committed(ctx, team, by.group(s), by.reads()...); err != nil {
			return sample, err
		}
	}
	if err := team.each((*role).Pause); err != nil {
		return sample, err
	}
	sent, err := l.write(ctx, s)
	if err != nil {
		return sample, err
	}
	if err := liveIsOver(ctx); err != nil {
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
	if err := s.committed(ctx, team, by.group(s), by.reads()...); err != nil {
		return sample, err
	}
	took := time.Since(begin)
	after, err := team.used(s.broker)
	if err != nil {
		return sample, err
	}
	ok, verdict, err := by.check(ctx, s)
	if err != nil {
		return sample, err
	}
	own, broker := after.own-before.own, after.broker-before.broker
	each := float64(max(sent.Messages, 1))
	sample = compare.Sample{OK: ok, Verdict: verdict, Values: map[string]float64{
		messagesMetric.Key:   each / took.Seconds(),
		megabytesMetric.Key:  float64(sent.Bytes) / megabyte / took.Seconds(),
		cpuMessageMetric.Key: micros(own) / each,
		rssMetric.Key:        float64(after.rss) / megabyte,
	}}
	if s.broker.proc != nil {
		sample.Values[brokerCPUMessageMetric.Key] = micros(broker) / each
		sample.Values[coresMetric.Key] = (own + broker).Seconds() / took.Seconds()
	}
	return sample, nil
}

// processors are a crew of the subject's own.
type processors struct{ n int }

func (p processors) start(ctx context.Context, s *stack) (team, error) { return s.team(ctx, p.n) }
func (processors) group(s *stack) string                               { return s.sub.group() }
func (processors) reads() []schemas.Topic {
	return []schemas.Topic{schemas.TopicRawLive, schemas.TopicRawBulk}
}

func (processors) check(ctx context.Context, s *stack) (bool, string, error) {
	v, err := s.check(ctx)
	return v.OK(), verdictOf(&v), err
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
