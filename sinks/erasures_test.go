package sinks_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/merge"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// forgetful is a target that erases somebody after a number of batches.
type forgetful struct {
	*memory
	known   atomic.Pointer[sinks.Erasures]
	next    *sinks.Erasures
	stale   atomic.Int64 // batches that were refused
	after   int          // batches
	applied atomic.Int64

	chats, leaked atomic.Int64 // messages of the people, and those after the erasure
}

func (f *forgetful) Erasures() *sinks.Erasures { return f.known.Load() }

func (f *forgetful) Apply(ctx context.Context, b *sinks.Batch) error {
	if int(f.applied.Add(1)) > f.after {
		f.known.Store(f.next)
	}
	if b.Erasures != f.known.Load().Version {
		f.stale.Add(1)
		return sinks.ErrErased
	}
	for _, m := range b.Rows.Messages {
		switch m.Content.Chat {
		case "491701", "491702":
			f.chats.Add(1)
			if b.Erasures > 0 {
				f.leaked.Add(1)
			}
		}
	}
	return f.memory.Apply(ctx, b)
}

// A batch that was made before an erasure is made again without the people that it concerns, and every position is reached.
func TestABatchIsMadeAgainAfterAnErasure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := sinktest.NewLog(sinktest.NewWorld(81, 2000, 0))
		everybody := map[merge.PersonHash]time.Time{}
		for _, id := range []string{"491701", "491702", "DE.1", "DE.2"} {
			everybody[merge.HashPerson("", id)] = time.Now().AddDate(100, 0, 0)
		}
		target := &forgetful{memory: newMemory(), next: &sinks.Erasures{Version: 7, People: everybody}, after: 3}
		target.known.Store(&sinks.Erasures{})
		r := start(t, log, target, func(c *sinks.Config) { c.RecordsMax = 50 })
		time.Sleep(time.Minute)
		if !r.sink.CaughtUp() || r.sink.Ready() != nil {
			t.Errorf("caught up %v, ready %v", r.sink.CaughtUp(), r.sink.Ready())
		}
		r.stop()
		whole := newMemory()
		all := start(t, log, whole, nil)
		time.Sleep(time.Minute)
		all.stop()
		if n := target.stale.Load(); n != 1 {
			t.Errorf("%d batches were refused, want that which was made before", n)
		}
		if target.chats.Load() == 0 || target.leaked.Load() > 0 || target.taken() < 10 {
			t.Errorf("%d messages of the people, %d after the erasure, in %d batches", target.chats.Load(), target.leaked.Load(), target.taken())
		}
		if p := target.positions[schemas.TopicMessages]; p.Next != whole.positions[schemas.TopicMessages].Next {
			t.Errorf("messages are at %d, want %d", p.Next, whole.positions[schemas.TopicMessages].Next)
		}
	})
}
