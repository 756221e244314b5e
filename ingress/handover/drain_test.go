package handover

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/ingress/spool/faultfs"
	"github.com/coexstream/coexstream/internal/testing/seed"
)

// queueing is a Kafka with one partition: it writes one batch after the other, and each record takes some time. Records
// that arrive meanwhile wait.
type queueing struct {
	rawtest.Memory
	turn    chan struct{} // holds one value while a batch is written
	batches []handedOver  // of the caller that holds the turn
	handed  int           // records of them
	// handedBefore is handed at the time of the last record that did not come from the spool.
	handedBefore int
}

// handedOver is a batch that came from the spool.
type handedOver struct {
	at      time.Time // when it was sent
	records int
}

const recordTakes = 10 * time.Microsecond

func (q *queueing) Publish(r *raw.Record, deadline time.Time) error {
	q.turn <- struct{}{}
	defer func() { <-q.turn }()
	q.handedBefore = q.handed
	time.Sleep(recordTakes)
	return q.Memory.Publish(r, deadline)
}

func (q *queueing) PublishInOrder(rs []*raw.Record, deadline time.Time) (int, error) {
	sent := time.Now()
	q.turn <- struct{}{}
	defer func() { <-q.turn }()
	time.Sleep(time.Duration(len(rs)) * recordTakes)
	n, err := q.Memory.PublishInOrder(rs, deadline)
	if n > 0 {
		q.batches = append(q.batches, handedOver{sent, n})
	}
	q.handed += n
	return n, err
}

// handedSoFar returns the number of records that came from the spool so far.
func (q *queueing) handedSoFar() int {
	q.turn <- struct{}{}
	defer func() { <-q.turn }()
	return q.handed
}

// The clock is that of the test, so that the load of the machine has no influence.
func TestHandingOverABacklogDelaysNobodyElseAndKeepsItsRateAndTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, backlog = 2000, 6000
		k := &queueing{turn: make(chan struct{}, 1)}
		k.Off.Store(true)
		s := spooled(t, k, faultfs.New(), func(c *Config) { c.DrainRecordsPerSecond, c.After = perSecond, 30*time.Millisecond })
		sent := map[string]int{}
		publish := func(who string) {
			t.Helper()
			if err := s.Publish(rawtest.Record(who, fmt.Sprintf("%s/%d", who, sent[who])), rawtest.In(time.Minute)); err != nil {
				t.Fatal(err)
			}
			sent[who]++
		}
		for i := range backlog {
			publish([]string{"a", "b"}[i%2])
		}
		if n := s.by("spool"); n != backlog {
			t.Fatalf("%v of %d in the spool", n, backlog)
		}
		time.Sleep(5 * time.Second) // failed attempts use up the allowance for the arrival of the backlog
		k.Off.Store(false)

		// During the hand-over, records of a business without a backlog go directly to Kafka.
		beside := 0
		for i := 0; !s.drained(); i++ {
			if i > 100_000 {
				t.Fatal("the spool is never empty")
			}
			time.Sleep(time.Millisecond)
			before, came := k.handedSoFar(), time.Now()
			publish("live")
			took := time.Since(came)
			if n := k.handedBefore - before; n > drainRecords {
				t.Fatalf("%d records of the spool went before a live one, at most %d are handed over together", n, drainRecords)
			}
			if took > (drainRecords+1)*recordTakes {
				t.Fatalf("a live record took %s beside the spool, a batch takes %s", took, drainRecords*recordTakes)
			}
			if i%20 == 0 {
				publish("a") // has a backlog, and stays behind it
			}
			beside++
		}
		if beside < 100 || s.by("kafka") < float64(beside) {
			t.Errorf("%d live records beside the spool, %v straight to Kafka", beside, s.by("kafka"))
		}
		if s.by("spool") <= backlog {
			t.Error("no live record of a business went behind its backlog")
		}

		// Between any two batches there is not more than the rate, the burst, and what arrived meanwhile.
		came := int(s.by("spool")) - backlog
		for i := range k.batches {
			records := 0
			for _, b := range k.batches[i+1:] {
				records += b.records
				took := b.at.Sub(k.batches[i].at).Seconds()
				if most := perSecond*(took+paceBurst) + float64(drainRecords+came); float64(records) > most {
					t.Fatalf("%d records of the spool in %v s, want at most %v at %d a second", records, took, most, perSecond)
				}
			}
		}
		if len(k.batches) < backlog/drainRecords {
			t.Errorf("%d batches", len(k.batches))
		}
		next := map[string]int{}
		for _, r := range k.Records() {
			who, number, _ := strings.Cut(string(r.Value), "/")
			if number != strconv.Itoa(next[who]) {
				t.Fatalf("%s, want number %d of its business", r.Value, next[who])
			}
			next[who]++
		}
		for who, n := range sent {
			if next[who] != n {
				t.Errorf("%s: %d of %d came", who, next[who], n)
			}
		}
	})
}

