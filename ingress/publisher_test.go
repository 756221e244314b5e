package ingress

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	coexkafka "github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

func TestAcknowledgedRecordIsInTheLogAsItIs(t *testing.T) {
	for _, codec := range []string{"none", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			c := cluster(t, 1, 5)
			p := publisher(t, c.ListenAddrs(), func(cfg *PublisherConfig) { cfg.CompressionLive, cfg.CompressionBulk = codec, codec })
			at := time.UnixMilli(1739321024123)
			type sent struct {
				record    Record
				partition int32
			}
			var all []sent
			for i, waba := range []string{"", "1", "102290129340398", "102290129340399", "7"} {
				for _, topic := range []schemas.Topic{schemas.TopicRawLive, schemas.TopicRawBulk} {
					value := bytes.Repeat([]byte(strconv.Itoa(i)+"ü"), 1+i*200_000)
					r := Record{Topic: topic, Key: []byte(waba), Value: value, Time: at, Headers: []kafka.Header{{Key: "a", Value: []byte("b")}, {Key: "empty", Value: []byte{}}}}
					all = append(all, sent{r, coexkafka.Partition([]byte(waba), 5)})
				}
			}
			all = append(all, sent{Record{Topic: schemas.TopicRawLive, Partitioning: []byte("555"), Value: []byte{}, Time: at}, coexkafka.Partition([]byte("555"), 5)})
			for i := range all {
				if err := p.Publish(&all[i].record, soon(5*time.Second)); err != nil {
					t.Fatal(err)
				}
			}
			log := contents(t, c.ListenAddrs())
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
	c := cluster(t, 3, partitions)
	p := publisher(t, c.ListenAddrs(), nil)
	var stop atomic.Bool
	var slowest atomic.Int64
	var wg sync.WaitGroup
	var sent atomic.Int64
	for w := range 8 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				began := time.Now()
				if err := p.Publish(record(fmt.Sprintf("waba-%d", w), fmt.Sprintf("%d/%d", w, i)), soon(4*time.Second)); err != nil {
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
		waitFor(t, "traffic between the moves", func() bool { return sent.Load() >= target || t.Failed() })
		for i := range int32(partitions) {
			if err := c.MoveTopicPartition(liveTopic, i, (i+int32(move))%3); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop.Store(true)
	wg.Wait()
	took := time.Duration(slowest.Load())
	t.Logf("%d records, the slowest took %s", sent.Load(), took)
	if took > 2*time.Second {
		t.Errorf("the slowest record took %s", took)
	}
	checkSequences(t, c.ListenAddrs(), nil)
}

// checkSequences checks that the values "publisher/number" of each publisher are in order, first
// occurrences and last ones, and that all of acknowledged are there.
func checkSequences(t *testing.T, brokers []string, acknowledged map[string]bool) {
	t.Helper()
	found := map[string]bool{}
	duplicates := 0
	for topic, log := range contents(t, brokers) {
		for i, records := range log {
			firsts, lasts := map[string]int{}, map[string]int{}
			for _, r := range records {
				value, _, _ := bytes.Cut(r.Value, []byte(" "))
				who, number, ok := strings.Cut(string(value), "/")
				n, err := strconv.Atoi(number)
				if !ok || err != nil {
					t.Fatalf("%s/%d holds %.60q, which nobody sent", topic, i, r.Value)
				}
				if found[string(value)] {
					duplicates++
				} else if before, ok := firsts[who]; ok && n < before {
					t.Errorf("%s/%d: %s first came after %d", topic, i, value, before)
				} else {
					firsts[who] = n
				}
				found[string(value)] = true
			}
			for j := len(records) - 1; j >= 0; j-- {
				value, _, _ := bytes.Cut(records[j].Value, []byte(" "))
				who, number, _ := strings.Cut(string(value), "/")
				n, _ := strconv.Atoi(number)
				if last, ok := lasts[string(value)]; ok && last >= 0 {
					continue
				}
				lasts[string(value)] = n
				if after, ok := lasts["least of "+who]; ok && n > after {
					t.Errorf("%s/%d: %s last came before %d", topic, i, value, after)
				}
				lasts["least of "+who] = n
			}
		}
	}
	lost := 0
	for value := range acknowledged {
		if !found[value] {
			lost++
			t.Logf("lost: %s", value)
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged records are lost", lost, len(acknowledged))
	}
	t.Logf("%d records, %d duplicates", len(found), duplicates)
}

func TestErrorsThatPassAreTriedAgain(t *testing.T) {
	c := cluster(t, 1, 1)
	p := publisher(t, c.ListenAddrs(), nil)
	for _, err := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.NotEnoughReplicas,
		kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.KafkaStorageError, kerr.UnknownServerError, kerr.CorruptMessage,
	} {
		h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err, Count: 2})
		if got := p.Publish(record("1", "x"), soon(4*time.Second)); got != nil {
			t.Errorf("%s: %v", err.Message, got)
		}
		if h.Hits() != 2 {
			t.Errorf("%s: %d faults were met", err.Message, h.Hits())
		}
		h.Remove()
	}
}

func TestErrorsForGoodAreToldAtOnce(t *testing.T) {
	c := cluster(t, 1, 1)
	p := publisher(t, c.ListenAddrs(), nil)
	for _, err := range []*kerr.Error{kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.MessageTooLarge, kerr.InvalidTimestamp, kerr.PolicyViolation} {
		h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err, Count: -1})
		began := time.Now()
		got := p.Publish(record("1", "x"), soon(10*time.Second))
		if !errors.Is(got, ErrRejected) || !strings.Contains(got.Error(), "produce coex.raw.live/0") {
			t.Errorf("%s: %v", err.Message, got)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %s", err.Message, took)
		}
		h.Remove()
	}
}

