package verify

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/internal/private"
	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/internal/verify/world"
)

// Providers of a source.
const (
	ProviderMeta      = "meta"
	Provider360Dialog = "360dialog"
	ProviderYCloud    = "ycloud"
)

// SimulateConfig configures a simulation and its target.
type SimulateConfig struct {
	URL      string // of the source for Meta's webhooks, or for everything when it is 360dialog's
	Provider string // of that source: meta or 360dialog
	Secret   string // its app secret

	DialogURL    string // of a second source, for 360dialog's partner URL; empty: none
	DialogSecret string

	YCloudURL    string // of a source for YCloud's events; empty: none
	YCloudSecret string

	Roots *x509.CertPool `json:"-"` // authorities whose certificates an ingress with TLS may show; nil: the system's

	TruthFile   string        // where the ground truth is written
	Concurrency int           // webhooks in flight at once
	Onboarding  int           // businesses that are onboarded at once, the others one after another; 0: all
	Rate        float64       // maximum webhooks per second; 0: no limit
	Timeout     time.Duration // of one attempt
	RetryFor    time.Duration // how long a webhook is tried again

	World world.Config // seed 0: a random one
}

// DefaultSimulateConfig has all values except URL and secret.
func DefaultSimulateConfig() SimulateConfig {
	return SimulateConfig{
		Provider: ProviderMeta, TruthFile: "simulate-truth.jsonl", Concurrency: 32, Timeout: 20 * time.Second, RetryFor: 2 * time.Minute,
		World: world.DefaultConfig(),
	}
}

// Validate returns an error that names the key, its value, and the allowed values.
func (c *SimulateConfig) Validate() error {
	if err := validURL("url", c.URL); err != nil {
		return err
	}
	if c.DialogURL != "" {
		if err := validURL("dialog_url", c.DialogURL); err != nil {
			return err
		}
		if c.DialogSecret == "" {
			return invalid.Value("dialog_secret", "", "the secret that signs the webhooks")
		}
	}
	if c.YCloudURL != "" {
		if err := validURL("ycloud_url", c.YCloudURL); err != nil {
			return err
		}
		if c.YCloudSecret == "" {
			return invalid.Value("ycloud_secret", "", "the secret that signs the webhooks")
		}
	}
	switch {
	case c.Provider != ProviderMeta && c.Provider != Provider360Dialog:
		return invalid.Value("provider", c.Provider, "%s, %s", ProviderMeta, Provider360Dialog)
	case c.Secret == "":
		return invalid.Value("secret", "", "the secret that signs the webhooks")
	case c.TruthFile == "":
		return invalid.Value("truth_file", c.TruthFile, "a path")
	case c.Concurrency < 1 || c.Concurrency > 4096:
		return invalid.Value("concurrency", c.Concurrency, "1 to 4096")
	case c.Onboarding < 0:
		return invalid.Value("onboarding", c.Onboarding, "0 or more")
	case !(c.Rate >= 0):
		return invalid.Value("rate", c.Rate, "0 or more")
	case c.Timeout <= 0:
		return invalid.Value("timeout", c.Timeout, "more than 0")
	case c.RetryFor < 0:
		return invalid.Value("retry_for", c.RetryFor, "0 or more")
	case c.World.Dialog > 0 && c.DialogURL == "" && c.Provider != Provider360Dialog:
		return invalid.Value("dialog", c.World.Dialog, "0, or any with dialog_url")
	case c.World.YCloud > 0 && c.YCloudURL == "":
		return invalid.Value("ycloud", c.World.YCloud, "0, or any with ycloud_url")
	}
	w := c.World
	if w.Start.IsZero() {
		w.Start = time.Now()
	}
	return w.Validate()
}

func validURL(key, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return invalid.Value(key, value, "http://… and https://…")
	}
	return nil
}

// SimulateReport is the result of a run.
type SimulateReport struct {
	Seed       uint64        `json:"seed"`
	Numbers    int           `json:"numbers"`
	Bodies     int           `json:"bodies"`     // different webhooks that were sent
	Deliveries int           `json:"deliveries"` // including intentional repetitions
	Acked      int           `json:"acked"`
	Unacked    int           `json:"unacked"` // given up
	Skipped    int           `json:"skipped"` // not started, because an earlier one was given up
	Retries    int           `json:"retries"`
	Statuses   map[int]int   `json:"statuses"` // last status of each delivery; 0: no answer
	Bytes      int64         `json:"bytes"`
	Messages   int64         `json:"messages"` // of the past, including repetitions
	Elapsed    time.Duration `json:"elapsed_ns"`
	LastError  string        `json:"last_error,omitempty"` // of a delivery that was given up
}

