package rawtest

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The raw topics of a Cluster.
const (
	LiveTopic = "coex.raw.live"
	BulkTopic = "coex.raw.bulk"
)

// Cluster starts a broker inside the process, with the raw topics.
func Cluster(t testing.TB, brokers int, partitions int32, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(brokers), kfake.SeedTopics(partitions, LiveTopic, BulkTopic),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	SetMaxMessageBytes(t, c, 20_000_000)
	return c
}

// SetMaxMessageBytes sets max.message.bytes of the raw topics.
func SetMaxMessageBytes(t testing.TB, c *kfake.Cluster, bytes int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	most := strconv.Itoa(bytes)
	res, err := kadm.NewClient(cl).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: &most}}, LiveTopic, BulkTopic)
	for _, r := range res {
		err = errors.Join(err, r.Err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Contents reads both raw topics from their start to their end, by topic and then by partition.
func Contents(t testing.TB, brokers []string) map[string][][]*kgo.Record {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(LiveTopic, BulkTopic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.MetadataMinAge(20*time.Millisecond), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, LiveTopic, BulkTopic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.Fatalf("list end offsets: %v", err)
	}
	left := int64(0)
	all := map[string][][]*kgo.Record{}
	ends.Each(func(o kadm.ListedOffset) {
		left += o.Offset
		for len(all[o.Topic]) <= int(o.Partition) {
			all[o.Topic] = append(all[o.Topic], nil)
		}
	})
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("fetch, %d to go: %v", left, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			all[r.Topic][r.Partition] = append(all[r.Topic][r.Partition], r)
			left--
		})
	}
	return all
}

// RecordHeader returns the value of a header of a record in the log.
func RecordHeader(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
