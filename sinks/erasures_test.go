package sinks_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

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

	chats, leaked atomic.Int64 // messages of the people, and unreadable records, and those after the erasure
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
	f.chats.Add(int64(len(b.Letters)))
	if b.Erasures > 0 {
		f.leaked.Add(int64(len(b.Letters)))
	}
	return f.memory.Apply(ctx, b)
}

// A batch that was made before an erasure is made again without the people that it concerns, and every position is reached.
func TestABatchIsMadeAgainAfterAnErasure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sinktest.NewWorld(81, 2000, 0)
		w.Poison(40) // records of a chat that cannot be read
		log := sinktest.NewLog(w)
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

// A record that is no event is left out where its key names somebody who was erased after its receipt. Without a readable receipt the time of the record
// counts.
func TestAnUnreadableRecordOfAnErasedPersonIsLeftOut(t *testing.T) {
	const erased = 1_772_366_400_000
	all := &sinks.Erasures{Version: 1, People: map[merge.PersonHash]time.Time{merge.HashPerson("n", "491701"): time.UnixMilli(erased)}}
	for _, tt := range []struct {
		key      string
		received string
		at       int64
		want     bool
	}{
		{"n/491701", strconv.Itoa(erased), erased + 1, true}, {"n/491701", strconv.Itoa(erased + 1), erased, false},
		{"n/491701", "x", erased, true}, {"n/491701", "x", erased + 1, false},
		{"n/491702", strconv.Itoa(erased), erased, false}, {"m/491701", strconv.Itoa(erased), erased, false},
	} {
		r := &kgo.Record{Key: []byte(tt.key), Timestamp: time.UnixMilli(tt.at), Headers: []kgo.RecordHeader{{Key: schemas.HeaderReceivedAt, Value: []byte(tt.received)}}}
		if got := all.CoverUnread(schemas.TopicMessages, r); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	var none *sinks.Erasures
	if none.CoverUnread(schemas.TopicMessages, &kgo.Record{Key: []byte("n/491701")}) {
		t.Error("a target without erasures leaves out a record")
	}
}
