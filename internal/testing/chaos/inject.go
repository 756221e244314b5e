package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coexstream/coexstream/bench/tenant"
)

// play injects the faults of a plan at their times, and returns when all are over.
func (s *stage) play(ctx context.Context, faults []fault) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var errs error
	began := time.Now()
	// A broker may take longer to come back than was planned; what it excludes waits for it.
	held := map[string]*sync.Mutex{}
	for _, f := range faults {
		for _, lock := range f.locks() {
			held[lock] = &sync.Mutex{}
		}
	}
	for _, f := range faults {
		all.Go(func() {
			if rest(ctx, time.Until(began.Add(f.at))) != nil {
				return
			}
			for _, lock := range f.locks() { // always in the same order
				held[lock].Lock()
				defer held[lock].Unlock()
			}
			if ctx.Err() != nil {
				return
			}
			if err := s.inject(ctx, f); err != nil {
				mu.Lock()
				errs = errors.Join(errs, fmt.Errorf("%s: %w", f.name(), err))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return errs
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// inject lets a fault happen and end. It undoes its changes even when ctx ends.
func (s *stage) inject(ctx context.Context, f fault) error {
	s.say("begin %s for %s", f.name(), f.length)
	defer s.say("end   %s", f.name())
	switch f.kind {
	case kindCut:
		return s.onLinks(ctx, f, linkCut)
	case kindStall:
		return s.onLinks(ctx, f, linkStalled)
	case kindDeaf:
		return s.onLinks(ctx, f, linkDeaf)
	case kindDelay:
		return s.onLinks(ctx, f, linkOpen)
	case kindFull:
		return s.fullDisk(ctx, f)
	case kindScale:
		return s.scale(ctx, f)
	case kindMad:
		return s.madTenant(ctx, f)
	case kindRotten:
		return s.rot(ctx, f)
	}
	if f.target == postgresName {
		return s.onPostgres(ctx, f)
	}
	if b := s.cluster.byName(f.target); b != nil {
		return s.onBroker(ctx, f)
	}
	if t := s.targets; t != nil && f.target == receiverName {
		return s.onTarget(ctx, t.receiver, f)
	} else if t != nil && f.target == bucketName {
		return s.onTarget(ctx, t.bucket, f)
	}
	return s.onProcess(ctx, f)
}

func (s *stage) onLinks(ctx context.Context, f fault, mode linkMode) error {
	links, err := s.links().between(f.target)
	if err != nil {
		return err
	}
	for _, l := range links {
		l.set(mode, f.delay)
	}
	err = rest(ctx, f.length)
	for _, l := range links {
		l.set(linkOpen, 0)
	}
	if err != nil || !isBroker(f.target) {
		return err
	}
	// Brokers are away from each other until they have caught up, and two are not to be away at a time.
	ctx, cancel := context.WithTimeout(ctx, catchUpTime)
	defer cancel()
	if err := s.cluster.AwaitInSync(ctx, s.prefix); err != nil {
		s.say("      %v", err) // a slow machine: it is check that judges
	}
	return nil
}

// catchUpTime is how long faults of brokers wait for what the last one left behind.
const catchUpTime = 30 * time.Second

func (s *stage) onBroker(ctx context.Context, f fault) error {
	b := s.cluster.byName(f.target)
	back := func() error {
		// The broker has to return even if the run ends; its own timeout bounds it.
		startCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
		defer cancel()
		return b.Start(startCtx)
	}
	switch f.kind {
	case kindKill:
		if err := b.Kill(); err != nil {
			return err
		}
		_ = rest(ctx, f.length) // told to stop: the broker comes back earlier
		return back()
	case kindStop:
		if err := b.Stop(); err != nil {
			return err
		}
		_ = rest(ctx, f.length) // as above
		return back()
	case kindZombie, kindPause:
		if err := b.Pause(); err != nil {
			return err
		}
		_ = rest(ctx, f.length) // as above
		return b.Resume()
	case kindSlow:
		// Half of the time it stands still.
		const turn = 30 * time.Millisecond
		for until := time.Now().Add(f.length); time.Now().Before(until) && ctx.Err() == nil; {
			err := b.Pause()
			_ = rest(ctx, turn) // as above
			if err = errors.Join(err, b.Resume()); err != nil {
				return err
			}
			_ = rest(ctx, turn) // as above
		}
		return nil
	}
	return fmt.Errorf("no such fault of a broker")
}

// byName is a process of the program under test.
func (s *stage) byName(name string) *process {
	if name == ingressName {
		return s.ingress
	}
	if s.tables != nil && s.tables.sinks[name] != nil {
		return s.tables.sinks[name]
	}
	if s.targets != nil && s.targets.sinks[name] != nil {
		return s.targets.sinks[name]
	}
	return s.processors[name]
}

func (s *stage) onProcess(ctx context.Context, f fault) error {
	p := s.byName(f.target)
	if p == nil {
		return fmt.Errorf("no process %q", f.target)
	}
	switch f.kind {
	case kindKill:
		p.kill()
		_ = rest(ctx, f.length) // told to stop: it is started all the same
		return p.start()
	case kindZombie, kindPause:
		if err := p.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		_ = rest(ctx, f.length) // as above
		return p.signal(syscall.SIGCONT)
	case kindReplace:
		return s.replace(ctx, p, f)
	case kindClock:
		return jumpClock(ctx, p, f)
	}
	return fmt.Errorf("no such fault of a process")
}

// replaceOverlap is how long the replaced process may run beside its successor.
const replaceOverlap = 4 * time.Second

// replace stops a process where it is, and starts another one of the same name: an orchestrator that cannot
// reach a node. The old one comes back, and is killed when it does not end by itself.
func (s *stage) replace(ctx context.Context, p *process, f fault) error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	old := p.detach()
	defer old.kill()
	if err := p.startElsewhere(); err != nil {
		return err
	}
	_ = rest(ctx, f.length) // as above
	if err := old.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	select {
	case <-old.done:
		s.say("      the old %s has seen that it was replaced, and ended: %s", p.name, old.cmd.ProcessState)
	case <-ctx.Done():
	case <-time.After(replaceOverlap):
		s.say("      the old %s is killed", p.name)
	}
	return nil
}

func (s *stage) fullDisk(ctx context.Context, f fault) error {
	if s.disk == nil {
		s.say("SKIP %s: there is no disk to fill", f.name())
		return nil
	}
	links, err := s.links().between(ingressName + "~" + everyBroker)
	if err != nil {
		return err
	}
	for _, l := range links {
		l.set(linkCut, 0)
		defer l.set(linkOpen, 0)
	}
	// The spool is in use when the disk gets full.
	_ = rest(ctx, f.length/3)
	err = s.disk.fill()
	defer func() {
		if err := s.disk.free(); err != nil {
			s.say("%v", err)
		}
	}()
	_ = rest(ctx, f.length-f.length/3)
	return err
}

// scale goes from two processors or sinks to one, to three, to one, and back to two.
func (s *stage) scale(ctx context.Context, f fault) error {
	name := processorName
	if f.target == sinksTarget {
		name = sinkName
	}
	one, two, three := s.byName(name(1)), s.byName(name(2)), s.byName(name(3))
	const limit = 40 * time.Second
	steps := []func() error{
		func() error { return two.stop(limit) },
		func() error { return errors.Join(two.start(), three.start()) },
		func() error { return errors.Join(one.stop(limit), three.stop(limit)) },
		func() error { return one.start() },
	}
	var errs error
	for i, step := range steps {
		if i > 0 {
			_ = rest(ctx, f.length/time.Duration(len(steps))) // told to stop: the end is reached all the same
		}
		errs = errors.Join(errs, step())
	}
	return errs
}

// madTenant lets a business beside those of the simulation flood the ingress.
func (s *stage) madTenant(ctx context.Context, f fault) error {
	ctx, cancel := context.WithTimeout(ctx, f.length)
	defer cancel()
	t := tenant.New("http://"+s.sender.addr()+"/webhooks/meta", metaSecret, senderTimeout)
	defer t.Close()
	long := tenant.Long
	long.Every = time.Second // three brokers on the same machine write the result
	n := t.Flood(ctx, long, tenant.Many, tenant.Crowded)
	s.say("      %d webhooks of the mad tenant were acknowledged", n)
	return nil
}

func joinAddrs(addrs []string) string { return strings.Join(addrs, ",") }
