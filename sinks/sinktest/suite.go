package sinktest

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/sinks"
)

// Target is a target whose content can be read.
type Target interface {
	sinks.Target
	io.Closer
}

// Subject opens a target, and reads its content. Open is called again after Close, and finds the former content.
type Subject struct {
	Open    func(t testing.TB) Target
	Content func(t testing.TB) *Content
	// Hold keeps everybody from writing until release, as long as a slow target does.
	Hold func(t testing.TB) (release func())
	// Judge compares the content with a world, instead of Content, if the target keeps records and not what they mean.
	Judge func(t testing.TB, w *World)
	// Sink makes the sink that writes to a target, if it is not one of package sinks.
	Sink func(rng *rand.Rand, log sinks.Log, target Target) (Runner, error)
	// Blind is a target that cannot be asked where it stands, and that takes what a zombie writes. It stands at the committed offsets of the
	// sink's consumer group. A process that is killed, suspended or excluded from its group may repeat what it had in flight: Disturbed is called
	// for each, and Judge decides how many repetitions are right.
	Blind     bool
	Disturbed func()
	// Rebuild is what the operator does to fill the target again from the topics: fill brings a target to the ends of the topics.
	Rebuild func(t testing.TB, fill func(Target))
}

// Runner is a sink at work.
type Runner interface {
	Run(ctx context.Context) error
	CaughtUp() bool
	Ready() error
}

// Suite is what every target of rows passes. subject is called for each part, and makes an empty target.
func Suite(t *testing.T, subject func(t *testing.T) Subject) {
	t.Run("a step is taken once and whole", func(t *testing.T) { step(t, subject(t)) })
	Records(t, subject)
	t.Run("records that are gone unread", func(t *testing.T) { gone(t, subject) })
}

// Records is the part of the suite that every sink passes, also one that keeps records as they are.
func Records(t *testing.T, subject func(t *testing.T) Subject) {
	t.Run("content equals the fold", func(t *testing.T) {
		w := NewWorld(1, 3000, 0, 1, 2)
		w.Poison(7)
		w.Repeat(200)
		s := subject(t)
		target := s.Open(t)
		s.runUntil(t, rand.New(rand.NewPCG(1, 1)), NewLog(w), target, Runner.CaughtUp)
		s.hold(t, w)
		closed(t, target)
	})
	t.Run("records that come while it reads", func(t *testing.T) {
		w := NewWorld(2, 1500, 0, 1)
		log := NewLog(w)
		log.Show(0)
		s := subject(t)
		target := s.Open(t)
		shown := 0
		s.runUntil(t, rand.New(rand.NewPCG(2, 1)), log, target, func(sink Runner) bool {
			if shown < 1000 { // a little more at each call
				shown = min(shown+37, 1000)
				log.Show(shown)
				return false
			}
			return standsAtEnd(sink, target, w)
		})
		s.hold(t, w)
		closed(t, target)
	})
	t.Run("stopped fifty times", func(t *testing.T) {
		w := NewWorld(3, 3000, 0, 1)
		w.Poison(5)
		s := subject(t)
		rng := rand.New(rand.NewPCG(3, 1))
		for range 50 {
			target := s.Open(t)
			end := time.Now().Add(time.Duration(rng.IntN(15)) * time.Millisecond)
			s.runUntil(t, rng, NewLog(w), target, func(Runner) bool { return time.Now().After(end) })
			closed(t, target)
		}
		target := s.Open(t)
		s.runUntil(t, rng, NewLog(w), target, Runner.CaughtUp)
		s.hold(t, w)
		closed(t, target)
	})
	t.Run("a zombie is fenced", func(t *testing.T) {
		w := NewWorld(4, 1000, 0)
		w.Poison(3)
		s := subject(t)
		if s.Blind {
			t.Skip("this target takes what a zombie writes")
		}
		target := s.Open(t)
		// Two sinks write at once: each batch is taken once, and the one that comes late begins again at the right place.
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.runUntil(t, rand.New(rand.NewPCG(4, 1)), NewLog(w), target, Runner.CaughtUp)
		}()
		s.runUntil(t, rand.New(rand.NewPCG(4, 2)), NewLog(w), target, Runner.CaughtUp)
		<-done
		s.hold(t, w)
		closed(t, target)
	})
	t.Run("a replay of everything, and businesses that onboard again", func(t *testing.T) {
		w := NewWorld(5, 1500, 0, 1)
		w.Poison(3)
		s := subject(t)
		target := s.Open(t)
		s.runUntil(t, rand.New(rand.NewPCG(5, 1)), NewLog(w), target, Runner.CaughtUp)
		s.hold(t, w)
		w.Replay()
		s.runUntil(t, rand.New(rand.NewPCG(5, 2)), NewLog(w), target, Runner.CaughtUp)
		s.hold(t, w)
		before := w.Fold()
		if w.OnboardAgain(); Compare(before, w.Fold()) == nil {
			t.Error("the second onboarding changes nothing")
		}
		s.runUntil(t, rand.New(rand.NewPCG(5, 3)), NewLog(w), target, Runner.CaughtUp)
		s.hold(t, w)
		closed(t, target)
	})
	t.Run("a slow target", func(t *testing.T) { slow(t, subject(t)) })
}

