package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/bench/child"
)

// broker is what the contestants of a match write to: one embedded broker, or a cluster.
type broker struct {
	addresses []string
	replicas  int            // of each partition
	proc      *child.Process // nil: not this run's own
	dir       string
	admin     *kadm.Client
}

const (
	partitions   = 4 // as `up` has
	messageBytes = "20971520"
)

// startBroker starts an embedded broker with a data folder of its own.
func (h *harness) startBroker(ctx context.Context, name string) (*broker, error) {
	address, err := child.FreeAddress()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(h.dir, name+"-broker-")
	if err != nil {
		return nil, fmt.Errorf("make the broker's folder: %w", err)
	}
	p, err := child.Start(ctx, child.Command{
		Name: "broker", Log: h.path(name + "-broker.log"), CPUs: h.o.brokerCPUs, Ready: child.Listening(address),
		Args: []string{h.self, "broker", "-dir", dir, "-listen", address, fmt.Sprintf("-sync-writes=%t", h.o.syncWrites)},
	})
	if err != nil {
		return nil, err
	}
	b := &broker{addresses: []string{address}, replicas: 1, proc: p, dir: dir}
	if err := b.connect(); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return b, nil
}

// useKafka connects to the cluster that -kafka names.
func (h *harness) useKafka(ctx context.Context) (*broker, error) {
	b := &broker{addresses: strings.Split(h.o.kafka, ",")}
	if err := b.connect(); err != nil {
		return nil, err
	}
	all, err := b.admin.ListBrokers(ctx)
	if err != nil {
		b.admin.Close()
		return nil, fmt.Errorf("ask %s for its brokers: %w", h.o.kafka, err)
	}
	const replicasMax = 3
	b.replicas = min(len(all), replicasMax)
	return b, nil
}

func (b *broker) connect() error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addresses...), kgo.ClientID("bench"))
	if err != nil {
		return fmt.Errorf("connect to %v: %w", b.addresses, err)
	}
	b.admin = kadm.NewClient(cl)
	return nil
}

// topic makes a topic for a peer.
func (b *broker) topic(ctx context.Context, name string) error {
	limit := messageBytes
	if _, err := b.admin.CreateTopic(ctx, partitions, int16(b.replicas), map[string]*string{"max.message.bytes": &limit}, name); err != nil {
		return fmt.Errorf("create the topic %s: %w", name, err)
	}
	return nil
}

// stop ends the broker and removes its data.
func (b *broker) stop() error {
	b.admin.Close()
	if b.proc == nil {
		return nil
	}
	return errors.Join(b.proc.Stop(), os.RemoveAll(b.dir))
}
