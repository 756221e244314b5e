package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/internal/verify"
	"github.com/coexstream/coexstream/internal/verify/world"
)

// Contestants of growth, scale and team: the same processor with more to do, or with another one beside it.
const (
	fewName  = "a tenth of them"
	manyName = "ten times as many"
	oneName  = "one processor"
	twoName  = "two processors"
)

// heapMetric is the size of the heap at the end, after a collection.
var heapMetric = compare.Metric{Key: "live_heap", Title: "live heap", Unit: "MB"}

var windowMetric = compare.Metric{Key: "window", Title: "open windows", Unit: "bytes/message"}

// playWindow is what the open windows of history cost in memory.
func playWindow(ctx context.Context, h *harness) (compare.Outcome, error) {
	messages := 2_000_000
	if h.o.short {
		messages = 100_000
	}
	turn := func(media float64) func(context.Context) (compare.Sample, error) {
		return func(ctx context.Context) (compare.Sample, error) { return h.windowTurn(ctx, messages, media) }
	}
	return h.play(ctx, compare.Match{
		Name:    "window",
		Title:   fmt.Sprintf("live heap of a processor with the windows of %s history messages open, less that of one without", count(messages)),
		Metrics: []compare.Metric{windowMetric},
		Contestants: []compare.Contestant{
			{Name: textName, Turn: turn(0)},
			// A placeholder is remembered beside the window, and longer: until its media may not come any more.
			{Name: mediaName, Turn: turn(world.DefaultConfig().Media)},
		},
		Plot: windowMetric.Key,
	})
}

// Contestants of window.
const (
	textName  = "text only"
	mediaName = "8% media placeholders"
)

// windowTurn measures new processors: buffers of earlier work, which are used again, do not belong to the windows.
func (h *harness) windowTurn(ctx context.Context, messages int, media float64) (sample compare.Sample, err error) {
	s, err := h.newStack(ctx, "window", nil)
	if err != nil {
		return sample, err
	}
	defer s.close(&err)
	if err := s.process(ctx); err != nil {
		return sample, err
	}
	without, err := s.proc.liveHeap(ctx)
	if err != nil {
		return sample, err
	}
	w := s.past(backlogBusinesses, messages)
	w.Media, w.NoLastPhase = media, 1 // what never ends stays open
	if _, err := s.simulate(ctx, w, 0, 0); err != nil {
		return sample, err
	}
	if err := s.drained(ctx, team{s.proc}); err != nil {
		return sample, err
	}
	v, err := s.check(ctx)
	if err != nil {
		return sample, err
	}
	if err := s.proc.Stop(); err != nil {
		return sample, err
	}
	if err := s.process(ctx); err != nil {
		return sample, err
	}
	open, err := s.proc.reaches(ctx, "coexstream_processor_running_syncs", backlogBusinesses)
	if err != nil {
		return sample, err
	}
	with, err := s.proc.liveHeap(ctx)
	if err != nil {
		return sample, err
	}
	return compare.Sample{
		OK: v.OK() && open >= backlogBusinesses, Verdict: fmt.Sprintf("%s; %s windows open", verdictOf(&v), count(int(open))),
		Values: map[string]float64{windowMetric.Key: (with - without) / float64(messages)},
	}, nil
}

// playGrowth measures the memory of a processor that keeps up, over ten times the businesses. The same number is
// onboarded at a time, one after another. The pace is one at which the processor keeps up, once it has processed the
// records from before its start. So a longer run shows growth, and not more moments at which the load is ahead.
func playGrowth(ctx context.Context, h *harness) (compare.Outcome, error) {
	many, businesses := 10_000_000, 1_000
	if h.o.short {
		many, businesses = 100_000, 100
	}
	const onboarding = 5
	turn := func(messages, businesses int) func(context.Context) (compare.Sample, error) {
		return func(ctx context.Context) (compare.Sample, error) {
			return h.growthTurn(ctx, messages, businesses, onboarding)
		}
	}
	return h.play(ctx, compare.Match{
		Name: "growth",
		Title: fmt.Sprintf("peak memory of a processor that keeps up, %s history messages (text) of %s businesses against %s of %s, %d of them at a time; %d webhooks a second, the first %s of them before it is started; gap timeout %s; %s",
			count(many), count(businesses), count(many/10), count(businesses/10), onboarding, growthRate, growthLate, growthPatience, h.o.embeddedBroker()),
		Metrics: []compare.Metric{rssMetric, heapMetric, cpuMessageMetric, messagesMetric},
		Contestants: []compare.Contestant{
			{Name: manyName, Turn: turn(many, businesses)},
			{Name: fewName, Turn: turn(many/10, businesses/10)},
		},
		Pairs: []compare.Pair{{Metric: rssMetric.Key, Of: manyName, To: fewName}},
		Plot:  rssMetric.Key,
	})
}

