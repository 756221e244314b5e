package publish

import (
	"bytes"
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

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/schemas"
)

func TestErrorsThatPassAreTriedAgain(t *testing.T) {
	c := rawtest.Cluster(t, 1, 1)
	p := publisher(t, c.ListenAddrs(), nil)
	for _, err := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.NotEnoughReplicas,
		kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.KafkaStorageError, kerr.UnknownServerError, kerr.CorruptMessage,
	} {
		h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err, Count: 2})
		if got := p.Publish(rawtest.Record("1", "x"), rawtest.In(time.Minute)); got != nil {
			t.Errorf("%s: %v", err.Message, got)
		}
		if h.Hits() != 2 {
			t.Errorf("%s: %d faults were met", err.Message, h.Hits())
		}
		h.Remove()
	}
}

func TestErrorsForGoodAreToldAtOnce(t *testing.T) {
	c := rawtest.Cluster(t, 1, 1)
	p := publisher(t, c.ListenAddrs(), nil)
	for _, err := range []*kerr.Error{kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.MessageTooLarge, kerr.InvalidTimestamp, kerr.PolicyViolation} {
		h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err, Count: -1})
		began := time.Now()
		got := p.Publish(rawtest.Record("1", "x"), rawtest.In(time.Minute))
		denied := err == kerr.TopicAuthorizationFailed || err == kerr.ClusterAuthorizationFailed
		if !errors.Is(got, raw.ErrRejected) || errors.Is(got, raw.ErrDenied) != denied || !strings.Contains(got.Error(), "produce coex.raw.live/0") {
			t.Errorf("%s: %v", err.Message, got)
		}
		if took := time.Since(began); took > 30*time.Second { // it did not wait for its deadline
			t.Errorf("%s: took %s", err.Message, took)
		}
		h.Remove()
	}
}

func TestSilentBrokerIsToldAtTheDeadline(t *testing.T) {
	t.Parallel()
	c := rawtest.Cluster(t, 1, 1)
	p := publisher(t, c.ListenAddrs(), func(cfg *Config) { cfg.ProduceTimeout = time.Minute })
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
	first := p.publication(rawtest.Record("1", "w/0"), rawtest.In(3*time.Second)) // the second one has to come meanwhile
	p.pushAll(t, []*publication{first})
	q := p.queues.Load()[0][0]
	rawtest.WaitFor(t, "the first to be in flight", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.sending != nil
	})
	second := p.publication(rawtest.Record("1", "w/1"), rawtest.In(200*time.Millisecond))
	p.pushAll(t, []*publication{second})
	if err := <-second.done; !errors.Is(err, raw.ErrUnavailable) {
		t.Errorf("behind it: %v, want that nothing was written", err)
	}
	if err := <-first.done; !errors.Is(err, raw.ErrUnknown) {
		t.Errorf("in flight: %v, want that nobody knows", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
	rawtest.WaitFor(t, "all bytes to be given back", func() bool { return p.inFlight.Load() == 0 })
	done := make(chan struct{})
	c.Control(func(kmsg.Request) (kmsg.Response, error, bool) { // on the cluster's own goroutine
		silent = false
		close(done)
		c.DropControl()
		return nil, nil, false
	})
	if err := p.Publish(rawtest.Record("1", "w/2"), rawtest.In(time.Minute)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	<-done
}

func TestBrokerGoneAndBack(t *testing.T) {
	dir := t.TempDir()
	c := rawtest.Cluster(t, 1, 2, kfake.DataDir(dir))
	addrs := c.ListenAddrs()
	p := publisher(t, addrs, func(cfg *Config) { cfg.ProduceTimeout = time.Minute })
	if err := p.Publish(rawtest.Record("1", "w/0"), rawtest.In(time.Minute)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	began := time.Now()
	if err := p.Publish(rawtest.Record("1", "w/1"), rawtest.In(300*time.Millisecond)); !errors.Is(err, raw.ErrUnknown) && !errors.Is(err, raw.ErrUnavailable) {
		t.Errorf("while it is gone: %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %s to say so", took)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- p.Publish(rawtest.Record("1", "w/2"), rawtest.In(time.Minute)) }()
	_, port, err := net.SplitHostPort(addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	back := rawtest.Cluster(t, 1, 2, kfake.DataDir(dir), kfake.Ports(n))
	if err := <-waiting; err != nil {
		t.Errorf("one that could wait: %v", err)
	}
	if err := p.Publish(rawtest.Record("1", "w/3"), rawtest.In(time.Minute)); err != nil {
		t.Errorf("when it is back: %v", err)
	}
	if err := p.Ready(); err != nil {
		t.Errorf("when it is back: not ready: %v", err)
	}
	rawtest.CheckSequences(t, back.ListenAddrs(), map[string]bool{"w/0": true, "w/2": true, "w/3": true})
}

// With any failures, acknowledged records are in the log, unchanged and in order. After Publish has returned, the
// publisher does not read the caller's bytes (the test overwrites them at once).
func TestNothingAcknowledgedIsLostUnderRandomFaults(t *testing.T) {
	seed := seed.Of(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	const brokers, partitions, workers = 3, 2, 24
	c := rawtest.Cluster(t, brokers, partitions)
	sent := &attempts{}
	p := publisher(t, c.ListenAddrs(), func(cfg *Config) {
		cfg.ProduceTimeout = 60 * time.Millisecond
		cfg.BatchBytesMax = 4 << 10
		cfg.CompressionLive = "lz4"
	}, sent.noting)
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
				r := &raw.Record{Topic: schemas.TopicRawLive, Key: key, Value: buf, Time: time.Now(), Headers: []raw.Header{{Key: "id", Value: []byte(id)}}}
				err := p.Publish(r, rawtest.In(time.Duration(20+wrng.IntN(400))*time.Millisecond))
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
				case errors.Is(err, raw.ErrUnknown):
					outcomes["unknown"]++
				case errors.Is(err, raw.ErrUnavailable):
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
		target := settled() + rng.IntN(60)
		rawtest.WaitFor(t, "progress", func() bool { return settled() >= target })
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%v", outcomes)
	p.stop()
	if n := p.inFlight.Load(); n != 0 {
		t.Errorf("%d bytes are in flight", n)
	}
	rawtest.CheckKept(t, c.ListenAddrs(), acknowledged)
	sent.check(t, acknowledged)
	for topic, log := range rawtest.Contents(t, c.ListenAddrs()) {
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