// slow keeps the target from writing again and again, while the log grows.
func slow(t *testing.T, s Subject) {
	w := NewWorld(6, 1500, 0, 1)
	log := NewLog(w)
	log.Show(0)
	target := s.Open(t)
	shown, holds := 0, 0
	s.runUntil(t, rand.New(rand.NewPCG(6, 1)), log, target, func(sink Runner) bool {
		if shown < 1000 {
			if shown%200 == 0 {
				release := s.Hold(t)
				log.Show(shown + 100)
				time.Sleep(300 * time.Millisecond) // longer than the patience of the target, where it has one
				if holds++; sink.CaughtUp() {
					t.Error("it caught up with a target that takes nothing")
				}
				release()
			}
			shown += 50
			log.Show(shown)
			return false
		}
		return standsAtEnd(sink, target, w)
	})
	s.hold(t, w)
	closed(t, target)
	if holds != 5 {
		t.Errorf("held %d times, want 5", holds)
	}
}

// Config is that of a sink that is not patient.
func config(rng *rand.Rand) sinks.Config {
	c := sinks.DefaultConfig()
	c.Name = "test"
	c.RecordsMax, c.LiveBytesMax, c.BacklogBytesMax = 1+rng.IntN(200), int32(1+rng.IntN(50_000)), int32(1+rng.IntN(50_000))
	c.Poll, c.RetryMin, c.RetryMax, c.Recheck, c.CutPatience = time.Millisecond, time.Millisecond, 10*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond
	return c
}

// standsAtEnd reports whether the target stands at the end of a world.
func standsAtEnd(s Runner, target sinks.Target, w *World) bool {
	if !s.CaughtUp() {
		return false
	}
	for _, partition := range w.partitions {
		positions, err := target.Positions(context.Background(), partition)
		if err != nil {
			return false
		}
		for _, topic := range sinks.TableTopics() {
			if positions[topic].Next < int64(offsetStep*len(w.logs[topic][partition])) {
				return false
			}
		}
	}
	return true
}

// runUntil runs the subject's sink until done says so, or a minute has passed.
func (s *Subject) runUntil(t testing.TB, rng *rand.Rand, log sinks.Log, target Target, done func(Runner) bool) {
	t.Helper()
	if s.Sink == nil {
		runUntil(t, config(rng), log, target, func(sink *sinks.Sink) bool { return done(sink) })
		return
	}
	sink, err := s.Sink(rng, log, target)
	if err != nil {
		t.Error(err)
		return
	}
	run(t, sink, done)
}

// runUntil runs a sink of package sinks.
func runUntil(t testing.TB, c sinks.Config, log sinks.Log, target sinks.Target, done func(*sinks.Sink) bool) {
	t.Helper()
	sink, err := sinks.New(c, sinks.Deps{Log: log, Target: target, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Error(err)
		return
	}
	run(t, sink, func(Runner) bool { return done(sink) })
}

func run(t testing.TB, sink Runner, done func(Runner) bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sink.Run(ctx) }()
	deadline := time.Now().Add(4 * time.Minute)
	for !done(sink) {
		if time.Now().After(deadline) {
			t.Errorf("the sink did not come to the end: %v", sink.Ready())
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

func (s *Subject) hold(t testing.TB, w *World) {
	t.Helper()
	if s.Judge != nil {
		s.Judge(t, w)
		return
	}
	if err := Compare(s.Content(t).Lines(), w.Fold()); err != nil {
		t.Error(err)
	}
}

func closed(t testing.TB, target Target) {
	t.Helper()
	if err := target.Close(); err != nil {
		t.Error(err)
	}
}

// Locked keeps the target from writing until the sink says that it is away, and then lets it write again.
func Locked(t *testing.T, s Subject) {
	w := NewWorld(8, 1000, 0)
	target := s.Open(t)
	release := s.Hold(t)
	s.runUntil(t, rand.New(rand.NewPCG(8, 1)), NewLog(w), target, func(sink Runner) bool {
		if err := sink.Ready(); release != nil && err != nil && strings.HasPrefix(err.Error(), "partition 0:") {
			release()
			release = nil
		}
		return release == nil && sink.CaughtUp()
	})
	s.hold(t, w)
	closed(t, target)
}