func TestOneRecordTooLargeDoesNotFailItsBatch(t *testing.T) {
	c := cluster(t, 1, 1)
	takes(t, c, 4000)
	p := publisher(t, c.ListenAddrs(), nil)
	var pubs []*publication
	for i := range 20 {
		value := fmt.Sprintf("w/%d ", i)
		if i == 13 {
			value += strings.Repeat("x", 5000)
		}
		pubs = append(pubs, p.publication(record("1", value+strings.Repeat("y", 300)), soon(5*time.Second)))
	}
	p.pushAll(t, pubs)
	for i, pub := range pubs {
		if err := <-pub.done; errors.Is(err, ErrRejected) != (i == 13) || (err != nil) != (i == 13) {
			t.Errorf("record %d: %v", i, err)
		}
	}
	checkSequences(t, c.ListenAddrs(), nil)
}

// publication is what Publish makes, for tests that need to know the order of arrival.
func (p *publishing) publication(r *Record, deadline time.Time) *publication {
	return &publication{record: r, deadline: deadline, bytes: int64(r.Bytes()), done: make(chan error, 1)}
}

// pushAll queues publications to partition 0 of raw.live, one after the other, as a single batch if
// nothing is in flight.
func (p *publishing) pushAll(t *testing.T, pubs []*publication) {
	t.Helper()
	q := p.queues.Load()[0][0]
	for _, pub := range pubs {
		p.inFlight.Add(pub.bytes)
		if !q.push(pub) {
			t.Fatal("closed")
		}
	}
}

// counting is a transport that knows how many produce requests are in flight for each partition.
type counting struct {
	kafka.RoundTripper
	mu       sync.Mutex
	inFlight map[string]int
	most     int
	requests int
}

func (c *counting) RoundTrip(ctx context.Context, addr net.Addr, m protocol.Message) (protocol.Message, error) {
	own, ok := m.(*produceRequest)
	if !ok {
		return c.RoundTripper.RoundTrip(ctx, addr, m)
	}
	r, err := produced(own)
	if err != nil {
		return nil, err
	}
	count := func(by int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i := range r.Topics[0].Partitions {
			at := fmt.Sprint(r.Topics[0].Topic, r.Topics[0].Partitions[i].Partition)
			c.inFlight[at] += by
			c.most = max(c.most, c.inFlight[at])
		}
	}
	c.mu.Lock()
	c.requests++
	c.mu.Unlock()
	count(1)
	defer count(-1)
	if r.Acks != -1 {
		return nil, fmt.Errorf("acks are %d", r.Acks)
	}
	return c.RoundTripper.RoundTrip(ctx, addr, m)
}

