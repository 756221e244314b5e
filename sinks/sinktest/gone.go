package sinktest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
)

// gone lets a target miss what the topics held. It must not continue at another offset: it stops, names the way back, and is whole after it.
func gone(t *testing.T, subject func(t *testing.T) Subject) {
	for _, tt := range []struct {
		name string
		do   func(*Log, *World) (left *World)
		want string
		kept time.Duration // of tombstones
	}{
		{"retention", func(l *Log, w *World) *World {
			start := int64(0) // behind the read records of each partition
			for _, p := range w.partitions {
				start = max(start, l.end(schemas.TopicMessages, p)+10)
			}
			l.Show(1000)
			l.Retain(schemas.TopicMessages, start)
			return w.without(schemas.TopicMessages, func(r *record) bool { return r.Offset < start })
		}, "retention removed the records before", time.Hour},
		{"a topic that was made again", func(l *Log, w *World) *World {
			l.Show(1000)
			l.Recreate(schemas.TopicEchoes)
			return w
		}, "deleted and made again", time.Hour},
		{"a log that was cut", func(l *Log, w *World) *World {
			l.Cut(schemas.TopicHistory, 2)
			return w.without(schemas.TopicHistory, func(r *record) bool { return r.Offset >= 2 })
		}, "it was cut", time.Hour},
		{"tombstones", func(l *Log, w *World) *World {
			l.Show(1000)
			time.Sleep(50 * time.Millisecond) // longer than they are kept
			return w
		}, "removals may be missing", 50 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := NewWorld(7, 1200, 0, 1)
			s := subject(t)
			log := NewLog(w)
			log.Show(400)
			c := config(rand.New(rand.NewPCG(7, 1)))
			c.ContactTombstones, c.SyncTombstones = time.Hour, time.Hour
			target := s.Open(t)
			runUntil(t, c, log, target, (*sinks.Sink).CaughtUp)
			before := s.Content(t).Lines()

			left := tt.do(log, w)
			c.ContactTombstones, c.SyncTombstones = tt.kept, tt.kept
			runUntil(t, c, log, target, func(sink *sinks.Sink) bool {
				stopped := sink.Blocked()
				if len(stopped) < len(w.partitions) {
					return false
				}
				for partition, err := range stopped {
					var blocked *sinks.BlockedError
					if text := fmt.Sprint(err); !errors.As(err, &blocked) || blocked.Partition != partition || !strings.Contains(text, tt.want) || !strings.Contains(text, c.Rebuild) {
						t.Errorf("%v, want %q and the way back", err, tt.want)
					}
				}
				return true
			})
			if err := Compare(s.Content(t).Lines(), before); err != nil {
				t.Errorf("it continued: %v", err)
			}
			closed(t, target)

			log.Show(1000)
			c.ContactTombstones, c.SyncTombstones = time.Hour, time.Hour
			s.Rebuild(t, func(target Target) { runUntil(t, c, log, target, (*sinks.Sink).CaughtUp) })
			s.hold(t, left)
			target = s.Open(t)
			runUntil(t, c, log, target, (*sinks.Sink).CaughtUp)
			closed(t, target)
			s.hold(t, left)
		})
	}
}

// without is the world that a rebuild finds: some records of a topic are gone.
func (w *World) without(topic schemas.Topic, gone func(*record) bool) *World {
	left := *w
	left.logs = maps.Clone(w.logs)
	left.logs[topic] = maps.Clone(w.logs[topic])
	for partition, all := range left.logs[topic] {
		left.logs[topic][partition] = slices.DeleteFunc(slices.Clone(all), gone)
	}
	return &left
}
