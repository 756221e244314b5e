package sinks

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// Assignment decides which partitions a process reads, if several share a sink. The positions in the target stay the
// truth: two processes that both read a partition do no harm.
type Assignment interface {
	// Run calls own whenever partitions are added, also with none, and disown when some are removed; disown returns
	// after their tasks have ended. trouble receives errors meanwhile. Run ends with ctx.
	Run(ctx context.Context, own, disown func(partitions []int32), trouble func(error)) error
}

// Group is an assignment by a consumer group. It fetches nothing, and commits what Commit is given alone.
type Group struct {
	opts     []kgo.Opt
	topic    string
	id       string
	prefix   string
	topics   []schemas.Topic // whose offsets it commits
	optional []schemas.Topic // of topics, those that may be missing
	session  time.Duration
	now      func() time.Time
	client   atomic.Pointer[kgo.Client] // while it runs
	heard    atomic.Pointer[time.Time]  // when the group heard of the process
}

// GroupConfig configures the group of processes that share partitions.
type GroupConfig struct {
	ID             string
	SessionTimeout time.Duration
	Now            func() time.Time
	Topics         []schemas.Topic // whose offsets are committed; empty: those of Topics
	Optional       []schemas.Topic // others of which that is so while they are there
}

// NewGroup prepares a membership. The group subscribes to one topic: all event topics have the same partitions.
func NewGroup(conn kafka.Connection, prefix string, c GroupConfig) (*Group, error) {
	if err := conn.Validate(); err != nil {
		return nil, err
	}
	if c.ID == "" || c.SessionTimeout <= 0 || c.Now == nil {
		return nil, fmt.Errorf("a group %q with a session timeout of %s", c.ID, c.SessionTimeout)
	}
	topic := schemas.TopicMessages.Name(prefix)
	topics := c.Topics
	if len(topics) == 0 {
		topics = Topics()
	}
	return &Group{topic: topic, id: c.ID, prefix: prefix, topics: slices.Concat(topics, c.Optional), optional: c.Optional, session: c.SessionTimeout, now: c.Now, opts: append(conn.Franz(),
		kgo.ConsumerGroup(c.ID), kgo.ConsumeTopics(topic), kgo.Balancers(kgo.RangeBalancer()), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(c.SessionTimeout), kgo.HeartbeatInterval(c.SessionTimeout/10),
		// The client discards fetched records. There are none while the topic is paused.
		kgo.FetchMaxBytes(1<<16), kgo.FetchMaxPartitionBytes(1<<10), kgo.MaxConcurrentFetches(1),
	)}, nil
}

// Run implements Assignment.
func (g *Group) Run(ctx context.Context, own, disown func([]int32), trouble func(error)) error {
	take := func(_ context.Context, cl *kgo.Client, topics map[string][]int32) {
		g.client.Store(cl) // before New returns it
		own(topics[g.topic])
	}
	drop := func(_ context.Context, _ *kgo.Client, topics map[string][]int32) { disown(topics[g.topic]) }
	cl, err := kgo.NewClient(slices.Concat(g.opts, []kgo.Opt{
		kgo.OnPartitionsAssigned(take), kgo.OnPartitionsRevoked(drop), kgo.OnPartitionsLost(drop), kgo.WithHooks(groupTrouble(trouble), lease{g}),
	})...)
	if err != nil {
		return fmt.Errorf("join the group: %w", err)
	}
	cl.PauseFetchTopics(g.topic)
	<-ctx.Done()
	cl.CloseAllowingRebalance() // leave the group, so that the others need not wait for the session to end
	return nil
}

// groupTrouble is a hook of the client.
type groupTrouble func(error)

// OnGroupManageError implements kgo.HookGroupManageError.
func (t groupTrouble) OnGroupManageError(err error) {
	t(fmt.Errorf("share the partitions in the group: %w", err))
}

// Alone is the assignment of a process that reads all partitions: these.
type Alone []int32

// Run implements Assignment.
func (a Alone) Run(ctx context.Context, own, _ func([]int32), _ func(error)) error {
	own(a)
	<-ctx.Done()
	return nil
}
