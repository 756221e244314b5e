package sinktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/sinks"
)

// childEnv has the order of a process that runs a sink for Processes or Kills.
const childEnv = "COEXSTREAM_SINKTEST_CHILD"

// order is what such a process does.
type order struct {
	Target     string   // as open understands it
	Brokers    []string // none: the process reads the world of Kills
	Group      string   // empty: it reads all partitions
	Session    time.Duration
	RecordsMax int
	Shown      int // for Kills: thousandths of the world
	Trap       trap
	TrapAt     int // the batch of the trap, from 1
}

// trap is what happens to a process at one of its batches.
type trap string

const (
	trapSuspend    trap = "suspended before the batch" // and the batch is given when the process continues
	trapKillBefore trap = "killed before the batch"
	trapKillAfter  trap = "killed behind the commit" // the target has the batch, and nobody knows
)

// Child runs a sink where this process was started by Processes or Kills, and returns true when it is over. A package's TestMain calls it first.
func Child(open func(ctx context.Context, target string) (Target, error)) bool {
	text := os.Getenv(childEnv)
	if text == "" {
		return false
	}
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = o.run(open)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func (o *order) run(open func(ctx context.Context, target string) (Target, error)) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	target, err := open(ctx, o.Target)
	if err != nil {
		return err
	}
	if len(o.Brokers) == 0 {
		return errors.Join(o.fill(ctx, target), target.Close())
	}
	conn := connection(o.Brokers)
	log, err := sinks.NewKafkaLog(conn, prefix)
	if err != nil {
		return err
	}
	defer log.Close()
	deps := sinks.Deps{Log: log, Target: &trapped{Target: target, o: o}, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	if o.Group != "" {
		group, err := sinks.NewGroup(conn, prefix, sinks.GroupConfig{ID: o.Group, SessionTimeout: o.Session, Now: time.Now})
		if err != nil {
			return err
		}
		deps.Assignment = reported{group}
	}
	c := sinks.DefaultConfig()
	c.Name, c.RecordsMax, c.Poll, c.RetryMin, c.RetryMax, c.Recheck = "test", o.RecordsMax, 5*time.Millisecond, time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	sink, err := sinks.New(c, deps)
	if err != nil {
		return err
	}
	say(saidBegun, 1)
	return errors.Join(sink.Run(ctx), target.Close())
}

func connection(brokers []string) kafka.Connection {
	return kafka.Connection{Brokers: brokers, ClientID: "sinktest", DialTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second}
}

// say tells the parent.
func say(what string, n int) { fmt.Printf("%s %d\n", what, n) }

// Messages of a child: it begins to read, the number of partitions that it gained, a fenced batch, it is in its trap.
// Others: the target stored a batch, and nothing is left to read.
const (
	saidBegun  = "begun"
	saidOwned  = "owned"
	saidFenced = "fenced"
	saidTrap   = "trap"
	saidTaken  = "taken" // for Kills: a batch
	saidIdle   = "idle"  // for Kills: nothing is left to do
)

// reported says how many partitions a process was given.
type reported struct{ sinks.Assignment }

func (r reported) Run(ctx context.Context, own, disown func([]int32), trouble func(error)) error {
	return r.Assignment.Run(ctx, func(partitions []int32) {
		say(saidOwned, len(partitions))
		own(partitions)
	}, disown, trouble)
}

// trapped is the target of a child.
type trapped struct {
	Target
	o *order

	mu      sync.Mutex
	batches int
}

// Erasures is as sinks.Eraser has it.
func (t *trapped) Erasures() *sinks.Erasures { return erasuresOf(t.Target) }

// Apply is as sinks.Target has it.
func (t *trapped) Apply(ctx context.Context, b *sinks.Batch) error {
	t.mu.Lock()
	t.batches++
	caught := t.o.Trap != "" && t.batches == t.o.TrapAt
	t.mu.Unlock()
	if caught {
		// The zombie writes its batch, although its consumer group may have excluded it by then.
		ctx = context.WithoutCancel(ctx)
		switch say(saidTrap, int(b.Partition)); t.o.Trap {
		case trapSuspend:
			continued := make(chan os.Signal, 1)
			signal.Notify(continued, syscall.SIGCONT)
			if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
				return err
			}
			<-continued // this thread may run on for a moment before all are stopped
			signal.Stop(continued)
		case trapKillBefore:
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	err := t.Target.Apply(ctx, b)
	if caught && t.o.Trap == trapKillAfter {
		return errors.Join(err, syscall.Kill(os.Getpid(), syscall.SIGKILL))
	}
	if errors.Is(err, sinks.ErrFenced) {
		say(saidFenced, int(b.Partition))
	}
	return err
}
