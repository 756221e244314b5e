package ingress

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

const (
	liveTopic = "coex.raw.live"
	bulkTopic = "coex.raw.bulk"
)

// cluster is an in-process broker with the raw topics.
func cluster(t testing.TB, brokers int, partitions int32, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(brokers), kfake.SeedTopics(partitions, liveTopic, bulkTopic),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	takes(t, c, 20_000_000)
	return c
}

// takes sets the longest batch that the raw topics take.
func takes(t testing.TB, c *kfake.Cluster, bytes int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	most := strconv.Itoa(bytes)
	res, err := kadm.NewClient(cl).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: &most}}, liveTopic, bulkTopic)
	for _, r := range res {
		err = errors.Join(err, r.Err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// publishing is a Publisher that runs.
type publishing struct {
	*Publisher
	reg    *prometheus.Registry
	cancel context.CancelFunc
	done   chan error
}

func publisher(t testing.TB, brokers []string, change func(*PublisherConfig), prepare ...func(*Publisher)) *publishing {
	t.Helper()
	return publisherOver(t, nil, brokers, change, prepare...)
}

// dialer is PublisherDeps.Dial.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// publisherOver is publisher over connections of another kind.
func publisherOver(t testing.TB, dial dialer, brokers []string, change func(*PublisherConfig), prepare ...func(*Publisher)) *publishing {
	t.Helper()
	p := launch(t, brokers, dial, change, prepare...)
	waitFor(t, "the publisher", func() bool { return p.Ready() == nil })
	return p
}

// launch does not wait until it is ready. dial may be nil. prepare changes the publisher before it runs.
func launch(t testing.TB, brokers []string, dial dialer, change func(*PublisherConfig), prepare ...func(*Publisher)) *publishing {
	t.Helper()
	cfg := DefaultPublisherConfig()
	cfg.Brokers = brokers
	if change != nil {
		change(&cfg)
	}
	reg := prometheus.NewRegistry()
	p, err := NewPublisher(cfg, PublisherDeps{Dial: dial, Registerer: reg, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &publishing{p, reg, cancel, make(chan error, 1)}
	go func() { r.done <- p.Run(ctx) }()
	t.Cleanup(r.stop)
	return r
}

func (p *publishing) stop() {
	p.cancel()
	if p.done != nil {
		<-p.done
		p.done = nil
	}
}

// contents reads both raw topics from their start to their end, by topic and then by partition.
func contents(t testing.TB, brokers []string) map[string][][]*kgo.Record {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(liveTopic, bulkTopic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.MetadataMinAge(20*time.Millisecond), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, liveTopic, bulkTopic)
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

func record(waba, value string) *Record {
	return &Record{Topic: schemas.TopicRawLive, Key: []byte(waba), Value: []byte(value), Time: time.Now()}
}

func soon(d time.Duration) time.Time { return time.Now().Add(d) }
