package sinks

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// Committed returns the committed offsets of partitions, of all topics, for targets that keep no positions.
func (g *Group) Committed(ctx context.Context, partitions []int32) (map[schemas.Topic]map[int32]Committed, error) {
	cl, ids, err := g.joined(ctx)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	group := kmsg.NewOffsetFetchRequestGroup()
	req.Group, group.Group = g.id, g.id
	for topic, id := range ids {
		t := kmsg.NewOffsetFetchRequestTopic()
		t.Topic, t.Partitions = topic.Name(g.prefix), partitions
		req.Topics = append(req.Topics, t)
		gt := kmsg.NewOffsetFetchRequestGroupTopic()
		gt.Topic, gt.TopicID, gt.Partitions = t.Topic, id, partitions
		group.Topics = append(group.Topics, gt)
	}
	req.Groups = append(req.Groups, group)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, fmt.Errorf("fetch the offsets of the group %s: %w", g.id, err)
	}
	all := map[schemas.Topic]map[int32]Committed{}
	take := func(name string, id [16]byte, partition int32, offset int64, metadata *string, code int16) error {
		topic, ok := g.topicOf(ids, name, id)
		if !ok {
			return nil
		}
		if err := kerr.ErrorForCode(code); err != nil {
			return fmt.Errorf("fetch the offset of %s/%d of the group %s: %w", topic, partition, g.id, err)
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
	errs := []error{kerr.ErrorForCode(resp.ErrorCode)}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			errs = append(errs, take(t.Topic, [16]byte{}, p.Partition, p.Offset, p.Metadata, p.ErrorCode))
		}
	}
	for _, gr := range resp.Groups {
		errs = append(errs, kerr.ErrorForCode(gr.ErrorCode))
		for _, t := range gr.Topics {
			for _, p := range t.Partitions {
				errs = append(errs, take(t.Topic, t.TopicID, p.Partition, p.Offset, p.Metadata, p.ErrorCode))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("fetch the offsets of the group %s: %w", g.id, err)
	}
	// An offset that the brokers leave out must not be taken for one that was never committed.
	for topic := range ids {
		for _, p := range partitions {
			if _, ok := all[topic][p]; !ok {
				return nil, fmt.Errorf("fetch the offsets of the group %s: the offset of %s/%d is missing in the answer", g.id, topic, p)
			}
		}
	}
	return all, nil
}

// Commit commits offsets as the member that the process is. The brokers refuse them when it is none any more.
func (g *Group) Commit(ctx context.Context, offsets map[schemas.Topic]map[int32]Committed) error {
	cl, ids, err := g.joined(ctx)
	if err != nil {
		return err
	}
	member, generation := cl.GroupMetadata()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = g.id, member, generation
	for topic, partitions := range offsets {
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic, t.TopicID = topic.Name(g.prefix), ids[topic]
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
	answered := 0
	for _, t := range resp.Topics {
		topic, _ := g.topicOf(ids, t.Topic, t.TopicID)
		for _, p := range t.Partitions {
			answered++
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("commit the offset of %s/%d of the group %s: %w", topic, p.Partition, g.id, err)
			}
		}
	}
	for _, partitions := range offsets {
		answered -= len(partitions)
	}
	if answered != 0 {
		return fmt.Errorf("commit offsets of the group %s: the brokers did not answer for all of them", g.id)
	}
	return nil
}

// Leased reports whether the process was heard by the group within the session timeout: until then no other has its partitions. A
// process that was suspended is not leased when it continues.
func (g *Group) Leased(now time.Time) bool {
	heard := g.heard.Load()
	return heard != nil && now.Sub(*heard) < g.session
}

// joined returns the client, and the ids of the topics: newer brokers know them by these alone.
func (g *Group) joined(ctx context.Context) (*kgo.Client, map[schemas.Topic][16]byte, error) {
	cl := g.client.Load()
	if cl == nil {
		return nil, nil, fmt.Errorf("the process is not in the group %s", g.id)
	}
	req := kmsg.NewPtrMetadataRequest()
	for _, topic := range g.topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(topic.Name(g.prefix))
		req.Topics = append(req.Topics, t)
	}
	resp, err := cl.RequestCachedMetadata(ctx, req, 10*time.Second)
	if err != nil {
		return nil, nil, fmt.Errorf("look up the topics: %w", err)
	}
	ids, missing := map[schemas.Topic][16]byte{}, 0
	for _, t := range resp.Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		if t.Topic != nil && (errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.TopicAuthorizationFailed)) && g.mayMiss(*t.Topic) {
			missing++
			continue
		}
		if err != nil || t.Topic == nil {
			return nil, nil, fmt.Errorf("look up a topic: %w", err)
		}
		if topic, ok := g.topicOf(nil, *t.Topic, t.TopicID); ok {
			ids[topic] = t.TopicID
		}
	}
	if len(ids)+missing < len(g.topics) {
		return nil, nil, fmt.Errorf("look up the topics: the brokers know %d of %d", len(ids), len(g.topics))
	}
	return cl, ids, nil
}

// mayMiss reports whether a topic may be missing.
func (g *Group) mayMiss(name string) bool {
	return slices.ContainsFunc(g.optional, func(topic schemas.Topic) bool { return topic.Name(g.prefix) == name })
}

// topicOf finds a topic by its name, or by its id where a response has no name.
func (g *Group) topicOf(ids map[schemas.Topic][16]byte, name string, id [16]byte) (schemas.Topic, bool) {
	for _, topic := range g.topics {
		if name != "" && topic.Name(g.prefix) == name || name == "" && ids[topic] == id {
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
