package sinks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/merge"
)

// Target stores the events of a sink. Calls for one partition come one at a time, those for several at once.
type Target interface {
	// Positions returns the positions of a partition. Topics that were not read yet are left out.
	Positions(ctx context.Context, partition int32) (map[schemas.Topic]Position, error)
	// Apply stores a batch in one step: all of it or nothing. The rows and their texts must stay unchanged until it
	// returns.
	//
	// It fails with ErrFenced if the batch does not begin at the target's positions, and with ErrRefused if the target
	// cannot store the content of the batch. An Eraser fails with ErrErased if it knows other erasures than the batch
	// was made with. After ErrSlow the batch is given again in two halves, after any other error as it is.
	Apply(ctx context.Context, b *Batch) error
}

// Position is the place from which a topic is read.
type Position struct {
	Next int64     // offset of the next record
	Log  [16]byte  // id of the topic: a topic that was created again has another one; zero: the brokers have none
	At   time.Time // when the target stored it, in whole milliseconds
}

// same reports whether two positions are one and the same: a rebuild that leads to the same offset is another one.
func (p Position) same(o Position) bool {
	return p.Next == o.Next && p.Log == o.Log && p.At.Equal(o.At)
}

// Advance moves a topic of a partition from one position to the next.
type Advance struct {
	Topic schemas.Topic
	// From is the offset in the target; -1: none.
	From int64
	To   Position
}

// Batch is the content of one step.
type Batch struct {
	Partition int32
	Live      bool // it has no backlog
	Rows      *merge.Rows
	Letters   []Letter
	Advances  []Advance
	Erasures  int64 // version of the erasures that the rows were made with, where the target is an Eraser
}

// Letter is a record that could not be applied.
type Letter struct {
	Topic   schemas.Topic
	Place   merge.Place
	Key     []byte
	Headers []Header
	Value   []byte
	Reason  string // without any of the content
	At      time.Time
}

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// ErrFenced reports that a target has another position: another process took the partition over.
var ErrFenced = errors.New("the target stands at another position")

// ErrRefused reports that the target cannot store the content of a batch, at any attempt.
var ErrRefused = errors.New("refused by the target")

// ErrSlow reports that a target did not finish a batch in its time limit. A smaller batch may fit.
var ErrSlow = errors.New("not finished within the time limit")

// BlockedError reports why a partition is not read, and the remedy.
type BlockedError struct {
	Topic     string // full name
	Partition int32
	Next      int64
	Why       string
	Rebuild   string // the command that fills the target again
}

// Error names the place, the cause and the remedy.
func (e *BlockedError) Error() string {
	return fmt.Sprintf("%s/%d@%d: %s; `%s` fills the target again from what the topics hold", e.Topic, e.Partition, e.Next, e.Why, e.Rebuild)
}
