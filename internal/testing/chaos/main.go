package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
	"github.com/coexstream/coexstream/internal/testing/required"
)

type options struct {
	binary  string
	broken  bool
	dir     string
	seed    uint64
	minutes float64
	load    float64
	wait    time.Duration
	only    string
	plan    bool
	keep    bool
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "", "the program under test; empty: it is built, with a clock that can be set. Another one does not notice faults of the clock")
	flag.BoolVar(&o.broken, "broken", false, "let processors commit offsets outside the transaction; the run fails when check does not find that")
	flag.StringVar(&o.dir, "dir", "", "data folder; empty: a temporary one, removed when all is well")
	flag.Uint64Var(&o.seed, "seed", 0, "seed of plan and simulation; 0: a new one")
	flag.Float64Var(&o.minutes, "minutes", 2, "how long faults are injected")
	flag.Float64Var(&o.load, "load", 1, "load, as a multiple of about 50 webhooks a second")
	flag.DurationVar(&o.wait, "wait", 4*time.Minute, "how long check waits for missing records")
	flag.StringVar(&o.only, "only", "", "only faults whose name contains one of these words, separated by commas")
	flag.BoolVar(&o.plan, "plan", false, "print the plan and do nothing")
	flag.BoolVar(&o.keep, "keep", false, "keep the temporary folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := o.run(ctx, os.Stdout)
	switch {
	case errors.Is(err, kafkacluster.ErrUnavailable) && !required.Everything():
		fmt.Println("SKIP chaos:", err)
	case err != nil:
		fmt.Fprintln(os.Stderr, "chaos:", err)
		stop()
		os.Exit(1)
	}
}

func (o *options) run(ctx context.Context, out io.Writer) error {
	if o.seed == 0 {
		o.seed = rand.Uint64N(1<<32) + 1
	}
	if o.minutes <= 0 || o.load <= 0 {
		return fmt.Errorf("-minutes %v, -load %v: both have to be more than 0", o.minutes, o.load)
	}
	length := time.Duration(o.minutes * float64(time.Minute)).Round(time.Second)
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return err
	}
	say(out, "chaos: seed %d, %s\n", o.seed, length)
	if o.plan {
		for _, f := range o.chosen(plan(o.seed, length, plannedWorld{brokers: brokerCount, disk: true, tables: true, targets: true})) {
			say(out, "chaos: plan  %s\n", f)
		}
		return nil
	}
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "coexstream-chaos-"); err != nil {
			return err
		}
	}
	// The program under test, but for its clock.
	if o.binary == "" {
		if binary, err = buildClocked(ctx, dir); err != nil {
			return err
		}
	}
	broken := ""
	if o.broken {
		if broken, err = buildBroken(ctx, dir); err != nil {
			return err
		}
	}
	err = o.runIn(ctx, out, binary, broken, dir, length)
	switch {
	case o.broken && errors.Is(err, errFaults):
		say(out, "chaos: the mistake was found: %v\n", err)
	case o.broken && err == nil:
		return fmt.Errorf("processors commit offsets outside the transaction, and check did not find it (seed %d, logs and truth in %s)", o.seed, dir)
	case err != nil:
		return fmt.Errorf("%w (seed %d, logs and truth in %s)", err, o.seed, dir)
	}
	if o.dir == "" && !o.keep {
		return os.RemoveAll(dir)
	}
	return nil
}

func (o *options) runIn(ctx context.Context, out io.Writer, binary, broken, dir string, length time.Duration) (err error) {
	c, err := startCluster(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	s, err := newStage(ctx, c, out, binary, broken, dir, "coex.")
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.setTables(ctx); err != nil {
		return err
	}
	if err := s.setTargets(ctx); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	faults := o.chosen(plan(o.seed, length, plannedWorld{brokers: brokerCount, disk: s.disk != nil, tables: s.tables != nil, targets: s.targets != nil}))
	for _, f := range faults {
		say(out, "chaos: plan  %s\n", f)
	}
	if err := s.perform(ctx, faults, loadFor(o.seed, length, o.load), o.wait); err != nil {
		return err
	}
	say(out, "chaos: %d faults, check is content (seed %d)\n", len(faults), o.seed)
	return nil
}

// chosen are the faults that -only leaves.
func (o *options) chosen(faults []fault) []fault {
	if o.only == "" {
		return faults
	}
	var some []fault
	for _, f := range faults {
		for word := range strings.SplitSeq(o.only, ",") {
			if strings.Contains(f.name(), word) {
				some = append(some, f)
				break
			}
		}
	}
	return some
}

// perform plays load and faults at the same time, and judges. A process that ends by itself is a failure.
func (s *stage) perform(ctx context.Context, faults []fault, l load, wait time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.mu.Lock()
	s.fail = cancel
	failed := s.failed
	s.mu.Unlock()
	if s.targets != nil {
		s.targets.restarts += restartsOf(faults)
	}
	if failed != nil {
		return failed
	}
	simulated := make(chan error, 1)
	go func() {
		err := s.simulate(ctx, l)
		if err != nil {
			cancel(err)
		}
		simulated <- err
	}()
	playErr := s.play(ctx, faults)
	if playErr != nil {
		cancel(playErr)
	}
	simErr := <-simulated
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err := errors.Join(playErr, simErr); err != nil {
		return err
	}
	if err := s.check(ctx, wait); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	return s.judgeBeside(ctx)
}

// judgeBeside judges the businesses beside those of the simulation, if there were any.
func (s *stage) judgeBeside(ctx context.Context) error {
	o, err := s.outcome(ctx)
	if err != nil {
		return err
	}
	if o.mad > 0 {
		s.say("mad tenant: %d of its %d messages came out behind those of other businesses that were received later", o.overtaken, o.mad)
	}
	return s.judgeRotten(o)
}

func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
