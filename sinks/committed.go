package sinks

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/schemas"
)

// Committed is an offset that the group committed.
type Committed struct {
	Next     int64 // -1: none
	Metadata string
}

// Committed returns the committed offsets of partitions, for targets that keep no positions. Only between own and disown there is an answer.
func (g *Group) Committed(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]Committed, error) {
	cl, err := g.joined()
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = g.id
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = g.id
	for _, topic := range Topics() {
		t := kmsg.NewOffsetFetchRequestTopic()
		t.Topic, t.Partitions = topic.Name(g.prefix), partitions
		req.Topics = append(req.Topics, t)
		gt := kmsg.NewOffsetFetchRequestGroupTopic()
		gt.Topic, gt.Partitions = t.Topic, partitions
		group.Topics = append(group.Topics, gt)
	}
	req.Groups = append(req.Groups, group)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, fmt.Errorf("fetch the offsets of the group %s: %w", g.id, err)
	}
	all := map[schemas.Topic]map[int32]Committed{}
	take := func(name string, partition int32, offset int64, metadata *string, code int16) error {
		if err := kerr.ErrorForCode(code); err != nil {
			return fmt.Errorf("fetch the offset of %s/%d of the group %s: %w", name, partition, g.id, err)
		}
		topic, ok := g.topicOf(name)
		if !ok {
			return nil
		}
		if all[topic] == nil {
			all[topic] = map[int32]Committed{}
		}
		c := Committed{Next: offset}
		if metadata != nil {
			c.Metadata = *metadata
		}
		all[topic][partition] = c
		return nil
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, fmt.Errorf("fetch the offsets of the group %s: %w", g.id, err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := take(t.Topic, p.Partition, p.Offset, p.Metadata, p.ErrorCode); err != nil {
				return nil, err
			}
		}
	}
	for _, gr := range resp.Groups {
		if err := kerr.ErrorForCode(gr.ErrorCode); err != nil {
			return nil, fmt.Errorf("fetch the offsets of the group %s: %w", g.id, err)
		}
		for _, t := range gr.Topics {
			for _, p := range t.Partitions {
				if err := take(t.Topic, p.Partition, p.Offset, p.Metadata, p.ErrorCode); err != nil {
					return nil, err
				}
			}
		}
	}
	return all, nil
}

// Commit commits offsets as the member that the process is. The brokers refuse them when it is none any more.
func (g *Group) Commit(ctx context.Context, offsets map[schemas.Topic]map[int32]Committed) error {
	cl, err := g.joined()
	if err != nil {
		return err
	}
	member, generation := cl.GroupMetadata()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = g.id, member, generation
	for topic, partitions := range offsets {
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic = topic.Name(g.prefix)
		for partition, c := range partitions {
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.Metadata = partition, c.Next, kmsg.StringPtr(c.Metadata)
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("commit offsets of the group %s: %w", g.id, err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("commit the offset of %s/%d of the group %s: %w", t.Topic, p.Partition, g.id, err)
			}
		}
	}
	return nil
}

// Leased reports whether the process was heard by the group within the session timeout: until then no other has its partitions. A
// process that was suspended is not leased when it continues.
func (g *Group) Leased(now time.Time) bool {
	heard := g.heard.Load()
	return heard != nil && now.Sub(*heard) < g.session
}

func (g *Group) joined() (*kgo.Client, error) {
	if cl := g.client.Load(); cl != nil {
		return cl, nil
	}
	return nil, fmt.Errorf("the process is not in the group %s", g.id)
}

func (g *Group) topicOf(name string) (schemas.Topic, bool) {
	for _, topic := range Topics() {
		if topic.Name(g.prefix) == name {
			return topic, true
		}
	}
	return 0, false
}

// lease notes when the coordinator answered. It is a hook of the client.
type lease struct{ g *Group }

// OnBrokerE2E is as kgo.HookBrokerE2E has it. The lease begins when the request was written.
func (l lease) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	const join, heartbeat, sync = 11, 12, 14
	if e2e.Err() == nil && (key == join || key == heartbeat || key == sync) {
		at := l.g.now().Add(-e2e.TimeToRead - e2e.ReadWait - e2e.TimeToWrite)
		l.g.heard.Store(&at)
	}
}