// Simulate plays a world. It returns when everything was delivered or given up. When ctx ends, it stops in the middle,
// and the truth has the bodies that were sent until then.
func Simulate(ctx context.Context, cfg SimulateConfig, p Progress) (SimulateReport, error) {
	if err := cfg.Validate(); err != nil {
		return SimulateReport{}, fmt.Errorf("simulate: %w", err)
	}
	if cfg.World.Seed == 0 {
		cfg.World.Seed = rand.Uint64()>>16 + 1 // short enough to type again
	}
	if cfg.World.Start.IsZero() {
		cfg.World.Start = time.Now().Truncate(time.Second)
	}
	switch {
	case cfg.Provider == Provider360Dialog && cfg.DialogURL == "":
		cfg.World.Dialog = 1
	case cfg.DialogURL != "" && cfg.World.Dialog == 0:
		cfg.World.Dialog = 0.3
	}
	if cfg.YCloudURL != "" && cfg.World.YCloud == 0 {
		cfg.World.YCloud = 0.15
	}
	w, err := world.New(cfg.World)
	if err != nil {
		return SimulateReport{}, fmt.Errorf("simulate: %w", err)
	}
	s := &simulation{cfg: cfg, w: w, p: p, untold: map[int]chan struct{}{}, report: SimulateReport{Seed: cfg.World.Seed, Statuses: map[int]int{}, Numbers: len(w.Numbers())}}
	if err := s.connect(); err != nil {
		return s.report, fmt.Errorf("simulate: %w", err)
	}
	f, err := private.OpenFile(cfg.TruthFile, os.O_CREATE|os.O_TRUNC|os.O_WRONLY)
	if err != nil {
		return s.report, fmt.Errorf("write the truth: %w", err)
	}
	s.truth = truth.NewWriter(f)
	err = s.run(ctx)
	// The written truth is valid even if the run did not end.
	if ferr := errors.Join(s.truth.Flush(), f.Close()); err == nil && ferr != nil {
		err = fmt.Errorf("write the truth to %s: %w", cfg.TruthFile, ferr)
	}
	return s.report, err
}

// simulation is a running simulation.
type simulation struct {
	cfg       SimulateConfig
	w         *world.World
	p         Progress
	truth     *truth.Writer
	endpoints map[string]*endpoint
	pace      pace

	mu     sync.Mutex            // of the world's stamps, of untold and of the report
	untold map[int]chan struct{} // bodies whose truth is being written; closed when it is
	report SimulateReport
}

func (s *simulation) connect() error {
	c := &s.cfg
	// The connection's limits leave room for a body of megabytes on a busy machine.
	main, err := newEndpoint(c.URL, c.Provider, c.Secret, c.Roots, c.Concurrency, c.Timeout)
	if err != nil {
		return err
	}
	s.endpoints = map[string]*endpoint{world.SourceMeta: main, world.SourceDialog: main}
	if c.DialogURL != "" {
		dialog, err := newEndpoint(c.DialogURL, Provider360Dialog, c.DialogSecret, c.Roots, c.Concurrency, c.Timeout)
		if err != nil {
			return err
		}
		s.endpoints[world.SourceDialog] = dialog
	}
	if c.YCloudURL != "" {
		ycloud, err := newEndpoint(c.YCloudURL, ProviderYCloud, c.YCloudSecret, c.Roots, c.Concurrency, c.Timeout)
		if err != nil {
			return err
		}
		s.endpoints[world.SourceYCloud] = ycloud
	}
	s.pace.every = 0
	if c.Rate > 0 {
		s.pace.every = time.Duration(float64(time.Second) / c.Rate)
	}
	return nil
}

