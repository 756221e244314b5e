package webhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/sony/gobreaker/v2"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// Sink delivers to all endpoints.
type Sink struct {
	cfg  Config
	deps Deps

	changes bell

	mu       sync.Mutex
	wanted   Endpoints
	couriers map[string]*active
	ends     map[schemas.Topic]map[int32]int64
	broken   error // of the brokers; nil: they answered
}

// active is a courier that runs.
type active struct {
	*courier
	cancel context.CancelFunc
	ended  chan struct{}
}

// New prepares a sink. Nothing is read before Run.
func New(cfg Config, deps Deps, endpoints Endpoints) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("sink webhook: %w", err)
	}
	s := &Sink{cfg: cfg, deps: deps, changes: newBell(), couriers: map[string]*active{}, broken: errors.New("it has not begun to read")}
	return s, s.Apply(endpoints)
}

// Apply replaces the endpoints. Those that did not change are not disturbed. An error has changed nothing.
func (s *Sink) Apply(endpoints Endpoints) error {
	sum := 0
	for _, e := range endpoints {
		sum += e.InFlight
	}
	if sum > s.cfg.InFlightMax {
		return invalid.Value("in_flight", sum, "at most sink.webhook.in_flight_max (%d) for all endpoints together", s.cfg.InFlightMax)
	}
	s.mu.Lock()
	s.wanted = endpoints
	s.mu.Unlock()
	s.changes.ring()
	return nil
}

func (s *Sink) limitsOf(e *Endpoint) queue.Limits {
	return queue.Limits{
		InFlight: e.InFlight, EventsMax: e.EventsMax, BytesMax: e.BytesMax, AttemptsMax: e.AttemptsMax, HeldMax: s.cfg.HeldMax, HeldBytes: s.cfg.HeldBytes, Delay: s.cfg.delay,
	}
}

// Run delivers until ctx ends. It returns when all requests were answered and committed.
func (s *Sink) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.survey(ctx) })
	for ctx.Err() == nil {
		select {
		case <-s.changes:
			s.adapt(ctx)
		case <-ctx.Done():
		}
	}
	wg.Wait()
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.couriers))
	s.mu.Unlock()
	for _, a := range all {
		<-a.ended
	}
	return nil
}

// adapt starts, changes and ends couriers.
func (s *Sink) adapt(ctx context.Context) {
	s.mu.Lock()
	wanted := s.wanted
	current := maps.Clone(s.couriers)
	s.mu.Unlock()
	for name, a := range current {
		if !slices.ContainsFunc(wanted, func(e *Endpoint) bool { return e.Name == name }) {
			a.cancel()
			<-a.ended
			a.m.meter.Unregister()
			s.mu.Lock()
			delete(s.couriers, name)
			s.mu.Unlock()
			s.deps.Logger.Info("the endpoint was removed", "endpoint", name)
		}
	}
	for _, e := range wanted {
		if a := current[e.Name]; a != nil {
			if a.endpoint().sum != e.sum {
				a.configure(e)
				s.deps.Logger.Info("the endpoint was changed", "endpoint", e.Name)
			}
			continue
		}
		if err := s.start(ctx, e); err != nil {
			s.deps.Logger.Error("the endpoint cannot be started", "endpoint", e.Name, "error", err)
		}
	}
}

func (s *Sink) start(ctx context.Context, e *Endpoint) error {
	group, err := s.deps.Group(e.Name)
	if err != nil {
		return err
	}
	c, err := newCourier(s, e, group)
	if err != nil {
		return err
	}
	run, cancel := context.WithCancel(ctx)
	a := &active{c, cancel, make(chan struct{})}
	s.mu.Lock()
	s.couriers[e.Name] = a
	s.mu.Unlock()
	go func() {
		defer close(a.ended)
		defer cancel()
		if err := c.run(run); err != nil {
			s.deps.Logger.Error("the endpoint ended", "endpoint", e.Name, "error", err)
		}
	}()
	return nil
}

// survey asks for the ends of all logs.
func (s *Sink) survey(ctx context.Context) {
	var partitions []int32
	for {
		var err error
		if partitions == nil {
			partitions, err = s.deps.Log.Partitions(ctx)
		}
		if err == nil {
			err = s.look(ctx, partitions)
		}
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		if s.broken == nil && err != nil {
			s.deps.Logger.Warn("the brokers do not answer the webhook sink", "error", err)
		}
		s.broken = err
		s.mu.Unlock()
		if !sinks.Pause(ctx, s.cfg.Poll) {
			return
		}
	}
}

func (s *Sink) look(ctx context.Context, partitions []int32) error {
	ends, err := s.deps.Log.Ends(ctx, partitions)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.ends = ends
	all := slices.Collect(maps.Values(s.couriers))
	s.mu.Unlock()
	for _, a := range all {
		a.see(ends)
	}
	return nil
}

// end is the newest end of a log.
func (s *Sink) end(p queue.Place) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, ok := s.ends[p.Topic][p.Partition]
	return end, ok
}

// Ready returns the reason why the sink cannot read or commit. An endpoint that does not answer does not: see Trouble.
func (s *Sink) Ready() error {
	s.mu.Lock()
	broken, all := s.broken, maps.Clone(s.couriers)
	s.mu.Unlock()
	if broken != nil {
		return broken
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := all[name]
		c.mu.Lock()
		for _, what := range slices.Sorted(maps.Keys(c.broken)) {
			broken = errors.Join(broken, fmt.Errorf("endpoint %s: %s: %w", name, what, c.broken[what]))
		}
		for _, r := range c.readers {
			for _, err := range r.blocked {
				broken = errors.Join(broken, fmt.Errorf("endpoint %s: %w", name, err))
			}
		}
		c.mu.Unlock()
		if err := c.damage.Err(); err != nil {
			broken = errors.Join(broken, fmt.Errorf("endpoint %s: %w", name, err))
		}
	}
	return broken
}

// Trouble tells which endpoints get no events, and why.
func (s *Sink) Trouble() error {
	s.mu.Lock()
	all := maps.Clone(s.couriers)
	s.mu.Unlock()
	var err error
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := all[name]
		c.mu.Lock()
		switch {
		case c.q.Disabled():
			err = errors.Join(err, fmt.Errorf("endpoint %s: disabled, because it answered 410; change it in its file, or restart", name))
		case c.breaker.State() != gobreaker.StateClosed:
			err = errors.Join(err, fmt.Errorf("endpoint %s: it fails, and only probes are sent: %s", name, c.last))
		}
		c.mu.Unlock()
	}
	return err
}
