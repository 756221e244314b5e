package kafkacluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Admin is a connection for administration, without TLS and SASL, that the caller closes.
func (c *Cluster) Admin() (*kadm.Client, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		return nil, err
	}
	return kadm.NewClient(cl), nil
}

// AwaitLeaders returns when each partition of the topics whose names begin with prefix has a leader that runs.
func (c *Cluster) AwaitLeaders(ctx context.Context, prefix string) error {
	return c.await(ctx, prefix, func(p *kadm.PartitionDetail) string {
		if p.Leader < 0 || int(p.Leader) >= len(c.brokers) || c.brokers[p.Leader].PID() == 0 {
			return fmt.Sprintf("leader is %d", p.Leader)
		}
		return ""
	})
}

// AwaitInSync returns when all replicas of the topics whose names begin with prefix are in sync.
func (c *Cluster) AwaitInSync(ctx context.Context, prefix string) error {
	return c.await(ctx, prefix, func(p *kadm.PartitionDetail) string {
		if len(p.ISR) < len(p.Replicas) || p.Leader < 0 {
			return fmt.Sprintf("%d of %d replicas are in sync", len(p.ISR), len(p.Replicas))
		}
		return ""
	})
}

// await asks for the partitions until none has something wrong.
func (c *Cluster) await(ctx context.Context, prefix string, wrong func(*kadm.PartitionDetail) string) error {
	adm, err := c.Admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	for {
		found, what := 0, ""
		topics, err := adm.ListTopicsWithInternal(ctx)
		if err != nil {
			what = err.Error()
		}
		topics.EachPartition(func(p kadm.PartitionDetail) {
			if !strings.HasPrefix(p.Topic, prefix) {
				return
			}
			found++
			if w := wrong(&p); w != "" {
				what = fmt.Sprintf("%s/%d: %s", p.Topic, p.Partition, w)
			}
		})
		if found > 0 && what == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %d partitions of %s*: %s: %w", found, prefix, what, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// MoveLeaders gives every partition of the topics whose names begin with prefix, and of Kafka's own for groups and
// transactions, the next of its replicas as its leader. It returns how many moved.
func (c *Cluster) MoveLeaders(ctx context.Context, prefix string) (int, error) {
	adm, err := c.Admin()
	if err != nil {
		return 0, err
	}
	defer adm.Close()
	topics, err := adm.ListTopicsWithInternal(ctx)
	if err != nil {
		return 0, err
	}
	// The first of the replicas is the one that an election prefers.
	assign, elect := kadm.AlterPartitionAssignmentsReq{}, kadm.TopicsSet{}
	topics.EachPartition(func(p kadm.PartitionDetail) {
		if !strings.HasPrefix(p.Topic, prefix) && !topics[p.Topic].IsInternal || len(p.Replicas) < 2 {
			return
		}
		at := 0
		for i, r := range p.Replicas {
			if r == p.Leader {
				at = i
			}
		}
		next := append(append([]int32{}, p.Replicas[at+1:]...), p.Replicas[:at+1]...)
		assign.Assign(p.Topic, p.Partition, next)
		elect.Add(p.Topic, p.Partition)
	})
	altered, err := adm.AlterPartitionAssignments(ctx, assign)
	if err == nil {
		err = altered.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("change the order of replicas: %w", err)
	}
	elected, err := adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, elect)
	if err != nil {
		return 0, fmt.Errorf("elect leaders: %w", err)
	}
	moved := 0
	for _, partitions := range elected {
		for _, p := range partitions {
			if p.Err == nil {
				moved++
			}
		}
	}
	return moved, nil
}
