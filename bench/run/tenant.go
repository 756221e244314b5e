package main

import (
	"context"
	"fmt"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/bench/tenant"
)

// Contestants of tenant, beside idleName: what another business sends meanwhile.
const (
	longName    = "live echo, beside bodies of 10,000 messages"
	manyBodies  = "live echo, beside thousands of bodies a second"
	crowdedName = "live echo, beside bodies with 1,000 contacts"
)

// playTenant is the live echo of businesses while another one floods the ingress with live webhooks, beside the same on an
// idle system. All share the processor's partitions, a core or two, and the broker.
func playTenant(ctx context.Context, h *harness) (compare.Outcome, error) {
	m := compare.Match{
		Name:        "tenant",
		Title:       fmt.Sprintf("live echo, HTTP in to read-committed out, %d a second, while another business goes mad, %s", h.o.echoRate, h.o.embeddedBroker()),
		Metrics:     []compare.Metric{p50Metric, p99Metric, p999Metric, floodMetric},
		Contestants: []compare.Contestant{{Name: idleName, Turn: h.echoesAlone}},
		Plot:        p99Metric.Key,
	}
	for _, c := range []struct {
		name string
		way  tenant.Way
	}{{longName, tenant.Long}, {manyBodies, tenant.Many}, {crowdedName, tenant.Crowded}} {
		m.Contestants = append(m.Contestants, compare.Contestant{Name: c.name, Turn: func(ctx context.Context) (compare.Sample, error) {
			return h.echoesBesideTenant(ctx, c.way)
		}})
		m.Pairs = append(m.Pairs, compare.Pair{Metric: p99Metric.Key, Of: c.name, To: idleName})
	}
	return h.play(ctx, m)
}

// floodMetric is how many webhooks of the mad business were acknowledged.
var floodMetric = compare.Metric{Key: "flood", Title: "flood", Unit: "webhooks"}

func (h *harness) echoesBesideTenant(ctx context.Context, way tenant.Way) (sample compare.Sample, err error) {
	s, err := h.newStack(ctx, "tenant", nil)
	if err != nil {
		return sample, err
	}
	defer s.close(&err)
	if err := s.process(ctx); err != nil {
		return sample, err
	}
	flooding, stop := context.WithCancel(ctx)
	acknowledged := make(chan int64, 1)
	mad := tenant.New(s.ingress.url, secret, requestTimeout)
	defer mad.Close()
	go func() { acknowledged <- mad.Flood(flooding, way) }()
	sample, err = idleEchoes(ctx, s, h.o.turn)
	stop()
	n := <-acknowledged
	if err != nil {
		return sample, err
	}
	sample.Verdict += fmt.Sprintf("; %d webhooks of the mad business acknowledged", n)
	sample.OK = sample.OK && n > 0
	sample.Values[floodMetric.Key] = float64(n)
	return sample, nil
}
