package sinktest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
)

// Place is where the processes of a part of the suite write.
type Place struct {
	Subject
	Target string // how a process names it
	Shared bool   // processes share it as a consumer group; else each reads all partitions
}

const (
	groupID     = "sinktest"
	session     = time.Second // of the consumer group
	suspension  = 2 * session
	patience    = 4 * time.Minute // of a wait for a process
	childRecord = 20              // records of a batch: enough batches to be caught in
)

// Long leaves a test out unless make test-sinks runs it.
func Long(t *testing.T) {
	t.Helper()
	if os.Getenv("COEXSTREAM_TEST_SINKS") == "" {
		t.Skip("SKIP: it takes long; make test-sinks runs it")
	}
}

// Processes is what every target passes with sinks in processes of their own, which read a broker. The package's TestMain calls Child.
func Processes(t *testing.T, place func(t *testing.T) Place) {
	t.Run("suspended with a batch in hand, and another one continues", func(t *testing.T) {
		w := NewWorld(11, 2000, partitionsUpTo(1)...) // no transaction of another partition is suspended with it
		w.Poison(3)
		s := set(t, place, w)
		s.show(t, 500)
		zombie := s.start(&Order{Trap: trapSuspend, TrapAt: 3})
		zombie.await(saidTrap, 1)
		s.disturb()
		stopped := time.Now()
		s.start(&Order{})
		s.awaitTaken()
		s.elapse(stopped, suspension)
		s.show(t, 1000)
		zombie.signal(syscall.SIGCONT)
		if !s.Blind {
			zombie.await(saidFenced, 1)
		}
		s.finish()
	})
	t.Run("suspended anywhere, in turns", func(t *testing.T) {
		w := NewWorld(12, 4000, partitionsUpTo(2)...)
		s := set(t, place, w)
		rng := seed.Rand(t)
		both := []*child{s.start(&Order{}), s.start(&Order{})}
		for i, shown := 0, 0; shown < 1000; i++ {
			shown = min(shown+250, 1000)
			s.show(t, shown)
			s.elapse(time.Now(), time.Duration(rng.IntN(100))*time.Millisecond)
			zombie := both[i%2]
			zombie.signal(syscall.SIGSTOP)
			s.disturb()
			s.elapse(time.Now(), suspension)
			zombie.signal(syscall.SIGCONT)
			s.awaitTaken()
		}
		s.finish()
	})
	t.Run("two instances that both believe to have everything, or share it", func(t *testing.T) {
		w := NewWorld(13, 3000, partitionsUpTo(2)...)
		w.Poison(3)
		s := set(t, place, w)
		s.alone()
		s.show(t, 500)
		one, two := s.start(&Order{}), s.start(&Order{})
		one.await(saidBegun, 1)
		two.await(saidBegun, 1)
		for shown := 500; shown <= 1000; shown += 50 {
			s.show(t, shown)
			s.awaitTaken()
		}
		s.finish()
		if !s.Blind && one.count(saidFenced)+two.count(saidFenced) == 0 {
			t.Error("no batch of the two was refused: they did not meet")
		}
	})
	t.Run("killed before a batch and behind its commit", func(t *testing.T) {
		w := NewWorld(14, 3000, partitionsUpTo(2)...)
		w.Poison(3)
		s := set(t, place, w)
		s.alone() // the next one need not wait for the session of the last
		s.show(t, 1000)
		rng := seed.Rand(t)
		for i := range 12 {
			dying := s.start(&Order{Trap: []trap{trapKillBefore, trapKillAfter}[i%2], TrapAt: 1 + rng.IntN(6)})
			dying.await(saidTrap, 1)
			dying.killed()
		}
		s.start(&Order{})
		s.finish()
	})
	t.Run("one, three, one", func(t *testing.T) {
		w := NewWorld(15, 4000, partitionsUpTo(6)...)
		s := set(t, place, w)
		if !s.Shared {
			t.Skip("one process has all partitions of this target")
		}
		s.show(t, 300)
		one := s.start(&Order{})
		one.await(saidOwned, 6)
		two, three := s.start(&Order{}), s.start(&Order{})
		s.show(t, 600) // while partitions move
		two.await(saidOwned, 2)
		three.await(saidOwned, 2)
		s.awaitTaken()
		s.show(t, 800)
		one.stop()
		two.stop()
		s.show(t, 1000)
		three.await(saidOwned, 6)
		s.finish()
	})
}

// setting is a broker with a world, a target, and processes between them.
type setting struct {
	Place
	*broker
	t      *testing.T
	target Target // to ask
	all    []*child
}

func set(t *testing.T, place func(t *testing.T) Place, w *World) *setting {
	t.Helper()
	s := &setting{Place: place(t), broker: startBroker(t, w), t: t}
	if s.Blind {
		s.target = &committed{adm: kadm.NewClient(s.cl)}
	} else {
		s.target = s.Open(t)
	}
	t.Cleanup(func() { closed(t, s.target) })
	return s
}