// growthPatience stands for half an hour: what takes hours or days, one sync ending after another, is over in minutes
// here, and a window is given back a gap timeout after its end. It is more than the largest business takes to send its
// chunks at this rate: one that comes after its window was given back is not known again.
const (
	growthPatience = 4 * time.Second
	growthRate     = 700 // webhooks a second, some 100,000 messages
	growthLate     = 3 * time.Second
)

func (h *harness) growthTurn(ctx context.Context, messages, businesses, onboarding int) (sample compare.Sample, err error) {
	s, err := h.newStack(ctx, "growth", nil)
	if err != nil {
		return sample, err
	}
	defer s.close(&err)
	s.patience = growthPatience
	begin := time.Now()
	started := make(chan error, 1)
	go func() {
		select {
		case <-time.After(growthLate):
			started <- s.process(ctx)
		case <-ctx.Done():
			started <- ctx.Err()
		}
	}()
	w := s.past(businesses, messages)
	// Every sync ends, and its window is given back. Placeholders of media are remembered for weeks.
	w.NoLastPhase, w.Media = 0, 0
	sent, err := s.simulate(ctx, w, onboarding, growthRate)
	if err := errors.Join(<-started, err); err != nil {
		return sample, err
	}
	if err := s.drained(ctx, team{s.proc}); err != nil {
		return sample, err
	}
	took := time.Since(begin)
	used, err := team{s.proc}.used(s.broker)
	if err != nil {
		return sample, err
	}
	heap, err := s.proc.liveHeap(ctx)
	if err != nil {
		return sample, err
	}
	v, err := s.check(ctx)
	if err != nil {
		return sample, err
	}
	return compare.Sample{OK: v.OK(), Verdict: verdictOf(&v), Values: map[string]float64{
		rssMetric.Key:        float64(used.rss) / megabyte,
		heapMetric.Key:       heap / megabyte,
		cpuMessageMetric.Key: micros(used.own) / float64(max(sent.Messages, 1)),
		messagesMetric.Key:   float64(sent.Messages) / took.Seconds(),
	}}, nil
}

// playScale is the throughput over ten times the businesses, each with as much history.
func playScale(ctx context.Context, h *harness) (compare.Outcome, error) {
	many, each := 10_000, 200
	if h.o.short {
		many, each = 200, 100
	}
	turn := func(businesses int) func(context.Context) (compare.Sample, error) {
		return func(ctx context.Context) (compare.Sample, error) {
			return h.workOff(ctx, &labour{match: "scale", write: func(ctx context.Context, s *stack) (verify.SimulateReport, error) {
				return s.simulate(ctx, s.past(businesses, businesses*each), 0, 0)
			}})
		}
	}
	return h.play(ctx, compare.Match{
		Name: "scale",
		Title: fmt.Sprintf("raw history to ordered events, %s businesses against %s, all at the same time, %d messages each on average, %s",
			count(many), count(many/10), each, h.o.embeddedBroker()),
		Metrics: workMetrics,
		Contestants: []compare.Contestant{
			{Name: manyName, Turn: turn(many)},
			{Name: fewName, Turn: turn(many / 10)},
		},
		Pairs: []compare.Pair{{Metric: messagesMetric.Key, Of: manyName, To: fewName}, {Metric: cpuMessageMetric.Key, Of: manyName, To: fewName}},
		Plot:  messagesMetric.Key,
	})
}

// playTeam is what a second processor brings. Where they and the broker need more cores than there are, it can bring
// little; the CPU of a message says what it would bring with cores enough.
func playTeam(ctx context.Context, h *harness) (compare.Outcome, error) {
	const businesses = 400 // so many that the partitions have about the same to do
	// Two processors need most of a second for their start.
	backlog := 3 * h.o.backlogBytes
	turn := func(processors int) func(context.Context) (compare.Sample, error) {
		return func(ctx context.Context) (compare.Sample, error) {
			return h.workOff(ctx, &labour{match: "team", processors: processors, write: func(ctx context.Context, s *stack) (verify.SimulateReport, error) {
				return s.simulate(ctx, s.past(businesses, int(backlog/bytesPerMessage)), 0, 0)
			}})
		}
	}
	return h.play(ctx, compare.Match{
		Name:    "team",
		Title:   fmt.Sprintf("raw history to ordered events, two processors of one group against one, %d MB, %s", backlog/megabyte, h.o.embeddedBroker()),
		Metrics: workMetrics,
		Contestants: []compare.Contestant{
			{Name: twoName, Turn: turn(2)},
			{Name: oneName, Turn: turn(1)},
		},
		Pairs: []compare.Pair{{Metric: messagesMetric.Key, Of: twoName, To: oneName}, {Metric: cpuMessageMetric.Key, Of: twoName, To: oneName}},
		Plot:  messagesMetric.Key,
	})
}
