package publish

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/internal/testing/seed"
)

// length returns the number of records in partition 0 of raw.live.
func length(t *testing.T, c *kfake.Cluster) int {
	return len(rawtest.Contents(t, c.ListenAddrs())[rawtest.LiveTopic][0])
}

func TestNothingOfAGroupIsWrittenBehindARecordThatWasRefused(t *testing.T) {
	c := rawtest.Cluster(t, 1, 1)
	rawtest.SetMaxMessageBytes(t, c, 4000)
	p := publisher(t, c.ListenAddrs(), nil)
	rs := rawtest.Numbered(0, 0, 20, 300)
	rs[13].Value = append(rs[13].Value, strings.Repeat("x", 5000)...)
	n, err := p.PublishInOrder(rs, rawtest.In(time.Minute))
	if n != 13 || !errors.Is(err, raw.ErrRejected) {
		t.Errorf("%d acknowledged, %v", n, err)
	}
	if got := length(t, c); got != 13 {
		t.Errorf("%d are in the log", got)
	}
	if n, err = p.PublishInOrder(rs[14:], rawtest.In(time.Minute)); n != 6 || err != nil {
		t.Errorf("the rest: %d, %v", n, err)
	}
	if got := p.inFlight.Load(); got != 0 {
		t.Errorf("%d bytes are in flight", got)
	}
}

// A record with an invalid time does not fail the other records of its batch.
func TestOneInvalidRecordDoesNotFailItsBatch(t *testing.T) {
	c := rawtest.Cluster(t, 1, 1)
	p := publisher(t, c.ListenAddrs(), nil)
	var refused atomic.Int64
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		r := req.(*kmsg.ProduceRequest)
		if !strings.Contains(string(r.Topics[0].Partitions[0].Records), "0/13 ") {
			return nil, nil, false
		}
		refused.Add(1)
		res := r.ResponseKind().(*kmsg.ProduceResponse)
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = r.Topics[0].Topic, r.Topics[0].TopicID
		part := kmsg.NewProduceResponseTopicPartition()
		part.ErrorCode = kerr.InvalidTimestamp.Code
		topic.Partitions = append(topic.Partitions, part)
		res.Topics = append(res.Topics, topic)
		return res, nil, true
	})
	rs := rawtest.Numbered(0, 0, 20, 10)
	n, err := p.PublishInOrder(rs, rawtest.In(time.Minute))
	if n != 13 || !errors.Is(err, raw.ErrRejected) || refused.Load() < 2 {
		t.Errorf("%d acknowledged, %v, refused %d times", n, err, refused.Load())
	}
	if got := length(t, c); got != 13 {
		t.Errorf("%d are in the log", got)
	}
}

// With any failures of the cluster, records that PublishInOrder acknowledges are in the log. A caller that continues
// where it stopped keeps the order: no record is in the log for the first time, or sent for the last time, behind a
// later one.
func TestGroupsStayInOrderUnderRandomFaults(t *testing.T) {
	seed := seed.Of(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	const brokers, partitions, workers = 3, 2, 8
	c := rawtest.Cluster(t, brokers, partitions)
	sent := &attempts{}
	p := publisher(t, c.ListenAddrs(), func(cfg *Config) {
		cfg.ProduceTimeout, cfg.BatchBytesMax = 60*time.Millisecond, 4<<10
	}, sent.noting)
	var mu sync.Mutex
	acknowledged, cut := map[string]bool{}, 0
	var stop atomic.Bool
	var wg sync.WaitGroup
	for w := range workers {
		wrng := rand.New(rand.NewPCG(seed, uint64(w)+1))
		wg.Go(func() {
			for next := 0; !stop.Load(); {
				rs := rawtest.Numbered(w, next, 1+wrng.IntN(60), wrng.IntN(500))
				n, err := p.PublishInOrder(rs, rawtest.In(time.Duration(20+wrng.IntN(400))*time.Millisecond))
				if (err == nil) != (n == len(rs)) || errors.Is(err, raw.ErrRejected) {
					t.Errorf("%d of %d: %v", n, len(rs), err)
				}
				mu.Lock()
				if n > 0 && n < len(rs) {
					cut++
				}
				for i := range n {
					acknowledged[fmt.Sprintf("%d/%d", w, next+i)] = true
				}
				mu.Unlock()
				next += n
			}
		})
	}
	settled := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	kinds := []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.KafkaStorageError}
	for range 40 {
		switch rng.IntN(4) {
		case 0:
			if err := c.MoveTopicPartition(rawtest.LiveTopic, rng.Int32N(partitions), rng.Int32N(brokers)); err != nil {
				t.Fatal(err)
			}
		case 1:
			c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, io.EOF, true }) // cut
		case 2:
			c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, nil, true }) // silence
		default:
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kinds[rng.IntN(len(kinds))], Count: 1 + rng.IntN(3)})
		}
		target := settled() + rng.IntN(200)
		rawtest.WaitFor(t, "progress", func() bool { return settled() >= target })
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d acknowledged, %d groups were cut", len(acknowledged), cut)
	rawtest.CheckKept(t, c.ListenAddrs(), acknowledged)
	sent.check(t, acknowledged)
}
