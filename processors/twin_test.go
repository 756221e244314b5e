package processors_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/processors"
	"github.com/coexstream/coexstream/schemas"
)

// TestARestartDoesNotWaitForItsLastTransaction: a processor that was killed within a transaction ends it when it
// comes back. It would be open for minutes, and hide the records behind it from restore.
func TestARestartDoesNotWaitForItsLastTransaction(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cfg := c.config("a")
	last, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...), kgo.TransactionalID(cfg.GroupID+"-a"),
		kgo.TransactionTimeout(15*time.Minute), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	if err := last.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for partition := range int32(partitions) {
		r := &kgo.Record{Topic: schemas.TopicState.Name(cfg.Prefix), Partition: partition, Key: []byte("torn"), Value: []byte("torn")}
		if err := last.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	last.Close() // killed: the transaction stays open

	c.put(schemas.TopicRawLive, "1", echo("1", "e1"))
	c.run(cfg)
	if rs := c.read(schemas.TopicEchoes, atLeast(1)); wamid(rs[0]) != "e1" {
		t.Errorf("echoes are %s", rs[0].Value)
	}
}

// started is a processor that a test looks at while it runs.
type started struct {
	*processors.Processor
	registry *prometheus.Registry
	stop     func()
}

func (c *cluster) start(cfg processors.Config, client ...kgo.Opt) *started {
	c.t.Helper()
	return c.startWith(cfg, processors.Deps{ClientOptions: client})
}

// startAt is start with a clock.
func (c *cluster) startAt(cfg processors.Config, now func() time.Time) *started {
	c.t.Helper()
	return c.startWith(cfg, processors.Deps{Now: now})
}

func (c *cluster) startWith(cfg processors.Config, deps processors.Deps) *started {
	c.t.Helper()
	s := &started{registry: prometheus.NewRegistry()}
	deps.Registerer, deps.Log = s.registry, slog.New(slog.NewTextHandler(c.t.Output(), nil))
	p, err := processors.New(cfg, deps)
	if err != nil {
		c.t.Fatal(err)
	}
	s.Processor = p
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			c.t.Errorf("processor: %v", err)
		}
	}
	c.t.Cleanup(s.stop)
	return s
}

// restarts is how many sessions ended early.
func (s *started) restarts(t *testing.T) float64 {
	t.Helper()
	return s.value(t, "session_restarts_total")
}

// value is that of a metric; of one with labels, the sum of those that have all of these.
func (s *started) value(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != "coexstream_processor_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			has := 0
			for _, l := range m.GetLabel() {
				if slices.Contains(labels, l.GetValue()) {
					has++
				}
			}
			if has == len(labels) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.After(3 * time.Minute)
	for !holds() {
		select {
		case <-late:
			t.Fatalf("waited in vain: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestTheLaterOfTwoProcessorsWithOneInstanceIDStays: two processors with one processor.instance_id do not fence each other in turn,
// and the one that stood by continues when the other has ended.
func TestTheLaterOfTwoProcessorsWithOneInstanceIDStays(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	first := c.start(c.config("a"))
	eventually(t, "the first one is ready", func() bool { return first.Ready() == nil })
	second := c.start(c.config("a"))
	standsBy := func() bool {
		err := first.Ready()
		return err != nil && strings.Contains(err.Error(), "another process")
	}
	eventually(t, "the first one stands by", standsBy)
	eventually(t, "the second one is ready", func() bool { return second.Ready() == nil })

	before := first.restarts(t) + second.restarts(t)
	for i := range 20 {
		c.put(schemas.TopicRawLive, "1", echo("1", fmt.Sprintf("e%d", i)))
		c.read(schemas.TopicEchoes, atLeast(i+1))
	}
	if !standsBy() || second.Ready() != nil {
		t.Errorf("the first one: %v; the second one: %v", first.Ready(), second.Ready())
	}
	if after := first.restarts(t) + second.restarts(t); after != before {
		t.Errorf("%v sessions ended while both were there", after-before)
	}

	second.stop()
	c.put(schemas.TopicRawLive, "1", echo("1", "last"))
	c.read(schemas.TopicEchoes, atLeast(21))
	if first.Ready() != nil {
		t.Errorf("the first one: %v", first.Ready())
	}
}
