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
	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
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

// embeddedBroker names the embedded broker with its settings: its work before an acknowledgement decides the result.
// Without fsync it survives kill -9, and no power cut; a cluster without its own fsync does the same, by copies.
func (o *options) embeddedBroker() string {
	if o.syncWrites {
		return "embedded broker (fsync of each write)"
	}
	return "embedded broker (data directory, no fsync)"
}

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
		// It has little in use, and would collect garbage a dozen times a second. Apache Kafka has a heap of its own, too.
		Env:  []string{"GOGC=400"},
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

// kafka is an Apache Kafka: the one that -kafka names, or one of this run's own, which is started when it is
// first asked for and shared by the matches. Why there is none is an answer, too.
func (h *harness) kafka(ctx context.Context) (b *broker, why string, err error) {
	if h.cluster != nil {
		return h.cluster, "", nil
	}
	switch {
	case h.o.kafka != "":
		b = &broker{addresses: strings.Split(h.o.kafka, ",")}
	case h.o.short:
		return nil, "short; name one with -kafka", nil
	default:
		fmt.Fprintf(os.Stderr, "starting Apache Kafka, %d brokers\n", h.o.kafkaBrokers)
		c, err := kafkacluster.Start(ctx, kafkacluster.Config{
			Brokers: h.o.kafkaBrokers, MinISR: min(h.o.kafkaBrokers, 2),
			// Those of Kafka's own start script, with half of its heap.
			Java: []string{"-Xms512m", "-Xmx512m", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"},
		})
		if errors.Is(err, kafkacluster.ErrUnavailable) {
			return nil, err.Error(), nil
		}
		if err != nil {
			return nil, "", fmt.Errorf("start Apache Kafka: %w", err)
		}
		h.stop.add(c.Close)
		b = &broker{addresses: c.Addrs()}
	}
	if err := b.connect(); err != nil {
		return nil, "", err
	}
	h.stop.add(b.stop)
	all, err := b.admin.ListBrokers(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("ask %v for its brokers: %w", b.addresses, err)
	}
	const replicasMax = 3
	b.replicas = min(len(all), replicasMax)
	h.cluster = b
	return b, "", nil
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
