package sinks_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

func TestADamagedBatchStopsItsTopicAlone(t *testing.T) {
	for _, topic := range []schemas.Topic{schemas.TopicMessages, schemas.TopicContacts, schemas.TopicHistory} {
		t.Run(topic.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := sinktest.NewWorld(7, 1000, 0)
				log, target := sinktest.NewLog(w), newMemory()
				records := w.Log(topic, 0)
				damaged := records[len(records)/2].Offset
				log.Damage(topic, damaged)
				r := start(t, log, target, nil)
				time.Sleep(time.Minute)
				if err := r.sink.Ready(); !errors.Is(err, kafka.ErrDamaged) || r.sink.CaughtUp() {
					t.Errorf("ready: %v, caught up %v", err, r.sink.CaughtUp())
				}
				if n, blocked := r.metric(t, "coexstream_sink_damaged_batches"), len(r.sink.Blocked()); n != 1 || blocked != 0 {
					t.Errorf("%v damaged batches, %d blocked partitions", n, blocked)
				}
				ends, err := log.Ends(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				positions, _ := target.Positions(t.Context(), 0)
				for _, other := range sinks.TableTopics() {
					want := ends[other][0]
					if other == topic {
						want = damaged
					}
					if got := positions[other].Next; got != want && len(w.Log(other, 0)) > 0 {
						t.Errorf("%s is read up to %d, want %d", other, got, want)
					}
				}
				log.Damage(topic, -1)
				time.Sleep(10 * time.Second)
				if n := r.metric(t, "coexstream_sink_damaged_batches"); n != 0 || !r.sink.CaughtUp() || r.sink.Ready() != nil {
					t.Errorf("after the repair: %v damaged batches, caught up %v, ready %v", n, r.sink.CaughtUp(), r.sink.Ready())
				}
				r.stop()
			})
		})
	}
}

// Behind a damaged batch, tombstones may go unread: the sink waited for longer than they are kept.
func TestTombstonesBehindADamagedBatchAreMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sinktest.NewWorld(8, 1000, 0)
		log := sinktest.NewLog(w)
		records := w.Log(schemas.TopicContacts, 0)
		log.Damage(schemas.TopicContacts, records[len(records)/2].Offset)
		r := start(t, log, newMemory(), func(c *sinks.Config) { c.Poll = time.Minute })
		time.Sleep(9 * 24 * time.Hour)
		log.Damage(schemas.TopicContacts, -1)
		time.Sleep(5 * time.Minute)
		if err := r.sink.Ready(); err == nil || !strings.Contains(err.Error(), "removals may be missing") {
			t.Errorf("ready: %v", err)
		}
		r.stop()
	})
}
