package processors

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/testing/cost"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
)

// TestCosts checks the costs of an event between its core and the client that produces it.
func TestCosts(t *testing.T) {
	cost.Check(t, cost.Operation{Name: "hand an event to the client", Per: "event", Times: 20 * recordBlock, Start: func(t *testing.T) func(int) {
		var limits recordLimits
		for i := range limits {
			limits[i] = recordLimitUsual
		}
		handed := 0
		s := newSender(t.Context(), func(_ context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
			handed++
			promise(r, nil)
		}, &limits)
		cfg := DefaultConfig()
		names := topicNames(&cfg)
		r := partition.Record{Topic: schemas.TopicHistory, Key: []byte("106540352242922/16505551234"), Value: make([]byte, 700)}
		for range 8 {
			r.Headers = append(r.Headers, partition.Header{Key: "ce_type", Value: []byte("com.coexstream.history.message")})
		}
		var space records
		return func(times int) {
			before := handed
			for range times {
				if handed%recordBlock == 0 { // a transaction
					space.reset()
				}
				s.send(space.add(names, r), r.Topic)
			}
			if handed-before != times {
				t.Fatalf("%d of %d events were handed over", handed-before, times)
			}
		}
	}}, cost.Operation{Name: "decide whether a live record waits", Per: "record", Times: 50_000, Start: func(t *testing.T) func(int) {
		cfg := DefaultConfig()
		cfg.Partition.Partitions, cfg.Partition.PartitionOf = 1, func([]byte) int32 { return 0 }
		part, err := partition.New(cfg.Partition)
		if err != nil {
			t.Fatal(err)
		}
		r := &runner{cfg: &cfg, core: part}
		w := &polledRecords{crowd: &liveBusinesses{}}
		now := time.Now()
		records := make([]*kgo.Record, 100)
		for i := range records {
			records[i] = &kgo.Record{Topic: "coex.raw.live", Key: strconv.AppendInt(nil, int64(106540352242922+i), 10), Value: make([]byte, 700)}
			for _, name := range []string{"content-type", schemas.HeaderCEID, schemas.HeaderSource, schemas.HeaderProvider, schemas.HeaderRequestID, schemas.HeaderReceivedAt} {
				records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: name, Value: []byte("0123456789abcdef")})
			}
		}
		return func(times int) {
			for i := range times {
				if i%len(records) == 0 { // a transaction
					r.shares.Begin()
				}
				rec := records[i%len(records)]
				w.crowd.wrote(rec.Key, now)
				if waits, err := r.defers(t.Context(), schemas.TopicRawLive, rec, w); waits || err != nil {
					t.Fatalf("a short record of a business that sends little waits: %v, %v", waits, err)
				}
			}
		}
	}})
}
