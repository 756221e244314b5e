package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
	coexkafka "github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/testing/freeport"
	"github.com/coexstream/coexstream/schemas"
)

func TestAcknowledgedRecordIsInTheLogAsItIs(t *testing.T) {
	for _, codec := range []string{"none", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			c := rawtest.Cluster(t, 1, 5)
			p := publisher(t, c.ListenAddrs(), func(cfg *Config) { cfg.CompressionLive, cfg.CompressionBulk = codec, codec })
			at := time.UnixMilli(1739321024123)
			type sent struct {
				record    raw.Record
				partition int32
			}
			var all []sent
			for i, waba := range []string{"", "1", "102290129340398", "102290129340399", "7"} {
				for _, topic := range []schemas.Topic{schemas.TopicRawLive, schemas.TopicRawBulk} {
					value := bytes.Repeat([]byte(strconv.Itoa(i)+"ü"), 1+i*200_000)
					r := raw.Record{Topic: topic, Key: []byte(waba), Value: value, Time: at, Headers: []raw.Header{{Key: "a", Value: []byte("b")}, {Key: "empty", Value: []byte{}}}}
					all = append(all, sent{r, coexkafka.Partition([]byte(waba), 5)})
				}
			}
			all = append(all, sent{raw.Record{Topic: schemas.TopicRawLive, Partitioning: []byte("555"), Value: []byte{}, Time: at}, coexkafka.Partition([]byte("555"), 5)})
			for i := range all {
				if err := p.Publish(&all[i].record, rawtest.In(time.Minute)); err != nil {
					t.Fatal(err)
				}
			}
			log := rawtest.Contents(t, c.ListenAddrs())
			next := map[string]int{}
			for _, want := range all {
				topic := want.record.Topic.Name("coex.")
				at := fmt.Sprint(topic, want.partition)
				if next[at] >= len(log[topic][want.partition]) {
					t.Fatalf("%s/%d holds %d records", topic, want.partition, next[at])
				}
				got := log[topic][want.partition][next[at]]
				next[at]++
				if !bytes.Equal(got.Value, want.record.Value) || got.Value == nil || !bytes.Equal(got.Key, want.record.Key) ||
					(got.Key == nil) != (len(want.record.Key) == 0) || !got.Timestamp.Equal(want.record.Time) || len(got.Headers) != len(want.record.Headers) {
					t.Errorf("%s/%d: key %q, %d bytes, %s, %d headers", topic, want.partition, got.Key, len(got.Value), got.Timestamp, len(got.Headers))
				}
				for i, h := range want.record.Headers {
					if got.Headers[i].Key != h.Key || !bytes.Equal(got.Headers[i].Value, h.Value) {
						t.Errorf("header %s=%q", got.Headers[i].Key, got.Headers[i].Value)
					}
				}
			}
		})
	}
}

func TestLeaderMoveIsNotNoticed(t *testing.T) {
	const partitions = 3
	c := rawtest.Cluster(t, 3, partitions)
	p := publisher(t, c.ListenAddrs(), nil)
	var stop atomic.Bool
	var slowest atomic.Int64
	var wg sync.WaitGroup
	var sent atomic.Int64
	for w := range 8 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				began := time.Now()
				if err := p.Publish(rawtest.Record(fmt.Sprintf("waba-%d", w), fmt.Sprintf("%d/%d", w, i)), rawtest.In(time.Minute)); err != nil {
					t.Errorf("publisher %d: %v", w, err)
					return
				}
				sent.Add(1)
				for took := int64(time.Since(began)); ; {
					if old := slowest.Load(); took <= old || slowest.CompareAndSwap(old, took) {
						break
					}
				}
			}
		})
	}
	for move := range 6 {
		target := sent.Load() + 100
		rawtest.WaitFor(t, "traffic between the moves", func() bool { return sent.Load() >= target || t.Failed() })
		for i := range int32(partitions) {
			if err := c.MoveTopicPartition(rawtest.LiveTopic, i, (i+int32(move))%3); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop.Store(true)
	wg.Wait()
	took := time.Duration(slowest.Load())
	t.Logf("%d records, the slowest took %s", sent.Load(), took)
	if took > 30*time.Second { // far below the deadlines
		t.Errorf("the slowest record took %s", took)
	}
	rawtest.CheckSequences(t, c.ListenAddrs(), nil)
}

func TestOneRecordTooLargeDoesNotFailItsBatch(t *testing.T) {
	c := rawtest.Cluster(t, 1, 1)
	rawtest.SetMaxMessageBytes(t, c, 4000)
	p := publisher(t, c.ListenAddrs(), nil)
	var pubs []*publication
	for i := range 20 {
		value := fmt.Sprintf("w/%d ", i)
		if i == 13 {
			value += strings.Repeat("x", 5000)
		}
		pubs = append(pubs, p.publication(rawtest.Record("1", value+strings.Repeat("y", 300)), rawtest.In(time.Minute)))
	}
	p.pushAll(t, pubs)
	for i, pub := range pubs {
		if err := <-pub.done; errors.Is(err, raw.ErrRejected) != (i == 13) || (err != nil) != (i == 13) {
			t.Errorf("record %d: %v", i, err)
		}
	}
	rawtest.CheckSequences(t, c.ListenAddrs(), nil)
}

func TestInFlightBytesAreBounded(t *testing.T) {
	c := rawtest.Cluster(t, 1, 1)
	p := publisher(t, c.ListenAddrs(), func(cfg *Config) { cfg.InFlightBytesMax = 1 << 20 })
	hold := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.SleepControl(func() { <-hold })
		return nil, nil, false
	})
	first := p.publication(rawtest.Record("1", "w/0 "+strings.Repeat("x", 900<<10)), rawtest.In(time.Minute))
	p.pushAll(t, []*publication{first})
	if err := p.Publish(rawtest.Record("1", "w/1 "+strings.Repeat("x", 200<<10)), rawtest.In(time.Minute)); !errors.Is(err, raw.ErrBusy) {
		t.Errorf("over the limit: %v", err)
	}
	close(hold)
	if err := <-first.done; err != nil {
		t.Error(err)
	}
	if err := p.Publish(rawtest.Record("1", "w/2 "+strings.Repeat("x", 200<<10)), rawtest.In(time.Minute)); err != nil {
		t.Errorf("after it: %v", err)
	}
	if n := p.inFlight.Load(); n != 0 {
		t.Errorf("%d bytes are in flight", n)
	}
}