func TestOneBatchInFlightForAPartitionAndWhatQueuesFliesTogether(t *testing.T) {
	c := cluster(t, 1, 2)
	transport := &counting{inFlight: map[string]int{}}
	p := publisher(t, c.ListenAddrs(), nil, func(p *Publisher) {
		transport.RoundTripper, p.client.Transport = p.transport, transport
	})
	const workers, each = 64, 100
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := p.Publish(record(strconv.Itoa(w), fmt.Sprintf("%d/%d", w, i)), soon(5*time.Second)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if transport.most != 1 {
		t.Errorf("%d batches were in flight for one partition", transport.most)
	}
	if transport.requests > workers*each/4 {
		t.Errorf("%d requests for %d records: nothing was batched", transport.requests, workers*each)
	}
	checkSequences(t, c.ListenAddrs(), nil)
}

func TestBatchesAreBoundedAndALongRecordGoesAlone(t *testing.T) {
	c := cluster(t, 1, 1)
	seen := &flights{}
	p := publisher(t, c.ListenAddrs(), func(cfg *PublisherConfig) { cfg.BatchBytesMax = 10 << 10 }, func(p *Publisher) {
		seen.RoundTripper, p.client.Transport = p.transport, seen
	})
	hold := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.SleepControl(func() { <-hold })
		return nil, nil, false
	})
	q := p.queues.Load()[0][0]
	var pubs []*publication
	for i, n := range []int{1, 6 << 10, 6 << 10, 100 << 10, 1, 1, 1} {
		pubs = append(pubs, p.publication(record("1", fmt.Sprintf("w/%d %s", i, strings.Repeat("x", n))), soon(10*time.Second)))
	}
	p.pushAll(t, pubs[:1])
	waitFor(t, "the first to fly", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.air != nil
	})
	p.pushAll(t, pubs[1:])
	close(hold)
	for _, pub := range pubs {
		if err := <-pub.done; err != nil {
			t.Fatal(err)
		}
	}
	if got, want := fmt.Sprint(seen.sizes), "[1 1 1 1 3]"; got != want {
		t.Errorf("batches have %s records, want %s", got, want)
	}
	checkSequences(t, c.ListenAddrs(), nil)
}

// flights is a transport that notes how many records each batch has. One partition at a time.
type flights struct {
	kafka.RoundTripper
	sizes []int
}

func (f *flights) RoundTrip(ctx context.Context, addr net.Addr, m protocol.Message) (protocol.Message, error) {
	if own, ok := m.(*produceRequest); ok {
		r, err := produced(own)
		if err != nil {
			return nil, err
		}
		f.sizes = append(f.sizes, int(binary.BigEndian.Uint32(r.Topics[0].Partitions[0].Records[batchCountAt:])))
	}
	return f.RoundTripper.RoundTrip(ctx, addr, m)
}

