package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	kafkago "github.com/segmentio/kafka-go"
)

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

// Verify compares the cluster with the layout. The log of the desk is compared if it is there.
func (a *Admin) Verify(ctx context.Context, l Layout) ([]Difference, error) {
	have, err := a.metadata(ctx)
	if err != nil {
		return nil, err
	}
	specs := l.Specs()
	if desk := l.Desk(); len(have[desk.Name].Partitions) > 0 {
		specs = append(specs, desk)
	}
	var existing []TopicSpec
	for _, s := range specs {
		if _, ok := have[s.Name]; ok {
			existing = append(existing, s)
		}
	}
	configs, err := a.configs(ctx, existing)
	if err != nil {
		return nil, err
	}
	var diffs []Difference
	for _, s := range specs {
		config, ok := configs[s.Name]
		if !ok {
			diffs = append(diffs, Difference{s.Name, "topic", "present", "missing"})
			continue
		}
		t := have[s.Name]
		if n := len(t.Partitions); n != s.Partitions {
			diffs = append(diffs, Difference{s.Name, "partitions", fmt.Sprint(s.Partitions), fmt.Sprint(n)})
		}
		for _, p := range t.Partitions {
			if n := len(p.Replicas); n != s.ReplicationFactor {
				diffs = append(diffs, Difference{fmt.Sprintf("%s/%d", s.Name, p.ID), "replication_factor", fmt.Sprint(s.ReplicationFactor), fmt.Sprint(n)})
			}
		}
		for _, key := range sorted(s.Config) {
			if got := config[key]; got != s.Config[key] {
				diffs = append(diffs, Difference{s.Name, key, s.Config[key], got})
			}
		}
	}
	return diffs, nil
}

// Apply sets the configurations of existing topics as in the layout, and returns the changes.
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

// configs leaves out a topic that the broker asked does not know, or no longer.
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
		if errors.Is(r.Error, kafkago.UnknownTopicOrPartition) {
			continue
		}
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

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
