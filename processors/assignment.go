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

// assignment collects what the group says between two turns of the loop. Its callbacks run on the
// client's goroutines, the rest on the loop's.
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

// options are those of the group's client. went is called with the partitions that go, before others come.
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

// drain returns what was told since the last call, in its order.
func (a *assignment) drain() []assignmentEvent {
	a.mu.Lock()
	defer a.mu.Unlock()
	es := a.events
	a.events = nil
	return es
}

// union is the partition numbers of an event, whatever the topic.
func (e assignmentEvent) union() map[int32]int {
	u := map[int32]int{}
	for _, ps := range e.partitions {
		for _, p := range ps {
			u[p]++
		}
	}
	return u
}

// coPartitioned fails when the event does not hold the same partitions of every input: then the topics
// differ in their partition count, and one business's records would reach two tasks.
func (e assignmentEvent) coPartitioned() error {
	for p, n := range e.union() {
		if n != len(schemas.Inputs()) {
			return fmt.Errorf("partition %d was assigned for %d of the %d input topics",
				p, n, len(schemas.Inputs()))
		}
	}
	return nil
}
