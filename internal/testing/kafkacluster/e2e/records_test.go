package e2e

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
)

// eachRecord reads topics to their present ends, record by record as they are in the log: segments are not put
// together, and aborted records are included on request.
func eachRecord(t *testing.T, c *kafkacluster.Cluster, topics []string, level kgo.IsolationLevel, yield func(*kgo.Record)) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.ConsumeTopics(topics...), kgo.FetchIsolationLevel(level),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords()) // they take the last offsets of many partitions
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	type place struct {
		topic     string
		partition int32
	}
	var ends kadm.ListedOffsets
	until(t, "the ends of the topics are known", func() bool { // leaders may be on the move
		ends, err = kadm.NewClient(cl).ListCommittedOffsets(ctx, topics...)
		return err == nil && ends.Error() == nil
	})
	left := map[place]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[place{o.Topic, o.Partition}] = o.Offset
		}
	})
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d partitions were not read to their ends: %v", len(left), left)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at := place{r.Topic, r.Partition}
			end, reading := left[at]
			if !reading || r.Offset >= end {
				delete(left, at)
				return
			}
			if r.Offset == end-1 {
				delete(left, at)
			}
			if !r.Attrs.IsControl() {
				yield(r)
			}
		})
	}
}