// alone lets each process read all partitions, if the target can refuse one of two that do.
func (s *setting) alone() { s.Shared = s.Blind }

// disturb notes that a process was killed, suspended, or excluded from its group.
func (s *setting) disturb() {
	if s.Disturbed != nil {
		s.Disturbed()
	}
}

// committed is a blind target.
type committed struct {
	sinks.Target
	adm *kadm.Client
}

func (*committed) Close() error { return nil }

// Positions is as sinks.Target has it.
func (c *committed) Positions(ctx context.Context, partition int32) (map[schemas.Topic]sinks.Position, error) {
	offsets, err := c.adm.FetchOffsets(ctx, groupID)
	if err != nil {
		return nil, fmt.Errorf("fetch the offsets of the group: %w", err)
	}
	all := map[schemas.Topic]sinks.Position{}
	for _, topic := range sinks.TableTopics() {
		if at, ok := offsets.Lookup(topic.Name(prefix), partition); ok {
			all[topic] = sinks.Position{Next: at.At}
		}
	}
	return all, nil
}

// awaitTaken waits until the target has everything that is there.
func (s *setting) awaitTaken() {
	s.t.Helper()
	s.until("the target has everything", func() bool {
		done, err := s.taken(s.t.Context(), s.target)
		return done && err == nil // a target that is busy is asked again
	})
}

// finish waits for the end, stops what runs, and compares.
func (s *setting) finish() {
	s.t.Helper()
	s.awaitTaken()
	for _, c := range s.all {
		c.stop()
	}
	s.hold(s.t, s.world)
}

// elapse waits until some time has passed since then: as long as a process is suspended.
func (s *setting) elapse(since time.Time, d time.Duration) {
	select {
	case <-time.After(time.Until(since.Add(d))):
	case <-s.t.Context().Done():
	}
}

func (s *setting) until(what string, holds func() bool) {
	s.t.Helper()
	late := time.After(patience)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-late:
			s.t.Fatalf("timeout after %s: %s", patience, what)
		case <-look.C:
		}
	}
}

// child is a process with a sink.
type child struct {
	s     *setting
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of its end, when ended is closed

	mu    sync.Mutex
	said  map[string]int // how often
	owned int            // partitions that it was given, in all
}

func (s *setting) start(o *Order) *child {
	s.t.Helper()
	o.Target, o.Session = s.Target, session
	if s.broker != nil {
		o.Brokers, o.RecordsMax = s.cluster.ListenAddrs(), childRecord
	}
	if s.Shared {
		o.Group = groupID
	}
	text, err := json.Marshal(o)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &child{s: s, cmd: exec.CommandContext(s.t.Context(), os.Args[0]), ended: make(chan struct{}), said: map[string]int{}}
	c.cmd.Env, c.cmd.Stderr = append(os.Environ(), childEnv+"="+string(text)), os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		c.listen(out)
		c.err = c.cmd.Wait()
	}()
	s.all = append(s.all, c)
	s.t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // gone already: fine
		<-c.ended
	})
	return c
}

func (c *child) listen(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		what, number, _ := strings.Cut(lines.Text(), " ")
		n := 0
		_, _ = fmt.Sscan(number, &n) // none: 0
		c.mu.Lock()
		if c.said[what]++; what == saidOwned {
			c.owned += n
		}
		c.mu.Unlock()
		if what == saidExcluded {
			c.s.disturb()
		}
	}
}

// count is how often a child said something; for partitions, how many it was given in all.
func (c *child) count(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if what == saidOwned {
		return c.owned
	}
	return c.said[what]
}

func (c *child) await(what string, n int) {
	c.s.t.Helper()
	c.s.until(fmt.Sprintf("%s %d, has %d", what, n, c.count(what)), func() bool { return c.count(what) >= n })
}

func (c *child) signal(s syscall.Signal) {
	c.s.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.s.t.Fatal(err)
	}
}

// killed waits for the end of a child that kills itself.
func (c *child) killed() {
	c.s.t.Helper()
	c.s.disturb()
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.s.t.Fatal("it lives on")
	}
	if c.err == nil || !strings.Contains(c.err.Error(), "killed") {
		c.s.t.Errorf("ended with %v, want the signal", c.err)
	}
}

// stop ends a child in order. One that was killed is gone.
func (c *child) stop() {
	c.s.t.Helper()
	select {
	case <-c.ended:
		return
	default:
	}
	c.signal(syscall.SIGTERM)
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.s.t.Fatal("it does not stop")
	}
	if c.err != nil {
		c.s.t.Errorf("stopped: %v", c.err)
	}
}
