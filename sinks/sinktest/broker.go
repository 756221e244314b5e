package sinktest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
)

const (
	prefix      = "coex."
	recordBytes = 4 << 20 // more than the longest events
)

// broker has a world in its topics, a part of it at first.
type broker struct {
	world   *World
	cluster *kfake.Cluster
	cl      *kgo.Client
	written map[schemas.Topic]map[int32]int // records
}

func startBroker(t *testing.T, w *World) *broker {
	t.Helper()
	var names []string
	for _, topic := range sinks.TableTopics() {
		names = append(names, topic.Name(prefix))
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(int32(len(w.partitions)), names...), kfake.GroupMinSessionTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(recordBytes))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &broker{world: w, cluster: cluster, cl: cl, written: map[schemas.Topic]map[int32]int{}}
}

// show writes records until so many thousandths of each log are there. The records get the offsets that they have there.
func (b *broker) show(t *testing.T, thousandths int) {
	t.Helper()
	var records []*kgo.Record
	for _, topic := range sinks.TableTopics() {
		if b.written[topic] == nil {
			b.written[topic] = map[int32]int{}
		}
		for partition, log := range b.world.logs[topic] {
			n := len(log) * thousandths / 1000
			for _, r := range log[b.written[topic][partition]:n] {
				records = append(records, r.Record)
			}
			b.written[topic][partition] = n
		}
	}
	if err := b.cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// taken reports whether the target has applied all records.
func (b *broker) taken(ctx context.Context, target sinks.Target) (bool, error) {
	for _, partition := range b.world.partitions {
		positions, err := target.Positions(ctx, partition)
		if err != nil {
			return false, err
		}
		for topic, written := range b.written {
			if positions[topic].Next < int64(written[partition]) {
				return false, nil
			}
		}
	}
	return true, nil
}

// partitionsUpTo are the first n.
func partitionsUpTo(n int32) (all []int32) {
	for p := range n {
		all = append(all, p)
	}
	return slices.Clip(all)
}
