package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// CreateLog creates a topic with one partition and without retention, beside those of the layout, if it is missing. It returns
// when the topic has a leader. A topic with more partitions is an error: their records have no common order.
func (a *Admin) CreateLog(ctx context.Context, name string, l Layout) error {
	_, have, err := a.metadataOf(ctx, a.address)
	if err != nil {
		return err
	}
	if _, ok := have[name]; !ok {
		resp, err := a.client.CreateTopics(ctx, &kafkago.CreateTopicsRequest{Addr: a.address, Topics: []kafkago.TopicConfig{{
			Topic: name, NumPartitions: 1, ReplicationFactor: l.ReplicationFactor,
			ConfigEntries: entries(map[string]string{
				"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "message.timestamp.type": "CreateTime",
				"min.insync.replicas": strconv.Itoa(l.MinInsyncReplicas), "segment.bytes": strconv.FormatInt(l.SegmentBytes, 10),
			}),
		}}})
		if err == nil {
			err = resp.Errors[name]
		}
		if err != nil && !errors.Is(err, kafkago.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", name, err)
		}
	}
	for {
		_, have, err := a.metadataOf(ctx, a.address)
		switch t, ok := have[name]; {
		case err != nil:
			return err
		case ok && len(t.Partitions) > 1:
			return fmt.Errorf("topic %s has %d partitions, want 1", name, len(t.Partitions))
		case ok && len(t.Partitions) == 1 && t.Error == nil && t.Partitions[0].Leader.Host != "":
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a leader of topic %s: %w", name, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
