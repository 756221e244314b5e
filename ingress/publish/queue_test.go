package publish

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
)

// publication makes a publication as Publish does, for tests that need a known order of arrival.
func (p *publishing) publication(r *raw.Record, deadline time.Time) *publication {
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

// counting is a transport that counts the produce requests in flight for each partition.
type counting struct {
	kafka.RoundTripper
	mu       sync.Mutex
	inFlight map[string]int
	most     int
	requests int
	hold     chan struct{} // nil, or closed when requests may leave
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
	if c.hold != nil {
		<-c.hold
	}
	if r.Acks != -1 {
		return nil, fmt.Errorf("acks are %d", r.Acks)
	}
	return c.RoundTripper.RoundTrip(ctx, addr, m)
}

func TestOneBatchInFlightForAPartitionAndWhatWaitsIsTheNextBatch(t *testing.T) {
	c := rawtest.Cluster(t, 1, 2)
	transport := &counting{inFlight: map[string]int{}, hold: make(chan struct{})}
	p := publisher(t, c.ListenAddrs(), nil, func(p *Publisher) {
		transport.RoundTripper, p.client.Transport = p.transport, transport
	})
	const workers, each = 64, 100
	var firsts, all sync.WaitGroup
	firsts.Add(workers)
	rest := make(chan struct{})
	for w := range workers {
		all.Go(func() {
			for i := range each {
				if err := p.Publish(rawtest.Record(strconv.Itoa(w), fmt.Sprintf("%d/%d", w, i)), rawtest.In(time.Minute)); err != nil {
					t.Error(err)
				}
				if i == 0 {
					firsts.Done()
					<-rest
				}
			}
		})
	}
	rawtest.WaitFor(t, "a record of each worker", func() bool {
		queued := 0
		for _, q := range p.queues.Load()[0] {
			q.mu.Lock()
			queued += len(q.waiting) + len(q.current)
			q.mu.Unlock()
		}
		return queued == workers
	})
	close(transport.hold)
	firsts.Wait()
	transport.mu.Lock()
	if transport.requests > 4 { // for each partition, the first one and the one with all that waited meanwhile
		t.Errorf("%d requests for the first %d records: nothing was batched", transport.requests, workers)
	}
	transport.mu.Unlock()
	close(rest)
	all.Wait()
	if transport.most != 1 {
		t.Errorf("%d batches were in flight for one partition", transport.most)
	}
	rawtest.CheckSequences(t, c.ListenAddrs(), nil)
}

func TestBatchesAreBoundedAndALongRecordHasItsOwn(t *testing.T) {
	c := rawtest.Cluster(t, 1, 1)
	seen := &batchSizes{}
	p := publisher(t, c.ListenAddrs(), func(cfg *Config) { cfg.BatchBytesMax = 10 << 10 }, func(p *Publisher) {
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
		pubs = append(pubs, p.publication(rawtest.Record("1", fmt.Sprintf("w/%d %s", i, strings.Repeat("x", n))), rawtest.In(time.Minute)))
	}
	p.pushAll(t, pubs[:1])
	rawtest.WaitFor(t, "the first to be in flight", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.sending != nil
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
	rawtest.CheckSequences(t, c.ListenAddrs(), nil)
}

// batchSizes is a transport that records the number of records of each batch, for one partition.
type batchSizes struct {
	kafka.RoundTripper
	sizes []int
}

func (f *batchSizes) RoundTrip(ctx context.Context, addr net.Addr, m protocol.Message) (protocol.Message, error) {
	if own, ok := m.(*produceRequest); ok {
		r, err := produced(own)
		if err != nil {
			return nil, err
		}
		f.sizes = append(f.sizes, int(binary.BigEndian.Uint32(r.Topics[0].Partitions[0].Records[batchCountAt:])))
	}
	return f.RoundTripper.RoundTrip(ctx, addr, m)
}
