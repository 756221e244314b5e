package sinks_test

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
)

// memory is a target that stores its batches, and fails on demand.
type memory struct {
	mu        sync.Mutex
	positions map[schemas.Topic]sinks.Position
	order     []string // lane and messages of each step
	seen      map[string]int
	letters   []sinks.Letter
	steps     int
	fail      func(b *sinks.Batch) error
}

func newMemory() *memory {
	return &memory{positions: map[schemas.Topic]sinks.Position{}, seen: map[string]int{}}
}

func (m *memory) Positions(context.Context, int32) (map[schemas.Topic]sinks.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.positions), nil
}

func (m *memory) Apply(_ context.Context, b *sinks.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(b); err != nil {
			return err
		}
	}
	for _, a := range b.Advances {
		if p, ok := m.positions[a.Topic]; ok != (a.From >= 0) || ok && p.Next != a.From {
			return sinks.ErrFenced
		}
		m.positions[a.Topic] = a.To
	}
	m.steps++
	m.letters = append(m.letters, b.Letters...)
	if len(b.Rows.Messages)+len(b.Rows.Notes) > 0 {
		m.order = append(m.order, map[bool]string{true: "live", false: "backlog"}[b.Live])
	}
	for _, row := range b.Rows.Messages {
		for _, id := range []string{row.Content.EventID, row.Edit.EventID, row.Revoke.EventID, row.Media.EventID} {
			m.seen[id]++
		}
	}
	return nil
}

// events is how many distinct events came.
func (m *memory) events() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.seen)
}

// taken is how many batches were taken.
func (m *memory) taken() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.steps
}

type running struct {
	sink *sinks.Sink
	reg  *prometheus.Registry
	stop func()
}

// start runs a sink of all partitions in a bubble of synctest.
func start(t *testing.T, log sinks.Log, target sinks.Target, change func(*sinks.Config)) running {
	t.Helper()
	c := named("test")
	if change != nil {
		change(&c)
	}
	return startAs(t, c, sinks.Deps{Log: log, Target: target})
}

// startShared runs a sink that shares the partitions.
func startShared(t *testing.T, log sinks.Log, target sinks.Target, s shares) running {
	t.Helper()
	return startAs(t, named("test"), sinks.Deps{Log: log, Target: target, Assignment: s})
}

func startAs(t *testing.T, c sinks.Config, deps sinks.Deps) running {
	t.Helper()
	reg := prometheus.NewRegistry()
	deps.Registerer, deps.Logger, deps.Now = reg, slog.New(slog.DiscardHandler), time.Now
	sink, err := sinks.New(c, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sink.Run(ctx) }()
	return running{sink, reg, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}}
}

func (r *running) metric(t *testing.T, name string) (sum float64) {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

var _ sinks.Target = (*memory)(nil)

func named(name string) sinks.Config {
	c := sinks.DefaultConfig()
	c.Name = name
	return c
}
