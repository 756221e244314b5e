package sinktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
)

// childEnv has the order of a process that runs a sink for Processes or Kills.
const childEnv = "COEXSTREAM_SINKTEST_CHILD"

// Order is what such a process does.
type Order struct {
	Target     string   // as open understands it
	Brokers    []string // none: the process reads the world of Kills
	Group      string   // empty: it reads all partitions
	Session    time.Duration
	RecordsMax int
	Shown      int // for Kills: thousandths of the world
	Trap       trap
	TrapAt     int // the batch of the trap, from 1

	writes atomic.Int64
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
	return ChildWith(func(ctx context.Context, o *Order) error { return o.run(ctx, open) })
}

// ChildWith is Child for a sink that is not one of package sinks. run runs the sink of an order until ctx ends.
func ChildWith(run func(ctx context.Context, o *Order) error) bool {
	text := os.Getenv(childEnv)
	if text == "" {
		return false
	}
	var o Order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		err = run(ctx, &o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func (o *Order) run(ctx context.Context, open func(ctx context.Context, target string) (Target, error)) error {
	target, err := open(ctx, o.Target)
	if err != nil {
		return err
	}
	if len(o.Brokers) == 0 {
		return errors.Join(o.fill(ctx, target), target.Close())
	}
	log, err := o.Log(sinks.TableTopics())
	if err != nil {
		return err
	}
	defer log.Close()
	deps := sinks.Deps{Log: log, Target: &trapped{target, o}, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	if deps.Assignment, err = o.Assignment(); err != nil {
		return err
	}
	c := sinks.DefaultConfig()
	c.Name, c.RecordsMax, c.Poll, c.RetryMin, c.RetryMax, c.Recheck = "test", o.RecordsMax, 5*time.Millisecond, time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	sink, err := sinks.New(c, deps)
	if err != nil {
		return err
	}
	o.Begun()
	return errors.Join(sink.Run(ctx), target.Close())
}

// Log reads topics of the brokers of the order. All of them are there.
func (o *Order) Log(topics []schemas.Topic) (*sinks.KafkaLog, error) {
	return sinks.NewKafkaLogOf(connection(o.Brokers), prefix, topics)
}

// Assignment is the group of the order; nil: the process has all partitions.
func (o *Order) Assignment() (sinks.Assignment, error) {
	if o.Group == "" {
		return nil, nil
	}
	group, err := o.Membership()
	return group, err
}

// Membership is the group of the order, for a sink that commits offsets.
func (o *Order) Membership() (*Membership, error) {
	group, err := sinks.NewGroup(connection(o.Brokers), prefix, sinks.GroupConfig{ID: o.Group, SessionTimeout: o.Session, Now: time.Now, Optional: []schemas.Topic{schemas.TopicAssets}})
	return &Membership{group}, err
}

// Begun reports that the sink begins to read.
func (o *Order) Begun() { say(saidBegun, 1) }

// Fill shows the world of Kills to a sink, as much of it as the order says, and reports when nothing is left to do.
func (o *Order) Fill(ctx context.Context, sink func(log *Log) (Runner, error)) error {
	log := NewLog(killed())
	log.Show(o.Shown)
	s, err := sink(log)
	if err != nil {
		return err
	}
	go func() {
		for look := time.NewTicker(time.Millisecond); !s.CaughtUp(); <-look.C {
			if ctx.Err() != nil {
				return
			}
		}
		say(saidIdle, 1)
	}()
	return s.Run(ctx)
}

// Write writes to the target. It is caught in the trap of the order when its turn comes, and reports a write that is refused.
func (o *Order) Write(ctx context.Context, partition int32, write func(context.Context) error) error {
	caught := o.Trap != "" && int(o.writes.Add(1)) == o.TrapAt
	if caught {
		// The zombie writes, although its consumer group may have excluded it by then.
		ctx = context.WithoutCancel(ctx)
		switch say(saidTrap, int(partition)); o.Trap {
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
	err := write(ctx)
	if caught && o.Trap == trapKillAfter {
		return errors.Join(err, syscall.Kill(os.Getpid(), syscall.SIGKILL))
	}
	switch {
	case errors.Is(err, sinks.ErrFenced):
		say(saidFenced, int(partition))
	case err == nil && len(o.Brokers) == 0:
		say(saidTaken, int(partition))
	}
	return err
}

func connection(brokers []string) kafka.Connection {
	return kafka.Connection{Brokers: brokers, ClientID: "sinktest", DialTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second}
}

// say tells the parent.
func say(what string, n int) { fmt.Printf("%s %d\n", what, n) }

// Messages of a child: it begins to read, the number of partitions that it gained, it lost its place in the group, a fenced batch, it is in its trap.
// Others: the target stored a batch, and nothing is left to read.
const (
	saidBegun    = "begun"
	saidOwned    = "owned"
	saidExcluded = "excluded"
	saidFenced   = "fenced"
	saidTrap     = "trap"
	saidTaken    = "taken" // for Kills: a batch
	saidIdle     = "idle"  // for Kills: nothing is left to do
)

// Membership reports how many partitions a process was given, and when it lost its place in the group.
type Membership struct{ *sinks.Group }

// Run is as sinks.Assignment has it.
func (m *Membership) Run(ctx context.Context, own, disown func([]int32), trouble func(error)) error {
	return m.Group.Run(ctx, func(partitions []int32) {
		say(saidOwned, len(partitions))
		own(partitions)
	}, disown, func(err error) {
		say(saidExcluded, 1)
		trouble(err)
	})
}

// trapped is the target of a child.
type trapped struct {
	Target
	o *Order
}

// Erasures is as sinks.Eraser has it.
func (t *trapped) Erasures() *sinks.Erasures { return erasuresOf(t.Target) }

// Apply is as sinks.Target has it.
func (t *trapped) Apply(ctx context.Context, b *sinks.Batch) error {
	return t.o.Write(ctx, b.Partition, func(ctx context.Context) error { return t.Target.Apply(ctx, b) })
}