func TestSilentBrokerIsToldAtTheDeadline(t *testing.T) {
	c := cluster(t, 1, 1)
	p := publisher(t, c.ListenAddrs(), nil)
	silent := true
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		if silent {
			c.KeepControl()
			return nil, nil, true
		}
		c.DropControl()
		return nil, nil, false
	})
	began := time.Now()
	first := p.publication(record("1", "w/0"), soon(400*time.Millisecond))
	p.pushAll(t, []*publication{first})
	q := p.queues.Load()[0][0]
	waitFor(t, "the first to fly", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.air != nil
	})
	second := p.publication(record("1", "w/1"), soon(200*time.Millisecond))
	p.pushAll(t, []*publication{second})
	if err := <-second.done; !errors.Is(err, ErrUnavailable) {
		t.Errorf("behind it: %v, want that nothing was written", err)
	}
	if err := <-first.done; !errors.Is(err, ErrUnknown) {
		t.Errorf("in flight: %v, want that nobody knows", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	waitFor(t, "all bytes to be given back", func() bool { return p.inFlight.Load() == 0 })
	done := make(chan struct{})
	c.Control(func(kmsg.Request) (kmsg.Response, error, bool) { // on the cluster's own goroutine
		silent = false
		close(done)
		c.DropControl()
		return nil, nil, false
	})
	if err := p.Publish(record("1", "w/2"), soon(5*time.Second)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	<-done
}

func TestBrokerGoneAndBack(t *testing.T) {
	dir := t.TempDir()
	c := cluster(t, 1, 2, kfake.DataDir(dir))
	addrs := c.ListenAddrs()
	p := publisher(t, addrs, nil)
	if err := p.Publish(record("1", "w/0"), soon(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	began := time.Now()
	if err := p.Publish(record("1", "w/1"), soon(300*time.Millisecond)); !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrUnavailable) {
		t.Errorf("while it is gone: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %s to say so", took)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- p.Publish(record("1", "w/2"), soon(15*time.Second)) }()
	_, port, err := net.SplitHostPort(addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	back := cluster(t, 1, 2, kfake.DataDir(dir), kfake.Ports(n))
	if err := <-waiting; err != nil {
		t.Errorf("one that could wait: %v", err)
	}
	if err := p.Publish(record("1", "w/3"), soon(5*time.Second)); err != nil {
		t.Errorf("when it is back: %v", err)
	}
	if err := p.Ready(); err != nil {
		t.Errorf("when it is back: not ready: %v", err)
	}
	checkSequences(t, back.ListenAddrs(), map[string]bool{"w/0": true, "w/2": true, "w/3": true})
}

func TestInFlightBytesAreBounded(t *testing.T) {
	c := cluster(t, 1, 1)
	p := publisher(t, c.ListenAddrs(), func(cfg *PublisherConfig) { cfg.InFlightBytesMax = 1 << 20 })
	hold := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.SleepControl(func() { <-hold })
		return nil, nil, false
	})
	first := p.publication(record("1", "w/0 "+strings.Repeat("x", 900<<10)), soon(10*time.Second))
	p.pushAll(t, []*publication{first})
	if err := p.Publish(record("1", "w/1 "+strings.Repeat("x", 200<<10)), soon(10*time.Second)); !errors.Is(err, ErrBusy) {
		t.Errorf("over the limit: %v", err)
	}
	close(hold)
	if err := <-first.done; err != nil {
		t.Error(err)
	}
	if err := p.Publish(record("1", "w/2 "+strings.Repeat("x", 200<<10)), soon(10*time.Second)); err != nil {
		t.Errorf("after it: %v", err)
	}
	if n := p.inFlight.Load(); n != 0 {
		t.Errorf("%d bytes are in flight", n)
	}
}

func TestPublisherWaitsForTopicsThatAgree(t *testing.T) {
	bare, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, liveTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bare.Close)
	p := launch(t, bare.ListenAddrs(), nil)
	waitFor(t, "the reason", func() bool { return strings.Contains(fmt.Sprint(p.Ready()), bulkTopic) })
	if err := p.Publish(record("1", "x"), soon(time.Second)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a topic: %v", err)
	}
	admin := &kafka.Client{Addr: kafka.TCP(bare.ListenAddrs()...)}
	res, err := admin.CreateTopics(context.Background(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: bulkTopic, NumPartitions: 2, ReplicationFactor: 1}}})
	if err != nil || res.Errors[bulkTopic] != nil {
		t.Fatal(err, res)
	}
	waitFor(t, "the disagreement", func() bool { return strings.Contains(fmt.Sprint(p.Ready()), "same number") })
	grown, err := admin.CreatePartitions(context.Background(), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: bulkTopic, Count: 3}}})
	if err != nil || grown.Errors[bulkTopic] != nil {
		t.Fatal(err, grown)
	}
	waitFor(t, "agreement", func() bool { return p.Ready() == nil })
	if err := p.Publish(record("1", "x"), soon(5*time.Second)); err != nil {
		t.Error(err)
	}
}

func TestPublisherDrains(t *testing.T) {
	c := cluster(t, 1, 1)
	p := publisher(t, c.ListenAddrs(), nil)
	hold := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.SleepControl(func() { <-hold })
		return nil, nil, false
	})
	first := p.publication(record("1", "w/0"), soon(10*time.Second))
	p.pushAll(t, []*publication{first})
	q := p.queues.Load()[0][0]
	waitFor(t, "the first to fly", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.air != nil
	})
	second := p.publication(record("1", "w/1"), soon(10*time.Second))
	p.pushAll(t, []*publication{second})
	p.cancel()
	waitFor(t, "it to close", func() bool { return errors.Is(p.Publish(record("1", "w/2"), soon(time.Second)), ErrClosed) })
	if err := p.Ready(); !errors.Is(err, ErrClosed) {
		t.Errorf("ready: %v", err)
	}
	close(hold)
	p.stop()
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
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	p := launch(t, []string{addr}, nil)
	waitFor(t, "the reason", func() bool { return strings.Contains(fmt.Sprint(p.Ready()), addr) })
	p.stop()
	if err := p.Publish(record("1", "x"), soon(time.Second)); !errors.Is(err, ErrClosed) {
		t.Errorf("after it: %v", err)
	}
}

