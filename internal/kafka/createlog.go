package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	kafkago "github.com/segmentio/kafka-go"
)

// Desk returns the log of the desk. It has one partition, so that all entries have one order, and no retention: the first entries of
// a number decide whether a request can be sent. It is not in the layout, because its number of partitions is another one.
func (l *Layout) Desk() TopicSpec {
	return TopicSpec{
		Name: l.Prefix + "desk", Partitions: 1, ReplicationFactor: l.ReplicationFactor,
		Config: map[string]string{
			"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "message.timestamp.type": "CreateTime",
			"min.insync.replicas": strconv.Itoa(l.MinInsyncReplicas), "segment.bytes": strconv.FormatInt(l.SegmentBytes, 10),
		},
	}
}

// CreateDesk creates the log of the desk if it is missing, and says whether it did. It returns when every broker knows its leader. A topic with more partitions
// is an error: their records have no common order.
func (a *Admin) CreateDesk(ctx context.Context, l Layout) (c Created, err error) {
	spec := l.Desk()
	name := spec.Name
	c.Name = name
	_, have, err := a.metadataOf(ctx, a.address)
	if err != nil {
		return c, err
	}
	if _, ok := have[name]; !ok {
		resp, err := a.client.CreateTopics(ctx, &kafkago.CreateTopicsRequest{Addr: a.address, Topics: []kafkago.TopicConfig{{
			Topic: name, NumPartitions: spec.Partitions, ReplicationFactor: spec.ReplicationFactor, ConfigEntries: entries(spec.Config),
		}}})
		if err == nil {
			err = resp.Errors[name]
		}
		if err != nil && !errors.Is(err, kafkago.TopicAlreadyExists) {
			return c, fmt.Errorf("create topic %s: %w", name, err)
		}
		c.New = err == nil
	}
	if err := a.await(ctx, []TopicSpec{spec}); err != nil {
		return c, err
	}
	if _, have, err = a.metadataOf(ctx, a.address); err != nil {
		return c, err
	}
	if n := len(have[name].Partitions); n > 1 {
		return c, fmt.Errorf("topic %s has %d partitions, want 1", name, n)
	}
	return c, nil
}
