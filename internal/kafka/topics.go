package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// Admin creates, compares and describes the topics.
type Admin struct {
	conn      Connection
	address   net.Addr
	transport *kafkago.Transport
	client    *kafkago.Client
}

// NewAdmin connects lazily, at the first call.
func NewAdmin(conn Connection) (*Admin, error) {
	if err := conn.Validate(); err != nil {
		return nil, err
	}
	t := conn.Transport()
	return &Admin{
		conn: conn, address: conn.Address(), transport: t,
		client: &kafkago.Client{Addr: conn.Address(), Timeout: conn.RequestTimeout, Transport: t},
	}, nil
}

// Close closes the connections.
func (a *Admin) Close() { a.transport.CloseIdleConnections() }

// Created tells what Create did with a topic.
type Created struct {
	Name string
	New  bool
}

// Create creates the topics that are missing and leaves the others as they are. It returns when every
// partition has a leader. A topic that exists with another number of partitions is an error: nothing can
// be done about it later without breaking the order of the businesses in it.
func (a *Admin) Create(ctx context.Context, l Layout) ([]Created, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	have, err := a.metadata(ctx)
	if err != nil {
		return nil, err
	}
	req := &kafkago.CreateTopicsRequest{Addr: a.address}
	var done []Created
	for _, s := range l.Specs() {
		if t, ok := have[s.Name]; ok {
			if len(t.Partitions) != s.Partitions {
				return done, fmt.Errorf("topic %s exists with %d partitions, want %d: set kafka.partitions to what the topics were created with, or use another kafka.prefix", s.Name, len(t.Partitions), s.Partitions)
			}
			done = append(done, Created{Name: s.Name})
			continue
		}
		done = append(done, Created{Name: s.Name, New: true})
		req.Topics = append(req.Topics, kafkago.TopicConfig{
			Topic: s.Name, NumPartitions: s.Partitions, ReplicationFactor: s.ReplicationFactor, ConfigEntries: entries(s.Config),
		})
	}
	if len(req.Topics) == 0 {
		return done, nil
	}
	resp, err := a.client.CreateTopics(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("create %d topics: %w", len(req.Topics), err)
	}
	var failed []error
	for _, t := range req.Topics {
		// Somebody else may have been faster since the metadata was read: the same result.
		if err := resp.Errors[t.Topic]; err != nil && !errors.Is(err, kafkago.TopicAlreadyExists) {
			failed = append(failed, fmt.Errorf("create topic %s: %w", t.Topic, err))
		}
	}
	if len(failed) > 0 {
		return nil, errors.Join(failed...)
	}
	return done, a.await(ctx, l)
}

// await blocks until every partition of every topic has a leader.
func (a *Admin) await(ctx context.Context, l Layout) error {
	const pause = 50 * time.Millisecond
	for {
		missing := ""
		have, err := a.metadata(ctx)
		if err != nil {
			return err
		}
		for _, s := range l.Specs() {
			led := 0
			for _, p := range have[s.Name].Partitions {
				if p.Leader.Host != "" {
					led++
				}
			}
			if led < s.Partitions {
				missing = fmt.Sprintf("%s has %d of %d partitions with a leader", s.Name, led, s.Partitions)
			}
		}
		if missing == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for topics: %s: %w", missing, ctx.Err())
		case <-time.After(pause):
		}
	}
}

func (a *Admin) metadata(ctx context.Context) (map[string]kafkago.Topic, error) {
	resp, err := a.client.Metadata(ctx, &kafkago.MetadataRequest{Addr: a.address})
	if err != nil {
		return nil, fmt.Errorf("metadata from %s: %w", strings.Join(a.conn.Brokers, ","), Explain(err))
	}
	topics := make(map[string]kafkago.Topic, len(resp.Topics))
	for _, t := range resp.Topics {
		if t.Error == nil || !errors.Is(t.Error, kafkago.UnknownTopicOrPartition) {
			topics[t.Name] = t
		}
	}
	return topics, nil
}

func entries(config map[string]string) []kafkago.ConfigEntry {
	es := make([]kafkago.ConfigEntry, 0, len(config))
	for _, k := range sorted(config) {
		es = append(es, kafkago.ConfigEntry{ConfigName: k, ConfigValue: config[k]})
	}
	return es
}
