package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
)

// steady is a world that lasts for a while, at a rate that sender and processors of a small machine can keep.
var steady = world{seed: 11, businesses: 4, messages: 3000, live: 700, contact: 300, rate: 60}

func TestPlainRun(t *testing.T) {
	c := cluster(t)
	s := newStage(t, c.Addrs(), 3, 2)
	s.up()
	truth, report := s.simulate(world{seed: 1, businesses: 6, messages: 12000, live: 1200, contact: 1000})
	s.check(truth)
	s.bounded(report)
	s.down()
}

func TestLeaderMovesUnderLoad(t *testing.T) {
	c := cluster(t)
	s := newStage(t, c.Addrs(), 3, 2)
	s.up()
	l := s.load(steady)
	s.underLoad(l, 200)
	for range 4 {
		moved, err := c.MoveLeaders(t.Context(), s.prefix)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d leaders moved, those of groups and transactions too", moved)
		s.underLoad(l, 150)
	}
	l.finish()
}

func TestRollingRestartUnderLoad(t *testing.T) {
	c := cluster(t)
	s := newStage(t, c.Addrs(), 3, 2)
	s.up()
	l := s.load(steady)
	s.underLoad(l, 200)
	for i := range c.Brokers() {
		began := time.Now()
		if err := c.Broker(i).Stop(); err != nil {
			t.Fatal(err)
		}
		stopped := time.Since(began)
		if err := c.Broker(i).Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		inSync(t, c)
		t.Logf("broker %d: stopped after %s, all in sync again after %s", i, stopped.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
		s.underLoad(l, 100)
	}
	l.finish()
}

func TestBrokerKilledUnderLoad(t *testing.T) {
	c := cluster(t)
	s := newStage(t, c.Addrs(), 3, 2)
	s.up()
	l := s.load(steady)
	s.underLoad(l, 200)
	const victim = 1
	began := time.Now()
	if err := c.Broker(victim).Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.AwaitLeaders(ctx, ""); err != nil {
		t.Fatal(err)
	}
	t.Logf("killed -9: every partition has a leader again after %s", time.Since(began).Round(time.Millisecond))
	until(t, "the spool is empty", func() bool { return s.ingress.metric("coexstream_spool_records") == 0 })
	t.Logf("killed -9: what was kept on the disk meanwhile is in Kafka after %s", time.Since(began).Round(time.Millisecond))
	s.underLoad(l, 200)
	until(t, "the processors have caught up", func() bool { return s.lag() < 100 })
	t.Logf("killed -9: events are less than 100 webhooks behind after %s", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	if err := c.Broker(victim).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	inSync(t, c)
	t.Logf("started again: all in sync after %s", time.Since(began).Round(time.Millisecond))
	s.underLoad(l, 100)
	l.finish()
}

// ackTimeout is the default of ingress.ack_timeout: a request that came before there was a leader is answered with
// 503 so much later. electionSlack is for the election and for the ingress to hear of it, on a busy machine.
// docs/operations.md tells users of this bound.
const (
	ackTimeout    = 4 * time.Second
	electionSlack = 5 * time.Second
	refusedFor    = kafkacluster.SessionTimeout + ackTimeout + electionSlack
)

// Without the spool, whose leader is gone is answered with 503, and tried again by its sender, until another leads.
func TestBrokerKilledWithoutSpool(t *testing.T) {
	c := cluster(t)
	s := newStage(t, c.Addrs(), 3, 2, "ingress.spool.enabled: false")
	s.up()
	l := s.load(steady)
	s.underLoad(l, 200)
	s.refusalsMax = s.refusals() // a busy machine: this test is about other errors
	const victim = 2
	began := time.Now()
	if err := c.Broker(victim).Kill(); err != nil {
		t.Fatal(err)
	}
	before, last := s.refusalsMax, time.Duration(0)
	accepted := s.accepted() // at the last 503
	until(t, "200 webhooks in a row are accepted", func() bool {
		if n := s.refusals(); n > s.refusalsMax {
			s.refusalsMax, last, accepted = n, time.Since(began), s.accepted()
		}
		return time.Since(began) > refusedFor && s.accepted() >= accepted+200
	})
	t.Logf("killed -9: %v webhooks were answered with 503, the last one after %s", s.refusalsMax-before, last.Round(time.Millisecond))
	if last > refusedFor {
		t.Errorf("killed -9: a 503 after %s, the bound is %s", last.Round(time.Millisecond), refusedFor)
	}
	if s.refusalsMax == before {
		t.Errorf("killed -9: no webhook was answered with 503: the broker led nothing that was written to")
	}
	if err := c.Broker(victim).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	inSync(t, c)
	s.refusalsMax = max(s.refusalsMax, s.refusals()) // its partitions come back to it, at a moment of the cluster's choosing
	l.finish()
}

// lag is how many records the processors have not read yet.
func (s *stage) lag() (records float64) {
	for _, p := range s.processors {
		records += p.metric("coexstream_processor_lag_records")
	}
	return records
}

func inSync(t *testing.T, c *kafkacluster.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.AwaitInSync(ctx, ""); err != nil {
		t.Fatal(err)
	}
}
