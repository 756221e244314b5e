package archive_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/archive"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// The records before the damaged batch are archived, and all others follow the repair.
func TestTheArchiveWaitsAtADamagedBatch(t *testing.T) {
	t.Parallel()
	log := newLog(2, schemas.TopicRawLive)
	log.fill(rand.New(rand.NewPCG(1, 1)), 200, time.Now())
	at := place{schemas.TopicRawLive, 0}
	before := len(log.records[at]) / 2
	log.damaged = map[place]int64{at: log.records[at][before].Offset}
	bucket := newMemory()
	s := newSink(t, eager(log.topics...), log, bucket)
	stop := started(t, s)
	until(t, "the sink waits", func() bool { return errors.Is(s.Ready(), kafka.ErrDamaged) })
	chain := func(partition int32) archive.Chain {
		return archive.Chain{Topic: schemas.TopicRawLive, Partition: partition, Log: log.ids[schemas.TopicRawLive]}
	}
	until(t, "the records before it and those of the other partition are archived", func() bool {
		got := chains(t, bucket, log.topics...)
		return len(got[chain(0)]) == before && len(got[chain(1)]) == len(log.records[place{schemas.TopicRawLive, 1}])
	})
	log.mu.Lock()
	log.damaged = nil
	log.mu.Unlock()
	until(t, "all is archived", func() bool { return archived(t, bucket, log) })
	until(t, "the sink is ready", func() bool { return s.Ready() == nil })
	stop()
	log.holds(t, bucket)
}
