package partition

import (
	"maps"

	"github.com/coexstream/coexstream/processors/deferred"
	"github.com/coexstream/coexstream/schemas"
)

// Kind is a kind of duplicate.
type Kind uint8

// The kinds.
const (
	KindChunk Kind = iota
	KindHistory
	KindMessage
	KindStatus
	KindEcho
	KindMedia
	KindContact
	KindContactStale
	KindAccount
	KindOther
	KindReplayed
	KindRequeued
	kindCount
)

var kindNames = [kindCount]string{"chunk", "history", "message", "status", "echo", "media", "contact", "contact_stale", "account", "other", "replayed", "requeued"}

// String is the kind's label in metrics.
func (k Kind) String() string { return kindNames[k] }

// Counts are the counters of a partition.
type Counts struct {
	Events      [topicsMax]int64 // by schemas.Topic
	Duplicates  [kindCount]int64
	DeadLetters map[schemas.Reason]int64
	Deferred    [deferred.ReasonCount]int64
	Gaps        int64 // of history syncs, without those of replays
}

func newCounts() Counts {
	return Counts{DeadLetters: map[schemas.Reason]int64{}}
}

func (c *Counts) reset() {
	c.Events = [topicsMax]int64{}
	clear(c.DeadLetters)
	c.Duplicates = [kindCount]int64{}
	c.Deferred = [deferred.ReasonCount]int64{}
	c.Gaps = 0
}

// snapshot returns a copy that does not change.
func (c *Counts) snapshot() Counts {
	s := *c
	s.DeadLetters = maps.Clone(c.DeadLetters)
	return s
}

func (c *Counts) add(o *Counts) {
	for i, n := range o.Events {
		c.Events[i] += n
	}
	for i, n := range o.Duplicates {
		c.Duplicates[i] += n
	}
	for why, n := range o.Deferred {
		c.Deferred[why] += n
	}
	for r, n := range o.DeadLetters {
		c.DeadLetters[r] += n
	}
	c.Gaps += o.Gaps
}

// topicsMax is greater than every schemas.Topic.
const topicsMax = 16
