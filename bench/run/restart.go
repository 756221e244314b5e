package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/coexstream/coexstream/bench/compare"
)

var readyMetric = compare.Metric{Key: "ready", Title: "kill -9 to ready", Unit: "s"}

// playRestart kills a processor that has a large state, and starts it again. The state is the work of webhooks, and
// is made once for all rounds.
func playRestart(ctx context.Context, h *harness) (o compare.Outcome, err error) {
	r := &restart{h: h, contacts: 1_000_000, syncs: 1_000, messages: 1_000_000}
	if h.o.short {
		r.contacts, r.syncs, r.messages = 10_000, 50, 20_000
	}
	defer r.close(&err)
	return h.play(ctx, compare.Match{
		Name: "restart",
		Title: fmt.Sprintf("restart after kill -9 with %s contacts, %s open syncs and their %s messages in state, %s",
			count(r.contacts), count(r.syncs), count(r.messages), h.o.embeddedBroker()),
		Metrics:     []compare.Metric{readyMetric, cpuSecondsMetric, rssMetric},
		Contestants: []compare.Contestant{{Name: subjectName, Turn: r.turn, Remark: "with an instance id: without one the group first waits for processor.session_timeout"}},
		Plot:        readyMetric.Key,
	})
}

type restart struct {
	h                         *harness
	contacts, syncs, messages int
	stack                     *stack // nil before the first turn
}

func (r *restart) close(err *error) {
	if r.stack != nil {
		r.stack.close(err)
	}
}

// build lets a processor come to its state. A few businesses may be dealt no messages, and have no sync then.
func (r *restart) build(ctx context.Context) (err error) {
	if r.stack, err = r.h.newStack(ctx, "restart", nil); err != nil {
		return err
	}
	w := r.stack.past(r.syncs+r.syncs/10, r.messages)
	w.Contacts, w.SecondNumber = r.contacts, 0
	w.NoLastPhase = 1 // what never ends stays open
	if _, err := r.stack.simulate(ctx, w, 0, 0); err != nil {
		return err
	}
	if err := r.stack.process(ctx); err != nil {
		return err
	}
	return r.stack.drained(ctx, team{r.stack.proc})
}

func (r *restart) turn(ctx context.Context) (sample compare.Sample, err error) {
	if r.stack == nil {
		if err := r.build(ctx); err != nil {
			return sample, err
		}
	}
	s := r.stack
	s.proc.Kill()
	begin := time.Now()
	if err := s.process(ctx); err != nil {
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
	contacts, err := s.proc.metric(ctx, "coexstream_processor_restored_records_total", `topic="contacts"`)
	if err != nil {
		return sample, err
	}
	open, err := s.proc.reaches(ctx, "coexstream_processor_running_syncs", float64(r.syncs))
	if err != nil {
		return sample, err
	}
	v, err := s.check(ctx)
	if err != nil {
		return sample, err
	}
	ok := v.OK() && contacts >= float64(r.contacts) && open >= float64(r.syncs)
	return compare.Sample{
		OK:      ok,
		Verdict: fmt.Sprintf("%s; %s records of contacts restored, %s syncs open", verdictOf(&v), count(int(contacts)), count(int(open))),
		Values:  map[string]float64{readyMetric.Key: took.Seconds(), cpuSecondsMetric.Key: cpu.Seconds(), rssMetric.Key: float64(rss) / megabyte},
	}, nil
}

// count is a number as titles have it.
func count(n int) string {
	if n >= 1_000_000 && n%1_000_000 == 0 {
		return fmt.Sprintf("%d million", n/1_000_000)
	}
	if n >= 1_000 {
		return fmt.Sprintf("%s,%03d", count(n/1_000), n%1_000)
	}
	return strconv.Itoa(n)
}