func TestPublisherWaitsForTopicsThatAgree(t *testing.T) {
	bare, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, rawtest.LiveTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bare.Close)
	p := launch(t, bare.ListenAddrs(), nil)
	rawtest.WaitFor(t, "the reason", func() bool { return strings.Contains(fmt.Sprint(p.Ready()), rawtest.BulkTopic) })
	if err := p.Publish(rawtest.Record("1", "x"), rawtest.In(time.Second)); !errors.Is(err, raw.ErrUnavailable) {
		t.Errorf("without a topic: %v", err)
	}
	admin := &kafka.Client{Addr: kafka.TCP(bare.ListenAddrs()...)}
	res, err := admin.CreateTopics(context.Background(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: rawtest.BulkTopic, NumPartitions: 2, ReplicationFactor: 1}}})
	if err != nil || res.Errors[rawtest.BulkTopic] != nil {
		t.Fatal(err, res)
	}
	rawtest.WaitFor(t, "the disagreement", func() bool { return strings.Contains(fmt.Sprint(p.Ready()), "same number") })
	grown, err := admin.CreatePartitions(context.Background(), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: rawtest.BulkTopic, Count: 3}}})
	if err != nil || grown.Errors[rawtest.BulkTopic] != nil {
		t.Fatal(err, grown)
	}
	rawtest.WaitFor(t, "agreement", func() bool { return p.Ready() == nil })
	if err := p.Publish(rawtest.Record("1", "x"), rawtest.In(time.Minute)); err != nil {
		t.Error(err)
	}
}

func TestPublisherDrains(t *testing.T) {
	c := rawtest.Cluster(t, 1, 1)
	p := publisher(t, c.ListenAddrs(), nil)
	hold := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.SleepControl(func() { <-hold })
		return nil, nil, false
	})
	first := p.publication(rawtest.Record("1", "w/0"), rawtest.In(time.Minute))
	p.pushAll(t, []*publication{first})
	q := p.queues.Load()[0][0]
	rawtest.WaitFor(t, "the first to be in flight", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.sending != nil
	})
	second := p.publication(rawtest.Record("1", "w/1"), rawtest.In(time.Minute))
	p.pushAll(t, []*publication{second})
	stopped := make(chan struct{})
	go func() { p.stop(); close(stopped) }()
	rawtest.WaitFor(t, "it to close", func() bool {
		return errors.Is(p.Publish(rawtest.Record("1", "w/2"), rawtest.In(time.Second)), raw.ErrClosed)
	})
	if err := p.Ready(); !errors.Is(err, raw.ErrClosed) {
		t.Errorf("ready: %v", err)
	}
	close(hold)
	<-stopped
	for i, pub := range []*publication{first, second} {
		select {
		case err := <-pub.done:
			if err != nil {
				t.Errorf("record %d: %v", i, err)
			}
		default:
			t.Errorf("Run returned before record %d was settled", i)
		}
	}
}

func TestPublisherThatNeverReachedItsBrokerStops(t *testing.T) {
	ln, err := freeport.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	p := launch(t, []string{addr}, nil)
	rawtest.WaitFor(t, "the reason", func() bool { return strings.Contains(fmt.Sprint(p.Ready()), addr) })
	p.stop()
	if err := p.Publish(rawtest.Record("1", "x"), rawtest.In(time.Second)); !errors.Is(err, raw.ErrClosed) {
		t.Errorf("after it: %v", err)
	}
}