// Whatever fails: what was acknowledged is there, in order, and as it was; and when Publish has
// returned, nobody reads the caller's bytes any more (they are overwritten at once).
func TestNothingAcknowledgedIsLostUnderRandomFaults(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const brokers, partitions, workers = 3, 2, 24
	c := cluster(t, brokers, partitions)
	p := publisher(t, c.ListenAddrs(), func(cfg *PublisherConfig) {
		cfg.ProduceTimeout = 60 * time.Millisecond
		cfg.BatchBytesMax = 4 << 10
		cfg.CompressionLive = "lz4"
	})
	var mu sync.Mutex
	acknowledged, outcomes := map[string]bool{}, map[string]int{}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for w := range workers {
		wrng := rand.New(rand.NewPCG(seed, uint64(w)+1))
		wg.Go(func() {
			buf := make([]byte, 0, 8<<10)
			for i := 0; !stop.Load(); i++ {
				id := fmt.Sprintf("%d/%d", w, i)
				buf = append(append(buf[:0], id...), ' ')
				for n := wrng.IntN(1500); len(buf) < n; {
					buf = append(buf, id...)
				}
				key := strconv.AppendInt(nil, int64(w), 10)
				r := &Record{Topic: schemas.TopicRawLive, Key: key, Value: buf, Time: time.Now(), Headers: []kafka.Header{{Key: "id", Value: []byte(id)}}}
				err := p.Publish(r, soon(time.Duration(20+wrng.IntN(400))*time.Millisecond))
				for j := range buf {
					buf[j] = '!'
				}
				copy(key, "!!!!")
				copy(r.Headers[0].Value, "!!!!")
				mu.Lock()
				switch {
				case err == nil:
					acknowledged[id] = true
					outcomes["acknowledged"]++
				case errors.Is(err, ErrUnknown):
					outcomes["unknown"]++
				case errors.Is(err, ErrUnavailable):
					outcomes["unavailable"]++
				default:
					t.Errorf("%s: %v", id, err)
				}
				mu.Unlock()
			}
		})
	}
	kinds := []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.KafkaStorageError}
	settled := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	for range 40 {
		switch rng.IntN(4) {
		case 0:
			if err := c.MoveTopicPartition(liveTopic, rng.Int32N(partitions), rng.Int32N(brokers)); err != nil {
				t.Fatal(err)
			}
		case 1:
			c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, io.EOF, true }) // cut
		case 2:
			c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, nil, true }) // silence
		default:
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kinds[rng.IntN(len(kinds))], Count: 1 + rng.IntN(3)})
		}
		target := settled() + rng.IntN(60)
		waitFor(t, "progress", func() bool { return settled() >= target })
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%v", outcomes)
	p.stop()
	if n := p.inFlight.Load(); n != 0 {
		t.Errorf("%d bytes are in flight", n)
	}
	checkSequences(t, c.ListenAddrs(), acknowledged)
	for topic, log := range contents(t, c.ListenAddrs()) {
		for i, records := range log {
			for _, r := range records {
				id, rest, _ := bytes.Cut(r.Value, []byte(" "))
				if len(bytes.ReplaceAll(rest, id, nil)) != 0 || string(r.Headers[0].Value) != string(id) || !bytes.HasPrefix(id, append(r.Key, '/')) {
					t.Fatalf("%s/%d: key %q, header %q, value %.80q: bytes were read after they were given back", topic, i, r.Key, r.Headers[0].Value, r.Value)
				}
			}
		}
	}
	ids := make([]string, 0, len(acknowledged))
	for id := range acknowledged {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	if len(ids) < 200 {
		t.Errorf("only %d records were acknowledged: the test did not test", len(ids))
	}
}
