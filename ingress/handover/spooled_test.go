package handover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/ingress/spool"
	"github.com/coexstream/coexstream/ingress/spool/faultfs"
	"github.com/coexstream/coexstream/internal/testing/freeport"
	"github.com/coexstream/coexstream/schemas"
)

// spooling is a Spooled that runs.
type spooling struct {
	*Spooled
	reg    *prometheus.Registry
	fs     spool.FS
	cancel context.CancelFunc
	done   chan error
}

// spooled runs a Spooled. However slow the machine, Kafka is not too slow for it, unless change sets a shorter After.
func spooled(t testing.TB, direct raw.Ordered, fs spool.FS, change func(*Config)) *spooling {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Dir, cfg.After, cfg.SegmentBytes = "spool", time.Minute, 64<<10
	if change != nil {
		change(&cfg)
	}
	s := &spooling{reg: prometheus.NewRegistry(), fs: fs, done: make(chan error, 1)}
	var err error
	s.Spooled, err = New(cfg, direct, Deps{
		FS: fs, Registerer: s.reg, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Salt: rand.Uint64,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() { s.done <- s.Run(ctx) }()
	t.Cleanup(s.stop)
	return s
}

func (s *spooling) stop() {
	s.cancel()
	if s.done != nil {
		<-s.done
		s.done = nil
	}
}

// by returns the number of records that Kafka or the spool made durable.
func (s *spooling) by(what string) float64 {
	families, _ := s.reg.Gather()
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "coexstream_ingress_durable_total" && m.GetLabel()[0].GetValue() == what {
				return m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

func (s *spooling) empty() bool { return s.lanes[0].store.Idle() && s.lanes[1].store.Idle() }

// drained reports whether nothing is left to hand over. New records of shards whose hand-over was slow may still go to the spool.
func (s *spooling) drained() bool {
	return s.lanes[0].store.Stats().Records == 0 && s.lanes[1].store.Stats().Records == 0
}

func TestRecordComesOutOfTheSpoolAsItWas(t *testing.T) {
	kafkaIsOff := &rawtest.Memory{}
	kafkaIsOff.Off.Store(true)
	s := spooled(t, kafkaIsOff, faultfs.New(), func(c *Config) { c.AgeMax = 100 * 365 * 24 * time.Hour })
	var want []*raw.Record
	for i, topic := range []schemas.Topic{schemas.TopicRawLive, schemas.TopicRawBulk, schemas.TopicRawLive, schemas.TopicRawLive} {
		r := &raw.Record{
			Topic: topic, Time: time.UnixMilli(1739321024123 + int64(i)), Value: bytes.Repeat([]byte{0, 'x', 0xff}, i*1000),
			Headers: []raw.Header{
				{Key: schemas.HeaderRequestID, Value: []byte("id-" + strconv.Itoa(i))}, {Key: schemas.HeaderReceivedAt, Value: []byte("1739321024123")},
				{Key: schemas.HeaderSignature, Value: []byte("sha256=00")}, {Key: "empty", Value: []byte{}},
			},
		}
		if i < 2 {
			r.Key = []byte("10229")
		} else if i == 2 {
			r.Partitioning = []byte("555")
		}
		want = append(want, r)
		if err := s.Publish(r, rawtest.In(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.by("spool"); n != 4 || s.Ready() != nil {
		t.Errorf("%v by the spool, ready %v", n, s.Ready())
	}
	kafkaIsOff.Off.Store(false)
	rawtest.WaitFor(t, "the drain", func() bool { return len(kafkaIsOff.Records()) == 4 && s.drained() })
	for _, w := range want {
		found := false
		for _, g := range kafkaIsOff.Records() {
			id, _ := rawtest.Header(&g, schemas.HeaderRequestID)
			if id != string(w.Headers[0].Value) {
				continue
			}
			found = true
			if g.Topic != w.Topic || !g.Time.Equal(w.Time) || !bytes.Equal(g.Key, w.Key) || !bytes.Equal(g.Partitioning, w.Partitioning) ||
				!bytes.Equal(g.Value, w.Value) || fmt.Sprint(g.Headers) != fmt.Sprint(w.Headers) {
				t.Errorf("%s came out as %+v", id, g)
			}
		}
		if !found {
			t.Errorf("%s did not come out", w.Headers[0].Value)
		}
	}
	if err := s.Publish(want[0], rawtest.In(time.Minute)); err != nil || s.by("kafka") != 1 {
		t.Errorf("afterwards: %v, %v by Kafka", err, s.by("kafka"))
	}
}

// Many businesses publish one record after the other while Kafka comes and goes. All records arrive, each business in
// order.
func TestOrderOfABusinessHoldsOverOutages(t *testing.T) {
	k := &rawtest.Memory{}
	s := spooled(t, k, faultfs.New(), func(c *Config) { c.DrainRecordsPerSecond = 20_000 })
	rawtest.WaitFor(t, "the folder to be read", s.empty) // before, everything goes to the disk
	var sent atomic.Int64
	var senders sync.WaitGroup
	const businesses, each = 40, 150
	for b := range businesses {
		senders.Go(func() {
			for i := range each {
				if err := s.Publish(rawtest.Record(fmt.Sprint("waba", b), fmt.Sprintf("%d/%d", b, i)), rawtest.In(time.Minute)); err != nil {
					t.Errorf("%d/%d: %v", b, i, err)
				}
				if sent.Add(1)%500 == 200 {
					k.Off.Store(!k.Off.Load())
				}
			}
		})
	}
	senders.Wait()
	k.Off.Store(false)
	rawtest.WaitFor(t, "the drain", s.drained)
	next := map[string]int{}
	for _, r := range k.Records() {
		who, number, _ := strings.Cut(string(r.Value), "/")
		n, _ := strconv.Atoi(number)
		if n > next[who] {
			t.Fatalf("business %s: %d came after %d", who, n, next[who]-1)
		}
		next[who] = max(next[who], n+1)
	}
	for b := range businesses {
		if next[fmt.Sprint(b)] != each {
			t.Errorf("business %d: %d of %d", b, next[fmt.Sprint(b)], each)
		}
	}
	if s.by("spool") == 0 || s.by("kafka") == 0 {
		t.Errorf("%v by the spool, %v by Kafka", s.by("spool"), s.by("kafka"))
	}
}

func TestBothGoneIsAnErrorAndNotReady(t *testing.T) {
	k := &rawtest.Memory{}
	k.Off.Store(true)
	fs := faultfs.New()
	s := spooled(t, k, fs, nil)
	rawtest.WaitFor(t, "the folder to be read", s.empty)
	fs.Inject(func(op faultfs.Op, _ string) faultfs.Fault {
		if op == faultfs.Sync {
			return faultfs.Fault{Err: syscall.EIO}
		}
		return faultfs.Fault{}
	})
	err := s.Publish(rawtest.Record("1", "x"), rawtest.In(time.Minute))
	if !errors.Is(err, raw.ErrUnavailable) || !errors.Is(err, spool.ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Errorf("%v", err)
	}
	if s.Ready() == nil {
		t.Error("ready though nothing can be taken")
	}
	k.Off.Store(false)
	if err := s.Publish(rawtest.Record("1", "x"), rawtest.In(time.Minute)); err != nil || s.Ready() != nil {
		t.Errorf("with Kafka alone: %v, ready %v", err, s.Ready())
	}
}

func TestRecordThatKafkaRefuses(t *testing.T) {
	k := &rawtest.Memory{}
	tooLarge := fmt.Errorf("%w: larger than the topic takes", raw.ErrRejected)
	denied := fmt.Errorf("%w: no right to write", raw.ErrDenied)
	var deny atomic.Bool
	k.Refuse = func(r *raw.Record, _ time.Time) error {
		if deny.Load() {
			return denied
		}
		if strings.HasPrefix(string(r.Value), "large") {
			return tooLarge
		}
		return nil
	}
	fs := faultfs.New()
	s := spooled(t, k, fs, nil)
	rawtest.WaitFor(t, "the folder to be read", s.empty)
	if err := s.Publish(rawtest.Record("1", "large 0"), rawtest.In(time.Minute)); !errors.Is(err, raw.ErrRejected) || s.by("spool") != 0 {
		t.Errorf("too large: %v", err)
	}
	// Until an operator grants a missing right, the disk takes all records, also one that is too large.
	deny.Store(true)
	for _, v := range []string{"a", "large 1", "b"} {
		if err := s.Publish(rawtest.Record("1", v), rawtest.In(time.Minute)); err != nil {
			t.Errorf("%s: %v", v, err)
		}
	}
	deny.Store(false)
	rawtest.WaitFor(t, "the drain", func() bool { return s.drained() })
	got := ""
	for _, r := range k.Records() {
		got += string(r.Value)
	}
	if got != "ab" {
		t.Errorf("Kafka took %q", got)
	}
	kept := ""
	infos, _ := fs.ReadDir("spool/raw.live/quarantine")
	for _, i := range infos {
		kept += string(fs.Content("spool/raw.live/quarantine/" + i.Name))
	}
	if !strings.Contains(kept, "large 1") || strings.Contains(kept, "large 0") {
		t.Errorf("%d bytes in quarantine", len(kept))
	}
}

// A business whose partition is stuck delays no other business.
func TestStuckBusinessHoldsNobodyUp(t *testing.T) {
	k := &rawtest.Memory{}
	k.Off.Store(true)
	var stuck atomic.Bool
	stuck.Store(true)
	k.Refuse = func(r *raw.Record, _ time.Time) error {
		if stuck.Load() && string(r.Key) == "stuck" {
			return raw.ErrUnavailable
		}
		return nil
	}
	s := spooled(t, k, faultfs.New(), nil)
	for i := range 300 {
		for _, who := range []string{"stuck", "a", "b"} {
			if err := s.Publish(rawtest.Record(who, fmt.Sprintf("%s/%d", who, i)), rawtest.In(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	}
	k.Off.Store(false)
	rawtest.WaitFor(t, "the others", func() bool { return len(k.Records()) == 600 })
	store := s.lanes[0].store
	rawtest.WaitFor(t, "the others' direct way", func() bool {
		return !store.MustSpool(shardOf(rawtest.Record("a", ""))) && store.MustSpool(shardOf(rawtest.Record("stuck", "")))
	})
	stuck.Store(false)
	rawtest.WaitFor(t, "the rest", func() bool { return len(k.Records()) == 900 && s.drained() })
	next := map[string]int{}
	for _, r := range k.Records() {
		who, number, _ := strings.Cut(string(r.Value), "/")
		if number != fmt.Sprint(next[who]) {
			t.Fatalf("%s, want %d", r.Value, next[who])
		}
		next[who]++
	}
}

// The position of an account event among the chunks tells to which onboarding they belong.
func TestHistoryDoesNotOvertakeTheLiveRecordsOfItsBusiness(t *testing.T) {
	k := &rawtest.Memory{}
	var noLive atomic.Bool
	k.Refuse = func(r *raw.Record, _ time.Time) error {
		if noLive.Load() && r.Topic == schemas.TopicRawLive {
			return raw.ErrUnavailable
		}
		return nil
	}
	s := spooled(t, k, faultfs.New(), nil)
	rawtest.WaitFor(t, "the folder to be read", s.empty)
	noLive.Store(true)
	publish := func(topic schemas.Topic, waba, value string) {
		r := rawtest.Record(waba, value)
		r.Topic = topic
		if err := s.Publish(r, rawtest.In(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	publish(schemas.TopicRawLive, "1", "event")
	publish(schemas.TopicRawBulk, "1", "chunk")
	publish(schemas.TopicRawBulk, "2", "chunk of another one")
	if got := k.Records(); len(got) != 1 || string(got[0].Key) != "2" {
		t.Fatalf("%d came, the first of %s", len(got), got[0].Key)
	}
	// The chunk is tried several times.
	bulk := s.lanes[1].store
	rawtest.WaitFor(t, "a pass over history that leaves it behind", bulk.Left)
	noLive.Store(false)
	rawtest.WaitFor(t, "both", func() bool { return len(k.Records()) == 3 && s.drained() })
	if got := k.Records(); string(got[1].Value) != "event" || string(got[2].Value) != "chunk" {
		t.Errorf("%s came before %s", got[1].Value, got[2].Value)
	}
}

func FuzzSpoolRecord(f *testing.F) {
	f.Add([]byte("key"), []byte("by"), []byte("name"), []byte("value"), []byte("body"), []byte{})
	f.Fuzz(func(t *testing.T, key, by, name, value, body, other []byte) {
		r := &raw.Record{Topic: schemas.TopicRawBulk, Key: key, Partitioning: by, Value: body, Headers: []raw.Header{{Key: string(name), Value: value}}}
		got, err := readRecord(r.Topic, r.Time, appendRecord(nil, r))
		if err != nil || !bytes.Equal(got.Key, key) || !bytes.Equal(got.Partitioning, by) || !bytes.Equal(got.Value, body) ||
			got.Headers[0].Key != string(name) || !bytes.Equal(got.Headers[0].Value, value) {
			t.Errorf("%v: %+v", err, got)
		}
		if got, err := readRecord(r.Topic, r.Time, other); err == nil && !bytes.Equal(appendRecord(nil, got)[:1], other[:1]) {
			t.Error("another version was read")
		}
	})
}

// A real broker goes away and comes back. Every acknowledged record is in the log, each business in order, and no Publish
// fails.
func TestBrokerGoesAndComesBack(t *testing.T) {
	const partitions = 4
	dir := t.TempDir()
	ln, err := freeport.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	ln.Close()
	// Records are taken before the broker starts.
	p := publisher(t, []string{fmt.Sprint("127.0.0.1:", port)})
	s := spooled(t, p, spool.OS{}, func(c *Config) { c.Dir, c.After = t.TempDir(), 30*time.Millisecond })
	acknowledged := map[string]bool{}
	var mu sync.Mutex
	next := 0
	publish := func(rounds int) {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range rounds {
					v := fmt.Sprintf("%d/%d", w, next+i)
					if err := s.Publish(rawtest.Record(fmt.Sprint("waba", w), v), rawtest.In(time.Minute)); err != nil {
						t.Errorf("%s: %v", v, err)
						return
					}
					mu.Lock()
					acknowledged[v] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		next += rounds
	}
	publish(20)
	if s.Ready() != nil || p.Ready() == nil {
		t.Errorf("ready %v, the publisher %v", s.Ready(), p.Ready())
	}
	var c *kfake.Cluster
	for round := range 3 {
		c, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(dir), kfake.SeedTopics(partitions, rawtest.LiveTopic, rawtest.BulkTopic))
		if err != nil {
			t.Fatal(err)
		}
		rawtest.WaitFor(t, "the drain", s.drained)
		before := s.by("kafka")
		publish(30)
		rawtest.WaitFor(t, "a record that takes the direct way", func() bool {
			publish(1)
			return s.by("kafka") > before
		})
		if round == 1 { // slow: it answers, but after the bound
			c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				c.SleepControl(func() { time.Sleep(60 * time.Millisecond) })
				return nil, nil, false
			})
			publish(20)
		}
		if round < 2 {
			c.Close()
			publish(30)
		}
	}
	defer c.Close()
	rawtest.WaitFor(t, "the drain", s.drained)
	if len(acknowledged) != 8*next || s.by("spool") == 0 {
		t.Errorf("%d acknowledged, %v by the spool", len(acknowledged), s.by("spool"))
	}
	rawtest.CheckSequences(t, c.ListenAddrs(), acknowledged)
}
