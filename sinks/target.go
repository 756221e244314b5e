package sinks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/merge"
)

// Target is what a sink writes to. Calls for one partition come one at a time, those for several at once.
type Target interface {
	// Positions tells where a partition stands. Topics of which nothing was read yet are left out.
	Positions(ctx context.Context, partition int32) (map[schemas.Topic]Position, error)
	// Apply takes a batch in one step: all of it or nothing. The rows and what they refer to are the target's until it returns.
	//
	// It fails with ErrFenced where the target does not stand where the batch begins, and with ErrRefused where the content of the
	// batch is what it cannot take. An Eraser fails with ErrErased where it knows of other erasures than the batch was made with. After any
	// other error the batch is given again.
	Apply(ctx context.Context, b *Batch) error
}

// Position is where a topic is read on.
type Position struct {
	Next int64     // offset of the next record
	Log  [16]byte  // id of the topic: one that was made again has another; zero where the brokers give none
	At   time.Time // when the target took it, in whole milliseconds
}

// same reports whether two positions are one and the same: a rebuild that leads to the same offset is another one.
func (p Position) same(o Position) bool {
	return p.Next == o.Next && p.Log == o.Log && p.At.Equal(o.At)
}

// Advance leads a topic of a partition from one position to the next.
type Advance struct {
	Topic schemas.Topic
	// From is the offset at which the target stands, -1 where it knows none.
	From int64
	To   Position
}

// Batch is what a target takes in one step.
type Batch struct {
	Partition int32
	Live      bool // nothing of it is backlog
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
	Reason  string // says nothing of the content
	At      time.Time
}

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// ErrFenced says that a target stands elsewhere: another process took the partition over.
var ErrFenced = errors.New("the target stands at another position")

// ErrRefused says that the content of a batch is what the target cannot take, however often it is tried.
var ErrRefused = errors.New("refused by the target")

// BlockedError says why a partition is not read on, and what to do.
type BlockedError struct {
	Topic     string // full name
	Partition int32
	Next      int64
	Why       string
	Rebuild   string // the command that fills the target again
}

// Error names the place and the way back.
func (e *BlockedError) Error() string {
	return fmt.Sprintf("%s/%d@%d: %s; `%s` fills the target again from what the topics hold", e.Topic, e.Partition, e.Next, e.Why, e.Rebuild)
}
