package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// team are the processors of one group.
type team []*role

// team starts so many processors and returns when each has its partitions.
func (s *stack) team(ctx context.Context, n int) (t team, err error) {
	defer func() {
		if err != nil {
			t.stop(&err)
		}
	}()
	for i := range n {
		p, err := s.sub.start(ctx, "process", "--set", fmt.Sprintf("processor.instance_id=bench-%d", i))
		if err != nil {
			return t, err
		}
		t = append(t, p)
	}
	// The first one was alone for a moment, and had all of them.
	for until := time.Now().Add(gaugeWait); ; {
		even := true
		for _, p := range t {
			assigned, err := p.metric(ctx, "coexstream_processor_partitions", "")
			if err == nil && assigned == 0 {
				assigned, err = p.metric(ctx, "coexstream_processor_tasks", "") // the name in earlier builds
			}
			if err != nil {
				return t, err
			}
			even = even && int(assigned) == partitions/n
		}
		switch {
		case even:
			return t, t.each(func(r *role) error { return r.ready(ctx) })
		case time.Now().After(until):
			return t, fmt.Errorf("%d processors do not share %d partitions evenly", n, partitions)
		}
		select {
		case <-ctx.Done():
			return t, ctx.Err()
		case <-time.After(gaugePoll):
		}
	}
}

// ready is an error while the role is not.
func (r *role) ready(ctx context.Context) error {
	_, err := r.get(ctx, "/readyz")
	return err
}

func (t team) each(do func(*role) error) error {
	for _, p := range t {
		if err := do(p); err != nil {
			return err
		}
	}
	return nil
}

// ended reports whether one of the team has ended.
func (t team) ended() bool {
	return slices.ContainsFunc(t, func(p *role) bool {
		select {
		case <-p.Done():
			return true
		default:
			return false
		}
	})
}

func (t team) stop(err *error) {
	for _, p := range t {
		// One that is held would not hear it.
		*err = errors.Join(*err, p.Resume(), p.Stop())
	}
}

// usage is what a team and its broker have used so far.
type usage struct {
	own, broker time.Duration
	rss         int64
}

func (t team) used(b *broker) (u usage, err error) {
	for _, p := range t {
		cpu, err := p.CPU()
		if err != nil {
			return u, err
		}
		rss, err := p.PeakRSS()
		if err != nil {
			return u, err
		}
		u.own, u.rss = u.own+cpu, u.rss+rss
	}
	if b.proc != nil {
		u.broker, err = b.proc.CPU()
	}
	return u, err
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