func (s *simulation) run(ctx context.Context) error {
	begin := time.Now()
	defer func() { s.report.Elapsed = time.Since(begin) }()
	shown := s.cfg
	shown.Secret, shown.DialogSecret, shown.YCloudSecret = "", "", ""
	config, err := json.Marshal(shown)
	if err != nil {
		return fmt.Errorf("write the truth: %w", err)
	}
	if err := s.truth.Write(truth.Line{Head: &truth.Head{Version: truth.Version, Seed: s.cfg.World.Seed, Start: s.cfg.World.Start, Config: config}}); err != nil {
		return err
	}
	for _, n := range s.w.Numbers() {
		if err := s.truth.Write(truth.Line{Number: &n}); err != nil {
			return err
		}
	}
	total := int64(0)
	for _, stage := range s.w.Stages() {
		for _, script := range stage {
			for _, step := range script.Steps {
				total += int64(len(step.Bodies))
			}
		}
	}
	s.p.Begin("webhooks", total)
	defer s.p.End()
	for i, stage := range s.w.Stages() {
		if err := s.stage(ctx, newSchedule(stage, s.cfg.Onboarding, s.cfg.World.Seed+uint64(i))); err != nil {
			return err
		}
	}
	r := &s.report
	return s.truth.Write(truth.Line{End: &truth.End{
		At: time.Now().UTC(), Bodies: r.Bodies, Deliveries: r.Deliveries, Unacked: r.Unacked, Skipped: r.Skipped,
	}})
}

// stage plays the scripts of one stage with as many workers as webhooks may be in flight.
func (s *simulation) stage(ctx context.Context, sched *schedule) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range s.cfg.Concurrency {
		wg.Go(func() {
			var buf []byte
			for ctx.Err() == nil {
				d, ok, wait := sched.take()
				if !ok {
					if wait == nil {
						return
					}
					select {
					case <-ctx.Done():
					case <-wait:
					}
					continue
				}
				acked, err := s.send(ctx, d.body, &buf)
				if err != nil {
					cancel(err)
					return
				}
				sched.done(d, acked)
			}
		})
	}
	wg.Wait()
	s.report.Skipped += sched.skipped
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// send makes a body, writes its truth if it is new, and delivers it.
func (s *simulation) send(ctx context.Context, body int, buf *[]byte) (bool, error) {
	if s.pace.wait(ctx) != nil {
		return false, nil //nolint:nilerr // the stop was requested
	}
	s.mu.Lock()
	at, first := s.w.Stamp(body, time.Now())
	told := s.untold[body]
	if first {
		told = make(chan struct{})
		s.untold[body] = told
	}
	s.mu.Unlock()
	b, parts := s.w.Render((*buf)[:0], body, at, first)
	*buf = b
	// Written before it is sent, also the second time, so every sent body is known.
	if first {
		err := s.truth.Write(truth.Line{Body: &truth.Body{
			Index: body, Hash: truth.Sum(b), Length: len(b), Source: s.w.Source(body), Parts: parts,
		}})
		s.mu.Lock()
		delete(s.untold, body)
		s.mu.Unlock()
		close(told)
		if err != nil {
			return false, err
		}
	} else if told != nil {
		<-told
	}
	o := s.endpoints[s.w.Source(body)].deliver(ctx, b, s.cfg.RetryFor)
	if err := s.truth.Write(truth.Line{Sent: &truth.Sent{
		Body: body, Acked: o.acked, Attempts: o.attempts, FirstMS: o.first.UnixMilli(), LastMS: o.last.UnixMilli(), Status: o.status,
	}}); err != nil {
		return false, err
	}
	s.p.Add(1)
	s.count(first, len(b), parts, o)
	return o.acked, nil
}

func (s *simulation) count(first bool, length int, parts []truth.Part, o outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.report
	if first {
		r.Bodies++
	}
	for i := range parts {
		if parts[i].Kind == truth.KindChunk {
			r.Messages += int64(len(parts[i].Items))
		}
	}
	r.Deliveries++
	r.Bytes += int64(length)
	r.Retries += o.attempts - 1
	r.Statuses[o.status]++
	if o.acked {
		r.Acked++
		return
	}
	r.Unacked++
	if o.err != nil {
		if r.LastError == "" {
			s.p.Say(fmt.Sprintf("a webhook was given up after %d attempts: %v", o.attempts, o.err))
		}
		r.LastError = o.err.Error()
	}
}

// pace spreads webhooks evenly.
type pace struct {
	mu    sync.Mutex
	every time.Duration
	next  time.Time
}

func (p *pace) wait(ctx context.Context) error {
	if p.every == 0 {
		return ctx.Err()
	}
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	turn := p.next
	p.next = p.next.Add(p.every)
	p.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(turn)):
		return nil
	}
}
