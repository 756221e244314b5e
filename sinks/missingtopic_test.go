package sinks_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/merge"
	"github.com/coexstream/coexstream/sinks/sinktest"
)

// An installation without the topic of the assets is read on. When the topic is there, its records come, too.
func TestATopicThatMayBeMissingIsReadFromWhenItIsThere(t *testing.T) {
	var names []string
	for _, topic := range sinks.Topics() {
		names = append(names, topic.Name("coex."))
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, names...))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	w := sinktest.NewWorld(3, 400, 0)
	write := func(topics ...schemas.Topic) {
		t.Helper()
		for _, topic := range topics {
			for _, partition := range w.Partitions() {
				if err := cl.ProduceSync(t.Context(), w.Log(topic, partition)...).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	write(sinks.Topics()...)
	log, err := sinks.NewKafkaLog(kafka.Connection{Brokers: cluster.ListenAddrs(), ClientID: "test", DialTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second}, "coex.")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	target := &collecting{memory: newMemory()}
	c := named("test")
	c.Poll = 10 * time.Millisecond
	r := startAs(t, c, sinks.Deps{Log: log, Target: target})
	defer r.stop()
	await(t, func() bool { return r.sink.CaughtUp() && target.events() > 10 })
	if n := target.count(); n > 0 {
		t.Errorf("%d assets of a topic that is not there", n)
	}
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, schemas.TopicAssets.Name("coex.")); err != nil {
		t.Fatal(err)
	}
	write(schemas.TopicAssets)
	want := merge.NewRows()
	for _, partition := range w.Partitions() {
		for _, rec := range w.Log(schemas.TopicAssets, partition) {
			e, err := event.Read(schemas.TopicAssets, rec.Key, rec.Headers, rec.Value)
			if err != nil {
				t.Fatal(err)
			}
			want.Add(&e, merge.Place{Partition: partition, Offset: rec.Offset})
		}
	}
	await(t, func() bool { return target.count() == len(want.Assets) })
	if len(want.Assets) < 5 || r.sink.Ready() != nil {
		t.Errorf("%d assets, %v", len(want.Assets), r.sink.Ready())
	}
}

func await(t *testing.T, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for !holds() {
		if !sinks.Pause(ctx, 10*time.Millisecond) {
			t.Fatal("it never came")
		}
	}
}

// collecting counts the assets, too.
type collecting struct {
	*memory
	assets map[merge.AssetKey]bool
}

func (c *collecting) Apply(ctx context.Context, b *sinks.Batch) error {
	if err := c.memory.Apply(ctx, b); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range b.Rows.Assets {
		if c.assets == nil {
			c.assets = map[merge.AssetKey]bool{}
		}
		c.assets[key] = true
	}
	return nil
}

func (c *collecting) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.assets)
}
