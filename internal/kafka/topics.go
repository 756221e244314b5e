package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/coexstream/coexstream/internal/invalid"
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

// Created is the result of Create for a topic.
type Created struct {
	Name string
	New  bool
}

// Create creates the topics that are missing and leaves the others as they are. It returns when every
// broker knows them. A topic that exists with another number of partitions is an error: nothing can
// be done about it later without breaking the order of the businesses in it.
func (a *Admin) Create(ctx context.Context, l Layout) ([]Created, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	brokers, have, err := a.metadataOf(ctx, a.address)
	if err != nil {
		return nil, err
	}
	req := &kafkago.CreateTopicsRequest{Addr: a.address}
	var done []Created
	for _, s := range l.Specs() {
		if t, ok := have[s.Name]; ok {
			if len(t.Partitions) != s.Partitions {
				return done, fmt.Errorf("topic %s exists with %d partitions, want %d: set kafka.partitions to the number of the topics, or use another kafka.prefix", s.Name, len(t.Partitions), s.Partitions)
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
	if err := refusedTopics(resp.Errors, l, len(brokers)); err != nil {
		return nil, err
	}
	return done, a.await(ctx, l.Specs())
}

// refusedTopics is the error of the topics that were not created. The reason is mostly the same for all, so each
// reason comes once.
func refusedTopics(errs map[string]error, l Layout, brokers int) error {
	var reasons []error
	names := map[string][]string{}
	for _, topic := range sorted(errs) {
		err := errs[topic]
		switch {
		case err == nil, errors.Is(err, kafkago.TopicAlreadyExists):
			continue // another client created it after the metadata was read: the same result
		case errors.Is(err, kafkago.InvalidReplicationFactor):
			err = fmt.Errorf("%w. Change it together with kafka.min_insync_replicas, or start more brokers: %w",
				invalid.Value("kafka.replication_factor", l.ReplicationFactor, "at most the number of brokers (%d)", brokers), kafkago.InvalidReplicationFactor)
		}
		if names[err.Error()] == nil {
			reasons = append(reasons, err)
		}
		names[err.Error()] = append(names[err.Error()], topic)
	}
	for i, err := range reasons {
		of := names[err.Error()]
		if len(of) == 1 {
			reasons[i] = fmt.Errorf("create topic %s: %w", of[0], err)
		} else {
			reasons[i] = fmt.Errorf("create %d topics, %s to %s: %w", len(of), of[0], of[len(of)-1], err)
		}
	}
	return errors.Join(reasons...)
}

// await blocks until every broker knows every topic with a leader for each of its partitions. One broker is not enough,
// because the next client may ask another one. Brokers that do not answer are left out.
func (a *Admin) await(ctx context.Context, specs []TopicSpec) error {
	const pause = 50 * time.Millisecond
	silent := map[string]bool{}
	for {
		brokers, have, err := a.metadataOf(ctx, a.address)
		if err != nil {
			return err
		}
		missing := unled(specs, have)
		for _, b := range brokers {
			address := net.JoinHostPort(b.Host, strconv.Itoa(b.Port))
			if missing != "" || silent[address] {
				continue
			}
			if _, have, err = a.metadataOf(ctx, kafkago.TCP(address)); err != nil {
				silent[address] = true
			} else if missing = unled(specs, have); missing != "" {
				missing = "as broker " + address + " has it, " + missing
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

// unled names a topic that lacks leaders, "" for none.
func unled(specs []TopicSpec, have map[string]kafkago.Topic) string {
	for _, s := range specs {
		led := 0
		for _, p := range have[s.Name].Partitions {
			if p.Leader.Host != "" {
				led++
			}
		}
		if led < s.Partitions {
			return fmt.Sprintf("%s has %d of %d partitions with a leader", s.Name, led, s.Partitions)
		}
	}
	return ""
}

func (a *Admin) metadata(ctx context.Context) (map[string]kafkago.Topic, error) {
	_, topics, err := a.metadataOf(ctx, a.address)
	return topics, err
}

// metadataOf asks the brokers of that address.
func (a *Admin) metadataOf(ctx context.Context, address net.Addr) ([]kafkago.Broker, map[string]kafkago.Topic, error) {
	resp, err := a.client.Metadata(ctx, &kafkago.MetadataRequest{Addr: address})
	if err != nil {
		return nil, nil, fmt.Errorf("metadata from %s: %w", address, Explain(err))
	}
	topics := make(map[string]kafkago.Topic, len(resp.Topics))
	for _, t := range resp.Topics {
		if t.Error == nil || !errors.Is(t.Error, kafkago.UnknownTopicOrPartition) {
			topics[t.Name] = t
		}
	}
	return resp.Brokers, topics, nil
}

func entries(config map[string]string) []kafkago.ConfigEntry {
	es := make([]kafkago.ConfigEntry, 0, len(config))
	for _, k := range sorted(config) {
		es = append(es, kafkago.ConfigEntry{ConfigName: k, ConfigValue: config[k]})
	}
	return es
}
