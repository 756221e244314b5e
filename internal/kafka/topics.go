package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sort"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
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

// Difference is one point in which a topic is not as the layout has it.
type Difference struct {
	Topic string `json:"topic"`
	What  string `json:"what"` // "topic", "partitions", "replication_factor", or the name of a configuration
	Want  string `json:"want"`
	Have  string `json:"have"`
}

// String names the topic, the point, and both sides.
func (d Difference) String() string {
	return fmt.Sprintf("%s: %s is %s, want %s", d.Topic, d.What, d.Have, d.Want)
}

// Verify compares the cluster with the layout.
func (a *Admin) Verify(ctx context.Context, l Layout) ([]Difference, error) {
	have, err := a.metadata(ctx)
	if err != nil {
		return nil, err
	}
	var diffs []Difference
	var existing []TopicSpec
	for _, s := range l.Specs() {
		t, ok := have[s.Name]
		if !ok {
			diffs = append(diffs, Difference{s.Name, "topic", "present", "missing"})
			continue
		}
		existing = append(existing, s)
		if n := len(t.Partitions); n != s.Partitions {
			diffs = append(diffs, Difference{s.Name, "partitions", fmt.Sprint(s.Partitions), fmt.Sprint(n)})
		}
		for _, p := range t.Partitions {
			if n := len(p.Replicas); n != s.ReplicationFactor {
				diffs = append(diffs, Difference{fmt.Sprintf("%s/%d", s.Name, p.ID), "replication_factor", fmt.Sprint(s.ReplicationFactor), fmt.Sprint(n)})
			}
		}
	}
	configs, err := a.configs(ctx, existing)
	if err != nil {
		return nil, err
	}
	for _, s := range existing {
		for _, key := range sorted(s.Config) {
			if got := configs[s.Name][key]; got != s.Config[key] {
				diffs = append(diffs, Difference{s.Name, key, s.Config[key], got})
			}
		}
	}
	return diffs, nil
}

// Apply sets the configurations of existing topics to what the layout says, and tells what it changed.
// Partitions and replication are never touched.
func (a *Admin) Apply(ctx context.Context, l Layout) ([]Difference, error) {
	diffs, err := a.Verify(ctx, l)
	if err != nil {
		return nil, err
	}
	req := &kafkago.IncrementalAlterConfigsRequest{Addr: a.address}
	var applied []Difference
	for _, d := range diffs {
		if d.What == "topic" || d.What == "partitions" || d.What == "replication_factor" {
			continue
		}
		applied = append(applied, d)
		i := slices.IndexFunc(req.Resources, func(r kafkago.IncrementalAlterConfigsRequestResource) bool { return r.ResourceName == d.Topic })
		if i < 0 {
			i = len(req.Resources)
			req.Resources = append(req.Resources, kafkago.IncrementalAlterConfigsRequestResource{ResourceType: kafkago.ResourceTypeTopic, ResourceName: d.Topic})
		}
		req.Resources[i].Configs = append(req.Resources[i].Configs, kafkago.IncrementalAlterConfigsRequestConfig{
			Name: d.What, Value: d.Want, ConfigOperation: kafkago.ConfigOperationSet,
		})
	}
	if len(applied) == 0 {
		return nil, nil
	}
	resp, err := a.client.IncrementalAlterConfigs(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("change configuration of %d topics: %w", len(req.Resources), err)
	}
	for _, r := range resp.Resources {
		if r.Error != nil {
			err = errors.Join(err, fmt.Errorf("change configuration of topic %s: %w", r.ResourceName, r.Error))
		}
	}
	return applied, err
}

// TopicState describes a topic of the layout as it is.
type TopicState struct {
	Name       string            `json:"name"`
	Exists     bool              `json:"exists"`
	Records    int64             `json:"offsets"` // sum of (end - start); more than the records where a topic is compacted or transactional
	Bytes      int64             `json:"bytes"`   // on disk, all replicas; -1 when the cluster does not tell
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

// Describe tells sizes, offsets and configuration of all topics.
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

func (a *Admin) metadata(ctx context.Context) (map[string]kafkago.Topic, error) {
	resp, err := a.client.Metadata(ctx, &kafkago.MetadataRequest{Addr: a.address})
	if err != nil {
		return nil, fmt.Errorf("metadata from %s: %w", strings.Join(a.conn.Brokers, ","), err)
	}
	topics := make(map[string]kafkago.Topic, len(resp.Topics))
	for _, t := range resp.Topics {
		if t.Error == nil || !errors.Is(t.Error, kafkago.UnknownTopicOrPartition) {
			topics[t.Name] = t
		}
	}
	return topics, nil
}

func (a *Admin) configs(ctx context.Context, specs []TopicSpec) (map[string]map[string]string, error) {
	configs := map[string]map[string]string{}
	if len(specs) == 0 {
		return configs, nil
	}
	req := &kafkago.DescribeConfigsRequest{Addr: a.address}
	for _, s := range specs {
		req.Resources = append(req.Resources, kafkago.DescribeConfigRequestResource{
			ResourceType: kafkago.ResourceTypeTopic, ResourceName: s.Name, ConfigNames: sorted(s.Config),
		})
	}
	resp, err := a.client.DescribeConfigs(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("describe configuration of %d topics: %w", len(specs), err)
	}
	for _, r := range resp.Resources {
		if r.Error != nil {
			return nil, fmt.Errorf("describe configuration of topic %s: %w", r.ResourceName, r.Error)
		}
		configs[r.ResourceName] = map[string]string{}
		for _, e := range r.ConfigEntries {
			configs[r.ResourceName][e.ConfigName] = e.ConfigValue
		}
	}
	return configs, nil
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

func entries(config map[string]string) []kafkago.ConfigEntry {
	es := make([]kafkago.ConfigEntry, 0, len(config))
	for _, k := range sorted(config) {
		es = append(es, kafkago.ConfigEntry{ConfigName: k, ConfigValue: config[k]})
	}
	return es
}

func sorted(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