// The backlog of one business is handed over in a few requests, not in one for each record. New records of it arrive
// meanwhile and do not overtake.
func TestBacklogOfOneBusinessIsHandedOverTogether(t *testing.T) {
	const backlog, more = 2000, 200
	c := rawtest.Cluster(t, 1, 1)
	p := publisher(t, c.ListenAddrs())
	k := &rawtest.Switch{Ordered: p}
	k.Off.Store(true)
	s := spooled(t, k, faultfs.New(), func(cfg *Config) { cfg.DrainRecordsPerSecond = 100_000 })
	acknowledged := map[string]bool{}
	publish := func(from, n int) {
		for i, r := range rawtest.Numbered(0, from, n, 100) {
			if err := s.Publish(r, rawtest.In(time.Minute)); err != nil {
				t.Fatal(err)
			}
			acknowledged[fmt.Sprintf("0/%d", from+i)] = true
		}
	}
	publish(0, backlog)
	var requests atomic.Int64
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		requests.Add(1)
		return nil, nil, false
	})
	k.Off.Store(false)
	publish(backlog, more)
	rawtest.WaitFor(t, "the drain", s.drained)
	if n := requests.Load(); n > backlog/20+more {
		t.Errorf("%d requests", n)
	}
	rawtest.CheckSequences(t, c.ListenAddrs(), acknowledged)
}

// Kafka comes and goes, and the machine loses its power during the hand-over. No acknowledged record is lost, and each
// business stays in order.
func TestDrainSurvivesPowerCuts(t *testing.T) {
	seed := seed.Of(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	const businesses, rounds = 5, 12
	k := &rawtest.Memory{}
	disk := faultfs.New()
	next := [businesses]int{}
	for round := range rounds {
		cfg := DefaultConfig()
		cfg.Dir, cfg.After, cfg.SegmentBytes, cfg.DrainRecordsPerSecond = "spool", 30*time.Millisecond, 64<<10, 100_000
		s, err := New(cfg, k, Deps{
			FS: disk, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now, Salt: rand.Uint64,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		k.Off.Store(true)
		var senders sync.WaitGroup
		for b := range businesses {
			n := rng.IntN(200)
			senders.Go(func() {
				for range n {
					if err := s.Publish(rawtest.Record(fmt.Sprint("waba", b), fmt.Sprintf("%d/%d", b, next[b])), rawtest.In(time.Minute)); err != nil {
						t.Errorf("%d/%d: %v", b, next[b], err)
					}
					next[b]++
				}
			})
		}
		senders.Wait()
		before := len(k.Records())
		k.Off.Store(false)
		want := before + rng.IntN(300)
		rawtest.WaitFor(t, "some to be handed over", func() bool { return len(k.Records()) >= want || s.lanes[0].store.Stats().Records == 0 })
		if round < rounds-1 {
			disk.Cut() // in the middle of the drain
		} else {
			rawtest.WaitFor(t, "the drain", func() bool { return s.lanes[0].store.Stats().Records == 0 })
		}
		cancel()
		<-done
		if disk.IsCut() {
			disk = disk.Rebooted(rng)
		}
	}
	reached := map[string]int{}
	for _, r := range k.Records() {
		who, number, _ := strings.Cut(string(r.Value), "/")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		if n > reached[who] {
			t.Fatalf("business %s: %d came after %d", who, n, reached[who]-1)
		}
		reached[who] = max(reached[who], n+1)
	}
	for b := range businesses {
		if reached[fmt.Sprint(b)] != next[b] {
			t.Errorf("business %d: %d of %d", b, reached[fmt.Sprint(b)], next[b])
		}
	}
}
