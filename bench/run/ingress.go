package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/bench/load"
)

// Names of the yardsticks, which goals refer to.
const (
	bareName                = "fasthttp, bare"
	bareSignedName          = "fasthttp + HMAC"
	kafkaGoName             = "net/http + kafka-go Writer, as in its README"
	kafkaGoTunedName        = "net/http + kafka-go Writer, batches of 10 ms"
	franzGoName             = "net/http + franz-go ProduceSync"
	fastFranzName           = "fasthttp + franz-go, one request in flight"
	fastFranzIdempotentName = "fasthttp + franz-go, one request in flight, idempotent"
	unpublishedName         = "coexstream without publish"
	produceName             = "franz-go, straight to the broker"
)

const requestTimeout = 20 * time.Second

// playIngress is the small body under full load: the ingress between what HTTP costs and what one would
// write or install instead.
func playIngress(ctx context.Context, h *harness) (compare.Outcome, error) {
	return h.playSmallBodies(ctx, "ingress", "", true)
}

// playCore is the same with a core for the server alone, and the others for load and broker: what a core of an ingress
// takes in, with a broker elsewhere. Only those take part that are in the goals.
func playCore(ctx context.Context, h *harness) (compare.Outcome, error) {
	if n := runtime.NumCPU(); n < 2 {
		return compare.Outcome{Name: "core", Skip: fmt.Sprintf("it needs two processors, there is %d", n)}, nil
	}
	all := h.o
	defer func() { h.o = all }()
	if h.o.serverCPUs == "" {
		rest := fmt.Sprintf("1-%d", runtime.NumCPU()-1)
		h.o.serverCPUs, h.o.loadCPUs, h.o.brokerCPUs = "0", rest, rest
	}
	return h.playSmallBodies(ctx, "core", ", the server on a core of its own", false)
}

func (h *harness) playSmallBodies(ctx context.Context, name, where string, everybody bool) (o compare.Outcome, err error) {
	const connections = 64
	spec := load.Spec{Connections: connections, Duration: h.o.turn, Timeout: requestTimeout, Mix: []load.Kind{{Name: load.Echo, Bytes: 1 << 10, Weight: 1}}}
	ts, err := load.NewTemplates(spec.Mix)
	if err != nil {
		return o, err
	}
	var stop stops
	defer stop.all(&err)
	b, err := h.startBroker(ctx, name)
	if err != nil {
		return o, err
	}
	stop.add(b.stop)
	m := compare.Match{
		Name: name, Title: fmt.Sprintf("echoes of 1 KB, signed, durable on the %s, closed loop, %d connections%s", h.o.embeddedBroker(), connections, where),
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
		inGoals             bool
	}{
		{bareName, "bare", "", nil, "", true},
		{bareSignedName, "bare", secret, nil, "", true},
		{franzGoName, "franzgo", secret, b, "acks=all, no linger", true},
		{fastFranzName, "fastfranz", secret, b, "acks=all, no linger", false},
		{fastFranzIdempotentName, "fastfranz-idempotent", secret, b, "acks=all, no linger", false},
		{kafkaGoTunedName, "kafkago-10ms", secret, b, "acks=all", false},
		{kafkaGoName, "kafkago", secret, b, "with acks=all, which its README leaves out; batches of up to a second", true},
	} {
		if !everybody && !p.inGoals {
			continue
		}
		s, err := h.peer(ctx, name, p.title, p.name, p.secret, p.broker)
		if err := add(s, err, p.remark); err != nil {
			return o, err
		}
	}
	programs := builtPeers()
	if !everybody {
		programs = nil
	}
	for _, p := range programs {
		s, why, err := h.build(ctx, name, b, &p)
		if why != "" {
			m.Contestants = append(m.Contestants, compare.Contestant{Name: p.name, Skip: why})
		} else if err := add(s, err, p.remark); err != nil {
			return o, err
		}
	}
	if everybody {
		m.Contestants = append(m.Contestants, absent()...)
	}
	for _, c := range m.Contestants[1:] {
		m.Pairs = append(m.Pairs, compare.Pair{Metric: rateMetric.Key, Of: subjectName, To: c.Name})
	}
	m.Pairs = append(m.Pairs, compare.Pair{Metric: cpuMetric.Key, Of: subjectName, To: bareSignedName})
	return h.play(ctx, m)
}
