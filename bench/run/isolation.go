package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/coexstream/coexstream/bench/compare"
)

// Contestants of isolation.
const (
	idleName    = "live echo, idle"
	backlogName = "live echo, beside a backlog"
)

// backlogMetric is how long the backlog took, while echoes were sent.
var backlogMetric = compare.Metric{Key: "backlog", Title: "backlog", Unit: "s"}

// playIsolation is the live echo while history is worked off, beside the same on an idle system.
func playIsolation(ctx context.Context, h *harness) (compare.Outcome, error) {
	return h.play(ctx, compare.Match{
		Name: "isolation",
		Title: fmt.Sprintf("live echo, HTTP in to read-committed out, %d a second, while %d MB of history are worked off, %s",
			h.o.echoRate, h.o.backlogBytes/megabyte, h.o.embeddedBroker()),
		Metrics: []compare.Metric{p50Metric, p99Metric, p999Metric, backlogMetric},
		Contestants: []compare.Contestant{
			{Name: idleName, Turn: h.echoesAlone},
			{Name: backlogName, Turn: h.echoesBesideBacklog},
		},
		// Writing and checking gigabytes of backlog leaves no idle machine behind.
		InOrder: true,
		Pairs:   []compare.Pair{{Metric: p50Metric.Key, Of: backlogName, To: idleName}, {Metric: p99Metric.Key, Of: backlogName, To: idleName}},
		Plot:    p99Metric.Key,
	})
}

func (h *harness) echoesAlone(ctx context.Context) (sample compare.Sample, err error) {
	s, err := h.newStack(ctx, "isolation", nil)
	if err != nil {
		return sample, err
	}
	defer s.close(&err)
	if err := s.process(ctx); err != nil {
		return sample, err
	}
	return idleEchoes(ctx, s, h.o.turn)
}

// echoesBesideBacklog writes the history while no processor runs, then starts one and sends echoes until it
// has worked it off.
func (h *harness) echoesBesideBacklog(ctx context.Context) (sample compare.Sample, err error) {
	s, err := h.newStack(ctx, "isolation", nil)
	if err != nil {
		return sample, err
	}
	defer s.close(&err)
	if _, err := s.backlog(ctx); err != nil {
		return sample, err
	}
	rested()
	e, err := watchEchoes(ctx, s)
	if err != nil {
		return sample, err
	}
	defer e.close()
	if err := s.process(ctx); err != nil {
		return sample, err
	}
	begin := time.Now()
	if err := e.warm(ctx); err != nil {
		return sample, err
	}
	enough := make(chan struct{})
	drained := make(chan error, 1)
	probing := time.Now()
	go func() {
		defer close(enough)
		drained <- s.drained(ctx, team{s.proc})
		// A small backlog may be gone before the first echo is sent.
		const least = 300 * time.Millisecond
		select {
		case <-time.After(least - time.Since(probing)):
		case <-ctx.Done():
		}
	}()
	const ages = 24 * time.Hour // it is the end of the backlog that ends it
	p, err := e.probe(ctx, ages, enough)
	if err != nil {
		return sample, err
	}
	took := time.Since(begin)
	if err := <-drained; err != nil {
		return sample, err
	}
	v, err := s.check(ctx)
	if err != nil {
		return sample, err
	}
	sample = compare.Sample{OK: p.ok && v.OK(), Verdict: p.verdict + "; backlog " + verdictOf(&v), Values: latencyValues(p.latency)}
	sample.Values[backlogMetric.Key] = took.Seconds()
	return sample, nil
}

// rested gives the machine back as an idle one, after gigabytes were written: a backlog lies on the disk for long, and the
// memory of who sent it is not the processor's affair.
func rested() {
	debug.FreeOSMemory()
	syscall.Sync()
}
