package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// parts runs the parts of a process. They start in the order in which they are added and stop in the
// reverse order, each one only after the one that feeds it has ended. The first error stops all.
type parts struct {
	log     *slog.Logger
	failed  chan error
	started []*part
}

type part struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func newParts(log *slog.Logger) *parts { return &parts{log: log, failed: make(chan error, 32)} }

// start runs a part until stop. A part that returns earlier has failed.
func (p *parts) start(name string, run func(context.Context) error) {
	// Not derived from the signal's context: a signal must not stop all parts at once.
	ctx, cancel := context.WithCancel(context.Background())
	pt := &part{name: name, cancel: cancel, done: make(chan struct{})}
	p.started = append(p.started, pt)
	go func() {
		defer close(pt.done)
		err := run(ctx)
		switch {
		case err != nil:
			pt.err = fmt.Errorf("%s: %w", name, err)
		case ctx.Err() == nil:
			pt.err = fmt.Errorf("%s: ended by itself", name)
		}
		if pt.err != nil {
			p.failed <- pt.err
		}
	}()
}

// wait blocks until ctx ends or a part fails. It returns the error of that part.
func (p *parts) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-p.failed:
		return err
	}
}

// poll calls ready until it returns nil, ctx ends or a part fails.
func (p *parts) poll(ctx context.Context, ready func() error) error {
	const pause = 20 * time.Millisecond
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		case failed := <-p.failed:
			return failed
		case <-time.After(pause):
		}
	}
}

// stop ends the parts in the reverse order of their start. A part that exceeds the timeout is abandoned, with an error. The
// remaining parts then get a second each.
func (p *parts) stop(timeout time.Duration) error {
	const moment = time.Second
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	var errs []error
	for i := len(p.started) - 1; i >= 0; i-- {
		pt := p.started[i]
		began := time.Now()
		pt.cancel()
		select {
		case <-pt.done:
			p.log.Debug("stopped", "part", pt.name, "took", time.Since(began))
			if pt.err != nil {
				errs = append(errs, pt.err)
			}
		case <-limit.C:
			limit.Reset(moment)
			errs = append(errs, fmt.Errorf("%s: did not stop within shutdown_timeout (%s)", pt.name, timeout))
		}
	}
	p.started = nil
	return errors.Join(errs...)
}
