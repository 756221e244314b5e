package sinktest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/sinks"
)

// killed is the world that the processes of Kills bring to a target.
func killed() *World {
	w := NewWorld(9, 4000, 0, 1)
	w.Poison(5)
	return w
}

// Kills kills a writing process fifty times, at any moment of its work; five times with -short. Each next process
// continues at the positions of the target. The package's TestMain calls Child.
func Kills(t *testing.T, place func(t *testing.T) Place) {
	s := &setting{Place: place(t), t: t}
	s.Shared = false
	rng := seed.Rand(t)
	kills := 50
	if testing.Short() {
		kills = 5
	}
	hits := 0
	for i := range kills {
		c := s.start(&Order{RecordsMax: 5, Shown: 1000 * (i + 1) / (kills + 1)}) // each one has something to do
		c.await(saidTaken, 1+rng.IntN(3))
		s.elapse(time.Now(), time.Duration(rng.IntN(2000))*time.Microsecond) // anywhere in a batch
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatalf("it ended before it was killed: %v", err)
		}
		if c.killed(); c.count(saidIdle) == 0 {
			hits++
		}
	}
	if hits < kills/5 {
		t.Errorf("%d of %d processes were killed at work", hits, kills)
	}
	last := s.start(&Order{RecordsMax: 5, Shown: 1000})
	last.await(saidIdle, 1)
	last.stop()
	s.hold(t, killed())
}

// fill brings the world of Kills to the target.
func (o *Order) fill(ctx context.Context, target Target) error {
	return o.Fill(ctx, func(log *Log) (Runner, error) {
		c := sinks.DefaultConfig()
		c.Name, c.RecordsMax, c.Poll, c.RetryMin, c.RetryMax = "test", o.RecordsMax, time.Millisecond, time.Millisecond, 50*time.Millisecond
		return sinks.New(c, sinks.Deps{Log: log, Target: &trapped{target, o}, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	})
}

// erasuresOf are those of a target that keeps some.
func erasuresOf(target sinks.Target) *sinks.Erasures {
	if e, ok := target.(sinks.Eraser); ok {
		return e.Erasures()
	}
	return nil
}
