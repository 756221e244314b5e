package publish

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/ingress/rawtest"
	coexkafka "github.com/coexstream/coexstream/internal/kafka"
)

func TestPartitionThatFailsHoldsNobodyUp(t *testing.T) {
	const partitions = 4
	c := rawtest.Cluster(t, 2, partitions)
	p := publisher(t, c.ListenAddrs(), nil)
	h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: rawtest.LiveTopic, Partitions: []int32{1}, Err: kerr.NotEnoughReplicas, Count: -1})
	defer h.Remove()
	var bad, good int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			key := fmt.Sprint("waba", w)
			failing := coexkafka.Partition([]byte(key), partitions) == 1
			for i := range 20 {
				began := time.Now()
				err := p.Publish(rawtest.Record(key, fmt.Sprintf("%d/%d", w, i)), rawtest.In(400*time.Millisecond))
				if (err != nil) != failing {
					t.Errorf("%s: %v", key, err)
				}
				if took := time.Since(began); !failing && took > 350*time.Millisecond {
					t.Errorf("%s: took %s beside a partition that fails", key, took)
				}
				mu.Lock()
				if failing {
					bad++
				} else {
					good++
				}
				mu.Unlock()
				if failing && i == 2 {
					return
				}
			}
		})
	}
	wg.Wait()
	if bad == 0 || good == 0 {
		t.Errorf("%d in the partition that fails, %d elsewhere", bad, good)
	}
	if err := p.Ready(); err != nil {
		t.Errorf("not ready because of one partition: %v", err)
	}
}

func TestPartitionsWithOneLeaderShareARequest(t *testing.T) {
	const partitions = 8
	c := rawtest.Cluster(t, 1, partitions)
	transport := &counting{inFlight: map[string]int{}}
	p := publisher(t, c.ListenAddrs(), nil, func(p *Publisher) {
		transport.RoundTripper, p.client.Transport = p.transport, transport
	})
	hold := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.SleepControl(func() { <-hold })
		return nil, nil, false
	})
	// The only place of the gate is taken until all records are there.
	gate := p.queues.Load()[0][0].d.gate
	gate <- struct{}{}
	var pubs []*publication
	for i := range 200 {
		r := rawtest.Record(fmt.Sprint(i), fmt.Sprintf("%d/0", i))
		pub := p.publication(r, rawtest.In(10*time.Second))
		p.inFlight.Add(pub.bytes)
		if !p.queues.Load()[0][coexkafka.Partition(r.Key, partitions)].push(pub) {
			t.Fatal("closed")
		}
		pubs = append(pubs, pub)
	}
	<-gate
	close(hold)
	for _, pub := range pubs {
		if err := <-pub.done; err != nil {
			t.Fatal(err)
		}
	}
	if transport.requests != 1 {
		t.Errorf("%d requests for %d partitions with one leader", transport.requests, partitions)
	}
	rawtest.CheckSequences(t, c.ListenAddrs(), nil)
}
