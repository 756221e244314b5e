package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/coexstream/coexstream/bench/child"
	"github.com/coexstream/coexstream/schemas"
)

const (
	sourcePath       = "/webhooks/meta"
	secret           = "bench-app-secret"
	inFlightBytesMax = 2 << 30 // the limit must not affect the measurement
)

// subject is coexstream on a broker: its configuration, from which its roles are started.
type subject struct {
	h      *harness
	name   string // of the match, in file names
	broker *broker
	prefix string // of the topics
	config string // path
}

// newSubject writes the configuration and creates the topics. settings are keys of the ingress beside those
// that every match needs.
func (h *harness) newSubject(ctx context.Context, name string, b *broker, settings map[string]any) (*subject, error) {
	h.subjects++
	name = fmt.Sprintf("%s-%d", name, h.subjects)
	s := &subject{h: h, name: name, broker: b, prefix: fmt.Sprintf("bench-%d-%d.", os.Getpid(), h.subjects), config: h.path(name + "-coexstream.yaml")}
	type m = map[string]any
	edge := m{
		"in_flight_bytes_max": inFlightBytesMax,
		// The match measures the way to the log: a body that a short delay sends to the spool is safe, but not there
		// yet.
		"spool": m{"enabled": false},
		"sources": []m{{
			"name": "meta", "provider": "meta", "path": sourcePath, "verify_token": "token-of-the-bench", "signature_required": true,
			"secrets": []m{{"id": "app", "value": secret}},
		}},
	}
	maps.Copy(edge, settings)
	y, err := yaml.Marshal(m{
		"log":      m{"level": "warn", "format": "text"},
		"data_dir": h.path(name + "-data"),
		"kafka":    m{"brokers": b.addresses, "prefix": s.prefix, "partitions": partitions, "replication_factor": b.replicas, "min_insync_replicas": min(b.replicas, 2)},
		// A match may hold a processor for as long as it takes to write the work.
		"processor": m{"group_id": s.group(), "instance_id": "bench", "session_timeout": "5m", "rebalance_timeout": "5m", "transaction_timeout": "5m"},
		"ingress":   edge,
	})
	if err != nil {
		return nil, fmt.Errorf("write the subject's configuration: %w", err)
	}
	if err := os.WriteFile(s.config, y, 0o600); err != nil {
		return nil, fmt.Errorf("write the subject's configuration: %w", err)
	}
	_, err = child.Run(ctx, child.Command{Name: "coexstream topics create", Args: []string{h.binary, "topics", "create", "--config", s.config}}, nil)
	return s, err
}

// group is the processor's consumer group.
func (s *subject) group() string { return s.prefix + "processor" }

// topics are the full names of topics.
func (s *subject) topics(ts ...schemas.Topic) []string {
	var names []string
	for _, t := range ts {
		names = append(names, t.Name(s.prefix))
	}
	return names
}

// remove deletes the topics, which matters on a cluster that outlives the run.
func (s *subject) remove(ctx context.Context) error {
	deleted, err := s.broker.admin.DeleteTopics(ctx, s.topics(schemas.Topics()...)...)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		return fmt.Errorf("delete the topics of %s: %w", s.prefix, err)
	}
	return nil
}

// role is a running role of the subject.
type role struct {
	*child.Process
	admin string // address of its admin listener
}

// start starts a role and waits until it is ready.
func (s *subject) start(ctx context.Context, name string, args ...string) (*role, error) {
	admin, err := child.FreeAddress()
	if err != nil {
		return nil, err
	}
	args = append(append([]string{s.h.binary}, strings.Fields(name)...), append([]string{"--config", s.config, "--admin-listen", admin}, args...)...)
	p, err := child.Start(ctx, child.Command{
		Name: "coexstream " + name, Args: args, CPUs: s.h.o.serverCPUs, Log: s.h.path(s.name + "-coexstream-" + strings.ReplaceAll(name, " ", "-") + ".log"),
		Ready: child.Answers200("http://" + admin + "/readyz"),
	})
	if err != nil {
		return nil, err
	}
	return &role{Process: p, admin: admin}, nil
}

// ingress starts the ingress as a server under test.
func (s *subject) ingress(ctx context.Context) (*server, error) {
	address, err := child.FreeAddress()
	if err != nil {
		return nil, err
	}
	p, err := s.start(ctx, "ingress", "--listen", address)
	if err != nil {
		return nil, err
	}
	srv := &server{name: subjectName, proc: p.Process, url: "http://" + address + sourcePath, secret: secret, admin: p.admin}
	return srv, srv.keepsIn(ctx, s.broker, s.topics(schemas.TopicRawLive, schemas.TopicRawBulk)...)
}

const subjectName = "coexstream"

// peer starts a yardstick of this program.
func (h *harness) peer(ctx context.Context, match, title, name, secret string, b *broker) (*server, error) {
	address, err := child.FreeAddress()
	if err != nil {
		return nil, err
	}
	args := []string{h.self, "peer", name, "-listen", address, "-secret", secret}
	topic := ""
	if b != nil {
		topic = "peer." + name
		if err := b.topic(ctx, topic); err != nil {
			return nil, err
		}
		args = append(args, "-broker", strings.Join(b.addresses, ","), "-topic", topic)
	}
	p, err := child.Start(ctx, child.Command{
		Name: name, Args: args, CPUs: h.o.serverCPUs, Log: h.path(match + "-" + name + ".log"), Ready: child.Listening(address),
	})
	if err != nil {
		return nil, err
	}
	srv := &server{name: title, proc: p, url: "http://" + address + sourcePath, secret: secret}
	if b == nil {
		return srv, nil
	}
	return srv, srv.keepsIn(ctx, b, topic)
}
