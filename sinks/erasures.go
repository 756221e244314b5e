package sinks

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks/merge"
)

// Eraser is a target that keeps erased people erased when their events come again: by a replay, a rebuild, or a history that is sent again.
type Eraser interface {
	Target
	// Erasures are those that the target knows of. Batches are made with them.
	Erasures() *Erasures
}

// Erasures are the people who were erased, and when. They do not change.
type Erasures struct {
	Version int64 // of the newest
	People  map[merge.PersonHash]time.Time
}

// ErrErased says that people were erased since the rows of a batch were made. They have to be made again.
var ErrErased = errors.New("people were erased meanwhile")

// Cover reports whether an event has data of somebody from before the erasure.
func (e *Erasures) Cover(ev *event.Event) bool {
	if e == nil || len(e.People) == 0 {
		return false
	}
	return e.holds(merge.PeopleOf(ev))
}

// CoverUnread reports whether a record that is no event names somebody in its key, from before the erasure.
func (e *Erasures) CoverUnread(topic schemas.Topic, r *kgo.Record) bool {
	if e == nil || len(e.People) == 0 {
		return false
	}
	h, _ := event.ReadHeaders(r.Headers) // as far as they can be read
	if h.ReceivedAt <= 0 {
		h.ReceivedAt = r.Timestamp.UnixMilli()
	}
	return e.holds(merge.PeopleOfKey(topic, r.Key, h.ReceivedAt))
}

func (e *Erasures) holds(p merge.People) bool {
	for _, id := range p.IDs {
		for _, number := range [...]string{p.Number, ""} {
			if at, ok := e.People[merge.HashPerson(number, id)]; ok && p.At <= at.UnixMilli() {
				return true
			}
		}
	}
	return false
}
