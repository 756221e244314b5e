package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/pprof/profile"

	"github.com/coexstream/coexstream/bench/flame"
	"github.com/coexstream/coexstream/bench/load"
)

// drawFlamegraphs takes CPU profiles of the ingress and of the processor at work, and draws them into a folder.
func drawFlamegraphs(ctx context.Context, o options) (err error) {
	h, err := newHarness(ctx, o)
	if err != nil {
		return err
	}
	defer h.stop.all(&err)
	if err := os.MkdirAll(o.flamegraphs, 0o755); err != nil {
		return fmt.Errorf("draw flame graphs: %w", err)
	}
	if err := h.drawIngress(ctx, "ingress", "Ingress, signed echoes of 1 KB, 64 connections", 64, load.Kind{Name: load.Echo, Bytes: 1 << 10, Weight: 1}); err != nil {
		return err
	}
	if err := h.drawIngress(ctx, "ingress-history", "Ingress, signed history of 1 MB, 8 connections", 8, load.Kind{Name: load.History, Bytes: 1_000_000, Weight: 1}); err != nil {
		return err
	}
	if err := h.drawProcessor(ctx); err != nil {
		return err
	}
	return h.clean()
}

func (h *harness) drawIngress(ctx context.Context, name, title string, connections int, k load.Kind) (err error) {
	spec := load.Spec{Connections: connections, Duration: h.o.turn, Timeout: requestTimeout, Mix: []load.Kind{k}}
	ts, err := load.NewTemplates(spec.Mix)
	if err != nil {
		return err
	}
	var stop stops
	defer stop.all(&err)
	_, s, err := h.alone(ctx, name, nil, &stop)
	if err != nil {
		return err
	}
	taken := h.profile(ctx, s.admin)
	m, err := h.load(ctx, s, spec, ts)
	if err != nil {
		return err
	}
	if sample := m.sample(); !sample.OK {
		return fmt.Errorf("profile %s: %s", name, sample.Verdict)
	}
	return h.draw(name, title, <-taken)
}

func (h *harness) drawProcessor(ctx context.Context) (err error) {
	s, err := h.newStack(ctx, "processor", nil)
	if err != nil {
		return err
	}
	defer s.close(&err)
	team, err := s.team(ctx, 1)
	if err != nil {
		return err
	}
	defer team.stop(&err)
	if err := team.each((*role).Pause); err != nil {
		return err
	}
	if _, err := s.backlog(ctx); err != nil {
		return err
	}
	if err := liveIsOver(ctx); err != nil {
		return err
	}
	if err := team.each((*role).Resume); err != nil {
		return err
	}
	taken := h.profile(ctx, team[0].admin)
	if err := s.drained(ctx, team); err != nil {
		return err
	}
	v, err := s.check(ctx)
	if err != nil {
		return err
	}
	if !v.OK() {
		return fmt.Errorf("profile the processor: %s", verdictOf(&v))
	}
	return h.draw("processor", "Processor, raw history to ordered events, exactly once", <-taken)
}

// profiled is a profile, or why there is none.
type profiled struct {
	profile *profile.Profile
	err     error
}

// profile takes a CPU profile as long as a turn, while the turn runs.
func (h *harness) profile(ctx context.Context, admin string) <-chan profiled {
	taken := make(chan profiled, 1)
	go func() {
		p, err := fetchProfile(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", admin, max(1, int(h.o.turn/time.Second))))
		taken <- profiled{p, err}
	}()
	return taken
}

func fetchProfile(ctx context.Context, url string) (p *profile.Profile, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("take a profile: %w", err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		return nil, fmt.Errorf("take a profile from %s: %s: %s", url, res.Status, text)
	}
	if p, err = profile.Parse(res.Body); err != nil {
		return nil, fmt.Errorf("take a profile from %s: %w", url, err)
	}
	return p, nil
}

func (h *harness) draw(name, title string, taken profiled) error {
	if taken.err != nil {
		return taken.err
	}
	root, err := flame.Fold(taken.profile)
	if err != nil {
		return fmt.Errorf("draw %s: %w", name, err)
	}
	path := filepath.Join(h.o.flamegraphs, name+".svg")
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("draw %s: %w", name, err)
	}
	note := fmt.Sprintf("%s of CPU time; callers on top, wide is long; drawn by make flamegraphs", root.Time.Round(10*time.Millisecond))
	if err := errors.Join(flame.Draw(f, title, note, root), f.Close()); err != nil {
		return fmt.Errorf("draw %s: %w", path, err)
	}
	fmt.Println(path)
	return nil
}
