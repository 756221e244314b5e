package main

import (
	"context"
	"fmt"
	"time"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/bench/load"
)

// Names of the yardsticks, which goals refer to.
const (
	bareName         = "fasthttp, bare"
	bareSignedName   = "fasthttp + HMAC"
	kafkaGoName      = "net/http + kafka-go Writer, as in its README"
	kafkaGoTunedName = "net/http + kafka-go Writer, batches of 10 ms"
	franzGoName      = "net/http + franz-go ProduceSync"
	unpublishedName  = "coexstream without publish"
	produceName      = "franz-go, straight to the broker"
)

const requestTimeout = 20 * time.Second

// playIngress is the small body under full load: the ingress between what HTTP costs and what one would
// write or install instead.
func playIngress(ctx context.Context, h *harness) (o compare.Outcome, err error) {
	const connections = 64
	spec := load.Spec{Connections: connections, Duration: h.o.turn, Timeout: requestTimeout, Mix: []load.Kind{{Name: load.Echo, Bytes: 1 << 10, Weight: 1}}}
	ts, err := load.NewTemplates(spec.Mix)
	if err != nil {
		return o, err
	}
	var stop stops
	defer stop.all(&err)
	const name = "ingress"
	b, err := h.startBroker(ctx, name)
	if err != nil {
		return o, err
	}
	stop.add(b.stop)
	m := compare.Match{
		Name: name, Title: fmt.Sprintf("echoes of 1 KB, signed, durable on the embedded broker, closed loop, %d connections", connections),
		Metrics: []compare.Metric{rateMetric, p50Metric, p99Metric, cpuMetric, brokerCPUMetric, rssMetric},
		Plot:    rateMetric.Key,
	}
	sub, err := h.newSubject(ctx, name, b, nil)
	if err != nil {
		return o, err
	}
	add := func(s *server, err error, remark string) error {
		if s != nil {
			stop.add(s.stop)
		}
		if err != nil {
			return err
		}
		m.Contestants = append(m.Contestants, h.contestant(s, remark, spec, ts))
		return nil
	}
	s, err := sub.ingress(ctx)
	if err := add(s, err, ""); err != nil {
		return o, err
	}
	for _, p := range []struct {
		title, name, secret string
		broker              *broker
		remark              string
	}{
		{bareName, "bare", "", nil, ""},
		{bareSignedName, "bare", secret, nil, ""},
		{franzGoName, "franzgo", secret, b, "acks=all, no linger"},
		{kafkaGoTunedName, "kafkago-10ms", secret, b, "acks=all"},
		{kafkaGoName, "kafkago", secret, b, "with acks=all, which its README leaves out; batches of up to a second"},
	} {
		s, err := h.peer(ctx, name, p.title, p.name, p.secret, p.broker)
		if err := add(s, err, p.remark); err != nil {
			return o, err
		}
	}
	for _, p := range builtPeers() {
		s, why, err := h.build(ctx, name, b, &p)
		if why != "" {
			m.Contestants = append(m.Contestants, compare.Contestant{Name: p.name, Skip: why})
		} else if err := add(s, err, p.remark); err != nil {
			return o, err
		}
	}
	m.Contestants = append(m.Contestants, absent()...)
	for _, c := range m.Contestants[1:] {
		m.Pairs = append(m.Pairs, compare.Pair{Metric: rateMetric.Key, Of: subjectName, To: c.Name})
	}
	m.Pairs = append(m.Pairs, compare.Pair{Metric: cpuMetric.Key, Of: subjectName, To: bareSignedName})
	return h.play(ctx, m)
}
