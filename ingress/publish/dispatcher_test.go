package publish

import (
	"fmt"
	"sync"
	"sync/atomic"
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
	// Some records of the failing partition wait as long as the others are written, and some until their deadlines.
	var waiting, expiring, others sync.WaitGroup
	var settled atomic.Int64
	bad, good := 0, 0
	for w := range 32 {
		key := fmt.Sprint("waba", w)
		publish := func(i int, within time.Duration) error {
			return p.Publish(rawtest.Record(key, fmt.Sprintf("%d/%d", w, i)), rawtest.In(within))
		}
		if coexkafka.Partition([]byte(key), partitions) != 1 {
			good++
			others.Go(func() {
				for i := range 20 {
					if err := publish(i, time.Minute); err != nil {
						t.Errorf("%s, beside a partition that fails: %v", key, err)
					}
				}
			})
			continue
		}
		bad++
		waiting.Go(func() {
			if err := publish(0, time.Minute); err != nil {
				t.Errorf("%s, after the failure: %v", key, err)
			}
			settled.Add(1)
		})
		expiring.Go(func() {
			if publish(1, 400*time.Millisecond) == nil {
				t.Errorf("%s: a partition that fails took a record", key)
			}
		})
	}
	others.Wait()
	expiring.Wait()
	if n := settled.Load(); n != 0 {
		t.Errorf("%d of %d records in the failing partition are settled", n, bad)
	}
	if bad == 0 || good == 0 {
		t.Errorf("%d in the partition that fails, %d elsewhere", bad, good)
	}
	if err := p.Ready(); err != nil {
		t.Errorf("not ready because of one partition: %v", err)
	}
	h.Remove()
	waiting.Wait()
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
		pub := p.publication(r, rawtest.In(time.Minute))
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
