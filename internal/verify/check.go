package verify

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/verify/judge"
	"github.com/coexstream/coexstream/internal/verify/pipeline"
	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// Verdict is the outcome of a check.
type Verdict = judge.Verdict

// CheckConfig configures a check.
type CheckConfig struct {
	Brokers    []string
	Connection *kafka.Connection // instead of Brokers, for TLS or a login
	Prefix     string            // of the topics' names
	TruthFile  string

	Wait   time.Duration // maximum wait for missing records
	Settle time.Duration // how long the topics must be quiet at the end, to notice surplus records
	Poll   time.Duration // pause between two looks

	// The processor's waits: a chunk that comes later may be marked late.
	GapTimeout, PhaseHold, QuietTime time.Duration
	// Its waits for a requested sync.
	SilentAfter, StalledAfter, DeadlineNear time.Duration

	Secrets       []string // app secrets, to verify the signatures again; none: signatures are not judged
	ValidateEvery int      // every n-th event of a type is validated against its JSON Schema; 0: none
	SamplesMax    int      // of each kind of fault in each topic
}

// DefaultCheckConfig suits a coexstream with default settings on this machine.
func DefaultCheckConfig() CheckConfig {
	o := judge.DefaultOptions()
	return CheckConfig{
		Brokers: []string{"127.0.0.1:9092"}, Prefix: "coex.", TruthFile: "simulate-truth.jsonl",
		Wait: 2 * time.Minute, Settle: 2 * time.Second, Poll: 300 * time.Millisecond,
		GapTimeout: o.GapTimeout, PhaseHold: o.PhaseHold, QuietTime: o.QuietTime, ValidateEvery: 100, SamplesMax: o.SamplesMax,
		SilentAfter: o.SilentAfter, StalledAfter: o.StalledAfter, DeadlineNear: o.DeadlineNear,
	}
}

// Validate returns an error that names the key, its value, and the allowed values.
func (c *CheckConfig) Validate() error {
	switch {
	case len(c.Brokers) == 0 && c.Connection == nil:
		return invalid.Value("brokers", c.Brokers, "at least one host:port")
	case c.TruthFile == "":
		return invalid.Value("truth_file", c.TruthFile, "a path")
	case c.Wait < 0:
		return invalid.Value("wait", c.Wait, "0 or more")
	case c.Settle < 0:
		return invalid.Value("settle", c.Settle, "0 or more")
	case c.Poll <= 0:
		return invalid.Value("poll", c.Poll, "more than 0")
	case c.ValidateEvery < 0:
		return invalid.Value("validate_every", c.ValidateEvery, "0 or more")
	}
	o := c.options()
	return o.Check()
}

func (c *CheckConfig) options() judge.Options {
	return judge.Options{
		GapTimeout: c.GapTimeout, PhaseHold: c.PhaseHold, QuietTime: c.QuietTime, Secrets: c.Secrets, SamplesMax: c.SamplesMax,
		ValidateEvery: max(c.ValidateEvery, 1), SilentAfter: c.SilentAfter, StalledAfter: c.StalledAfter, DeadlineNear: c.DeadlineNear,
	}
}

// Check reads the topics of a cluster and compares them with the truth of a run. It returns when all expected records
// are present and the topics are quiet, or when the wait is over.
func Check(ctx context.Context, cfg CheckConfig, p Progress) (Verdict, error) {
	if err := cfg.Validate(); err != nil {
		return Verdict{}, fmt.Errorf("check: %w", err)
	}
	conn := connectionTo(cfg.Brokers)
	if cfg.Connection != nil {
		conn = *cfg.Connection
	}
	src := newKafkaSource(conn, cfg.Prefix)
	defer src.close()
	return CheckSource(ctx, cfg, src, p)
}

