package load

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaSender produces bodies straight to a topic: the latency of an acknowledgement without an ingress. A connection
// waits for its body as over HTTP; all share one client, which batches bodies that come together.
type kafkaSender struct {
	ctx   context.Context //nolint:containedctx // of the run
	spec  Spec
	cl    *kgo.Client
	value []byte
}

func kafkaSenders(ctx context.Context, spec Spec, _ *Templates) (func() (sender, error), func(), error) {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(spec.Brokers...), kgo.ClientID("load"), kgo.DefaultProduceTopic(spec.Topic),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(20<<20), kgo.RecordDeliveryTimeout(spec.Timeout),
	)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to %v: %w", spec.Brokers, err)
	}
	if err := cl.Ping(ctx); err != nil {
		cl.Close()
		return nil, nil, fmt.Errorf("connect to %v: %w", spec.Brokers, err)
	}
	return func() (sender, error) { return &kafkaSender{ctx: ctx, spec: spec, cl: cl}, nil }, cl.Close, nil
}

func (s *kafkaSender) close() {}

func (s *kafkaSender) send(t *template, _ uint16, id Identity) (int, error) {
	var slot [identityLen]byte
	id.put(slot[:])
	s.value = slices.Concat(t.prefix, slot[:], t.suffix)
	r := &kgo.Record{Key: []byte(t.business), Value: s.value}
	if err := s.cl.ProduceSync(s.ctx, r).FirstErr(); err != nil {
		return 0, fmt.Errorf("produce to %s: %w", s.spec.Topic, err)
	}
	return http.StatusOK, nil
}
