package kafka

import (
	"context"
	"fmt"
	"sort"
	"strings"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

// TopicState describes a topic of the layout as it is.
type TopicState struct {
	Name       string            `json:"name"`
	Exists     bool              `json:"exists"`
	Records    int64             `json:"offsets"` // sum of (end - start); more than the records where a topic is compacted or transactional
	Bytes      int64             `json:"bytes"`   // on disk, all replicas; -1: the cluster does not report it
	Partitions []PartitionState  `json:"partitions,omitempty"`
	Config     map[string]string `json:"config,omitempty"`
}

// PartitionState describes a partition.
type PartitionState struct {
	ID       int   `json:"id"`
	Leader   int   `json:"leader"`
	Replicas int   `json:"replicas"`
	InSync   int   `json:"in_sync"`
	Start    int64 `json:"start"`
	End      int64 `json:"end"`
	Bytes    int64 `json:"bytes"`
}

// Describe returns sizes, offsets and configuration of all topics.
func (a *Admin) Describe(ctx context.Context, l Layout) ([]TopicState, error) {
	have, err := a.metadata(ctx)
	if err != nil {
		return nil, err
	}
	var existing []TopicSpec
	for _, s := range l.Specs() {
		if _, ok := have[s.Name]; ok {
			existing = append(existing, s)
		}
	}
	starts, err := a.offsets(ctx, have, existing, kafkago.FirstOffset)
	if err != nil {
		return nil, err
	}
	ends, err := a.offsets(ctx, have, existing, kafkago.LastOffset)
	if err != nil {
		return nil, err
	}
	configs, err := a.configs(ctx, existing)
	if err != nil {
		return nil, err
	}
	sizes, err := a.sizes(ctx)
	if err != nil {
		return nil, err
	}
	states := make([]TopicState, 0, len(schemas.Topics()))
	for _, s := range l.Specs() {
		t, ok := have[s.Name]
		st := TopicState{Name: s.Name, Exists: ok, Config: configs[s.Name]}
		sort.Slice(t.Partitions, func(i, j int) bool { return t.Partitions[i].ID < t.Partitions[j].ID })
		for _, p := range t.Partitions {
			at := place{s.Name, p.ID}
			ps := PartitionState{
				ID: p.ID, Leader: p.Leader.ID, Replicas: len(p.Replicas), InSync: len(p.Isr),
				Start: starts[at], End: ends[at], Bytes: sizes[at],
			}
			st.Records += ps.End - ps.Start
			st.Bytes += ps.Bytes
			st.Partitions = append(st.Partitions, ps)
		}
		states = append(states, st)
	}
	return states, nil
}

type place struct {
	topic     string
	partition int
}

// offsets asks for one end of every partition; kafka-go cannot ask for both ends in one request.
func (a *Admin) offsets(ctx context.Context, have map[string]kafkago.Topic, specs []TopicSpec, which int64) (map[place]int64, error) {
	offsets := map[place]int64{}
	req := &kafkago.ListOffsetsRequest{Addr: a.address, Topics: map[string][]kafkago.OffsetRequest{}}
	for _, s := range specs {
		for _, p := range have[s.Name].Partitions {
			req.Topics[s.Name] = append(req.Topics[s.Name], kafkago.OffsetRequest{Partition: p.ID, Timestamp: which})
		}
	}
	if len(req.Topics) == 0 {
		return offsets, nil
	}
	resp, err := a.client.ListOffsets(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("list offsets of %d topics: %w", len(req.Topics), err)
	}
	for topic, ps := range resp.Topics {
		for _, p := range ps {
			if p.Error != nil {
				return nil, fmt.Errorf("list offsets of %s/%d: %w", topic, p.Partition, p.Error)
			}
			if offsets[place{topic, p.Partition}] = p.LastOffset; which == kafkago.FirstOffset {
				offsets[place{topic, p.Partition}] = p.FirstOffset
			}
		}
	}
	return offsets, nil
}

// sizes asks franz-go: kafka-go has no DescribeLogDirs.
func (a *Admin) sizes(ctx context.Context) (map[place]int64, error) {
	cl, err := kgo.NewClient(a.conn.Franz()...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", strings.Join(a.conn.Brokers, ","), err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, a.conn.RequestTimeout)
	defer cancel()
	dirs, err := kadm.NewClient(cl).DescribeAllLogDirs(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("describe log folders: %w", err)
	}
	sizes := map[place]int64{}
	dirs.Each(func(d kadm.DescribedLogDir) {
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			sizes[place{p.Topic, int(p.Partition)}] += p.Size
		})
	})
	return sizes, nil
}