// CheckSource is Check over any source.
func CheckSource(ctx context.Context, cfg CheckConfig, src Source, p Progress) (Verdict, error) {
	if err := cfg.Validate(); err != nil {
		return Verdict{}, fmt.Errorf("check: %w", err)
	}
	opt := cfg.options()
	var err error
	if opt.Partitions, err = src.Partitions(ctx); err != nil {
		return Verdict{}, fmt.Errorf("check: %w", err)
	}
	opt.AsOf = time.Now()
	if cfg.ValidateEvery > 0 {
		if opt.Validate, err = newValidator(); err != nil {
			return Verdict{}, fmt.Errorf("check: %w", err)
		}
	}
	j, err := judge.New(opt)
	if err != nil {
		return Verdict{}, fmt.Errorf("check: %w", err)
	}
	if err := readTruth(cfg.TruthFile, j, p); err != nil {
		return Verdict{}, fmt.Errorf("check: %w", err)
	}
	c := &checking{cfg: cfg, src: src, j: j, p: p}
	if err := c.raw(ctx); err != nil {
		return Verdict{}, fmt.Errorf("check: %w", err)
	}
	j.Expect()
	if err := c.events(ctx); err != nil {
		return Verdict{}, fmt.Errorf("check: %w", err)
	}
	return j.Verdict(), nil
}

func readTruth(file string, j *judge.Judge, p Progress) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read the truth: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	p.Begin("truth", 0)
	defer p.End()
	ended := false
	err = truth.Read(f, func(n int, l *truth.Line) error {
		p.Add(1)
		ended = ended || l.End != nil
		if err := j.Truth(l); err != nil {
			return fmt.Errorf("line %d of %s: %w", n, file, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !ended {
		p.Say("the run was interrupted: its truth has the webhooks that were sent until then")
	}
	return nil
}

// checking is a running check.
type checking struct {
	cfg CheckConfig
	src Source
	j   *judge.Judge
	p   Progress
}

// raw reads the raw topics until no more records come. It waits for missing acknowledged bodies, because they may be in
// the spool of an ingress.
func (c *checking) raw(ctx context.Context) error {
	c.p.Begin("raw", 0)
	defer c.p.End()
	deadline := time.Now().Add(c.cfg.Wait)
	for quiet := time.Duration(0); ; {
		// A body may take megabytes: one at a time.
		n, err := poll(ctx, c.src, []schemas.Topic{schemas.TopicRawLive, schemas.TopicRawBulk}, 1, c.j.ReadRaw, func(r *judge.RawReading) {
			c.p.Add(1)
			c.j.TakeRaw(r)
		})
		if err != nil {
			return err
		}
		if n > 0 {
			quiet = 0
		}
		if quiet >= c.cfg.Settle && (time.Now().After(deadline) || c.j.Absent() == 0) {
			return nil
		}
		if err := rest(ctx, c.cfg.Poll); err != nil {
			return err
		}
		quiet += c.cfg.Poll
	}
}

// poll is Source.Poll, but records are parsed in parallel before they are passed on in order.
func poll[R any](ctx context.Context, src Source, topics []schemas.Topic, atATime int, read func(judge.Record) R, take func(*R)) (n int, err error) {
	err = pipeline.Run(atATime, func(give func(judge.Record) bool) error {
		var err error
		n, err = src.Poll(ctx, topics, func(r judge.Record) { give(r) })
		return err
	}, read, func(r *R) error {
		take(r)
		return nil
	})
	return n, err
}

const eventsAtATime = 64

// events reads the other topics until all expected records are present and no more come, or the wait is over.
func (c *checking) events(ctx context.Context) error {
	owed := c.j.Owed()
	c.p.Begin("events", int64(owed))
	defer c.p.End()
	deadline := time.Now().Add(c.cfg.Wait)
	told, said := 0, time.Now()
	for quiet := time.Duration(0); ; {
		n, err := poll(ctx, c.src, judge.Topics(), eventsAtATime, judge.Read, c.j.Take)
		if err != nil {
			return err
		}
		missing := c.j.Missing()
		c.p.Add(int64(owed - missing - told))
		told = owed - missing
		if n > 0 {
			quiet = 0
		}
		now := time.Now()
		if missing == 0 && quiet >= c.cfg.Settle || missing > 0 && now.After(deadline) {
			return nil
		}
		if missing > 0 && now.Sub(said) >= 10*time.Second {
			said = now
			c.p.Say(fmt.Sprintf("%d of %d are missing, waiting for %s more", missing, owed, deadline.Sub(now).Round(time.Second)))
		}
		if err := rest(ctx, c.cfg.Poll); err != nil {
			return err
		}
		quiet += c.cfg.Poll
	}
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
