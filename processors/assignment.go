package processors

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

// assignment collects the group's assignment events between two iterations of the session's loop. The client's
// goroutines add events, and the loop drains them; mu guards events.
type assignment struct {
	inputs map[string]schemas.Topic

	mu     sync.Mutex
	events []assignmentEvent
}

type assignmentEvent struct {
	assigned   bool
	partitions map[schemas.Topic][]int32
}

func newAssignment(cfg *Config) *assignment {
	a := &assignment{inputs: map[string]schemas.Topic{}}
	for _, t := range schemas.Inputs() {
		a.inputs[cfg.topic(t)] = t
	}
	return a
}

// options returns the options with the group's callbacks. went is called with revoked partitions before others are
// assigned.
func (a *assignment) options(went func(...int32)) []kgo.Opt {
	told := func(assigned bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			e := assignmentEvent{assigned: assigned, partitions: map[schemas.Topic][]int32{}}
			for name, ps := range topics {
				if t, ok := a.inputs[name]; ok {
					e.partitions[t] = append([]int32(nil), ps...)
				}
			}
			if !assigned {
				went(slices.Collect(maps.Keys(e.union()))...)
			}
			a.mu.Lock()
			a.events = append(a.events, e)
			a.mu.Unlock()
		}
	}
	return []kgo.Opt{
		kgo.OnPartitionsAssigned(told(true)),
		kgo.OnPartitionsRevoked(told(false)),
		kgo.OnPartitionsLost(told(false)),
	}
}

// drain returns the events since the last call, in their order.
func (a *assignment) drain() []assignmentEvent {
	a.mu.Lock()
	defer a.mu.Unlock()
	es := a.events
	a.events = nil
	return es
}

// union returns the partition numbers of an event, with the number of topics that have each one.
func (e assignmentEvent) union() map[int32]int {
	u := map[int32]int{}
	for _, ps := range e.partitions {
		for _, p := range ps {
			u[p]++
		}
	}
	return u
}

// coPartitioned returns an error if an event lacks a partition of one input. Then partition counts differ, and records
// of one business would reach two cores.
func (e assignmentEvent) coPartitioned() error {
	for p, n := range e.union() {
		if n != len(schemas.Inputs()) {
			return fmt.Errorf("partition %d was assigned for %d of the %d input topics",
				p, n, len(schemas.Inputs()))
		}
	}
	return nil
}
