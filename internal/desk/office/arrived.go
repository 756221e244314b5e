package office

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/coexstream/coexstream/schemas"
)

// Synced is the newest record of a number on the topic `syncs`, and its partition.
type Synced struct {
	schemas.Sync
	Partition int32
}

const (
	// syncsMax is how many records of `syncs` an office keeps in memory. Others stay in the topic, and are read when somebody asks for them.
	syncsMax = 1000
	// syncsKept is how many are left when more came. So a full memory is not sorted for each record.
	syncsKept = 750
)

// syncs keeps the newest records of numbers that the desk knows. A nil value: the topic has no record of the number.
type syncs map[string]*Synced

// take takes a record. A tombstone takes back what its own partition said.
func (s syncs) take(number string, partition int32, sync *schemas.Sync) {
	if sync == nil {
		if have := s[number]; have != nil && have.Partition == partition {
			delete(s, number) // another partition may have one
		}
		return
	}
	s[number] = &Synced{*sync, partition}
	s.shrink()
}

// shrink forgets syncs that ended, then the oldest ones.
func (s syncs) shrink() {
	if len(s) <= syncsMax {
		return
	}
	rank := func(number string) int {
		switch have := s[number]; {
		case have == nil:
			return 0
		case have.State != schemas.SyncRunning:
			return 1
		}
		return 2
	}
	numbers := slices.SortedFunc(maps.Keys(s), func(a, b string) int {
		if c := cmp.Compare(rank(a), rank(b)); c != 0 || s[a] == nil {
			return c
		}
		return s[a].LastAt.Compare(s[b].LastAt)
	})
	for _, number := range numbers[:len(s)-syncsKept] {
		delete(s, number)
	}
}

// Arrived takes the newest record of a number from a partition of the topic `syncs`; nil: it was removed. The caller calls it when the office is
// ready: records of numbers that the log of the desk does not have are not kept.
func (o *Office) Arrived(number string, partition int32, s *schemas.Sync) {
	if _, known := o.number(number); !known {
		return
	}
	o.state.Lock()
	defer o.state.Unlock()
	o.syncs.take(number, partition, s)
}

// arrived returns the newest records of some numbers. It looks into the topic for those that are not in memory.
func (o *Office) arrived(ctx context.Context, numbers ...string) (map[string]schemas.Sync, error) {
	found, missing := o.remembered(numbers)
	if len(missing) == 0 || o.Find == nil {
		return found, nil
	}
	read, err := o.Find(ctx, missing)
	if err != nil {
		return nil, err
	}
	for number := range missing {
		if s, ok := read[number]; ok {
			found[number] = s.Sync
		}
	}
	o.remember(missing, read)
	return found, nil
}

// remembered returns the records in memory, and the numbers whose records are not.
func (o *Office) remembered(numbers []string) (found map[string]schemas.Sync, missing map[string]bool) {
	found, missing = map[string]schemas.Sync{}, map[string]bool{}
	o.state.Lock()
	defer o.state.Unlock()
	for _, number := range numbers {
		switch have, known := o.syncs[number]; {
		case !known:
			missing[number] = true
		case have != nil:
			found[number] = have.Sync
		}
	}
	return found, missing
}

// remember keeps what the topic said. A record that arrived meanwhile is newer.
func (o *Office) remember(asked map[string]bool, read map[string]Synced) {
	o.state.Lock()
	defer o.state.Unlock()
	for number := range asked {
		if _, known := o.syncs[number]; known {
			continue
		}
		if s, ok := read[number]; ok {
			o.syncs.take(number, s.Partition, &s.Sync)
		} else {
			o.syncs[number] = nil
			o.syncs.shrink()
		}
	}
}
