package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/coexstream/coexstream/bench/durable"
	"github.com/coexstream/coexstream/internal/verify"
	"github.com/coexstream/coexstream/internal/verify/judge"
	"github.com/coexstream/coexstream/internal/verify/world"
	"github.com/coexstream/coexstream/schemas"
)

// stack is a whole coexstream with topics of its own: a broker, the ingress and, when it is started, the
// processor.
type stack struct {
	h       *harness
	broker  *broker
	sub     *subject
	ingress *server
	proc    *role // nil: the processor does not run
	stop    stops
	truth   string // of the backlog
	// patience is how long the processor waits for a chunk or a phase, and remembers a window beyond its end; 0: as
	// by default.
	patience time.Duration
}

// newStack starts all but the processor. With a broker of the caller's it takes that one, else a new
// embedded one.
func (h *harness) newStack(ctx context.Context, name string, on *broker) (s *stack, err error) {
	s = &stack{h: h, broker: on}
	defer func() {
		if err != nil {
			s.close(&err)
		}
	}()
	if on == nil {
		if s.broker, err = h.startBroker(ctx, name); err != nil {
			return s, err
		}
		s.stop.add(s.broker.stop)
	}
	if s.sub, err = h.newSubject(ctx, name, s.broker, nil); err != nil {
		return s, err
	}
	if on != nil {
		// The signal that ends a run ends ctx as well, and the topics are to go then, too.
		s.stop.add(func() error { return s.sub.remove(context.WithoutCancel(ctx)) })
	}
	s.truth = h.path(s.sub.name + "-truth.jsonl")
	s.ingress, err = s.sub.ingress(ctx)
	if s.ingress != nil {
		s.stop.add(s.ingress.stop)
	}
	return s, err
}

// process starts the processor and returns when it serves its partitions.
func (s *stack) process(ctx context.Context) (err error) {
	var args []string
	if s.patience > 0 {
		for _, key := range []string{"gap_timeout", "phase_hold"} {
			args = append(args, "--set", fmt.Sprintf("processor.history.%s=%s", key, s.patience))
		}
	}
	s.proc, err = s.sub.start(ctx, "process", args...)
	return err
}

func (s *stack) close(err *error) {
	if s.proc != nil {
		*err = errors.Join(*err, s.proc.Stop())
	}
	s.stop.all(err)
}

// bytesPerMessage is about what a past message takes in a body.
const bytesPerMessage = 290

// backlog plays the history of businesses against the ingress, as verify.Simulate does, and returns what it
// sent. It is all history: what else the world has is for the other matches.
func (s *stack) backlog(ctx context.Context) (verify.SimulateReport, error) {
	return s.simulate(ctx, s.past(backlogBusinesses, int(s.h.o.backlogBytes/bytesPerMessage)), 0, 0)
}

const backlogBusinesses = 40

// past is a world of history only, of businesses that stay and send nothing twice, and nothing odd: the match measures
// the usual case.
func (s *stack) past(businesses, messages int) world.Config {
	w := world.DefaultConfig().Plain()
	w.Seed, w.Businesses, w.Messages = uint64(s.h.subjects)+1000, businesses, messages
	if s.h.seed > 0 {
		w.Seed = s.h.seed
	}
	w.Live, w.Contacts, w.Unknown, w.Broken = 0, 0, 0, 0
	w.DuplicateRate, w.Reonboard, w.Declines, w.Mixed, w.Several, w.MediaFollow = 0, 0, 0, 0, 0, 0
	return w
}

// simulate plays a world against the ingress, with so many businesses at a time (0: all) and so many webhooks a second
// (0: as fast as it goes), and returns what it sent.
func (s *stack) simulate(ctx context.Context, w world.Config, onboarding int, rate float64) (verify.SimulateReport, error) {
	c := verify.DefaultSimulateConfig()
	c.URL, c.Secret, c.TruthFile, c.World, c.Onboarding, c.Rate = s.ingress.url, secret, s.truth, w, onboarding, rate
	r, err := verify.Simulate(ctx, c, verify.NewProgress(discard{}, false))
	if err != nil {
		return r, err
	}
	if r.Unacked+r.Skipped > 0 {
		return r, fmt.Errorf("the webhooks could not be delivered: %d bodies were given up: %s", r.Unacked+r.Skipped, r.LastError)
	}
	return r, nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// check judges the backlog's events. Webhooks that the match itself sent beside it have other numbers, and are not
// judged. The judge's memory, which grows with the backlog, is released before the next measurement.
func (s *stack) check(ctx context.Context) (judge.Verdict, error) {
	c := verify.DefaultCheckConfig()
	c.Brokers, c.Prefix, c.TruthFile, c.Secrets = s.broker.addresses, s.sub.prefix, s.truth, []string{secret}
	c.Settle = time.Second
	if len(s.h.o.builds) > 0 {
		c.Wait = buildsWait
	}
	if s.patience > 0 {
		c.GapTimeout, c.PhaseHold = s.patience, s.patience
	}
	defer debug.FreeOSMemory()
	return verify.Check(ctx, c, verify.NewProgress(discard{}, false))
}

// drainPoll is how often the processor's progress is looked at.
const drainPoll = 10 * time.Millisecond

// drained waits until the processors have committed all that is in the raw topics now, or one has ended.
func (s *stack) drained(ctx context.Context, by team) error {
	return s.committed(ctx, by, s.sub.group(), schemas.TopicRawLive, schemas.TopicRawBulk)
}

// committed waits until a group has committed all that is in some topics now, or one of its team has ended.
func (s *stack) committed(ctx context.Context, by team, group string, topics ...schemas.Topic) error {
	ends, err := durable.End(ctx, s.broker.admin, s.sub.topics(topics...)...)
	if err != nil {
		return err
	}
	for {
		committed, err := s.broker.admin.FetchOffsets(ctx, group)
		if err != nil {
			return fmt.Errorf("fetch the offsets of %s: %w", group, err)
		}
		left := false
		for topic, partitions := range ends {
			for p, end := range partitions {
				at, ok := committed.Lookup(topic, p)
				left = left || end > 0 && (!ok || at.At < end)
			}
		}
		if !left {
			return nil
		}
		if by.ended() {
			return fmt.Errorf("what works off %s ended by itself; see the logs of %s", group, s.sub.name)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(drainPoll):
		}
	}
}
