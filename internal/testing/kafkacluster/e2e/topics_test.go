package e2e

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// After `topics create`, Kafka's topics have the configured settings.
func TestCreatedTopicsAreAsConfigured(t *testing.T) {
	c := cluster(t)
	s := newStage(t, c.Addrs(), 3, 2, "topics.raw.retention: 3d", "topics.events.retention: 5d", "topics.dlq.retention: 6d",
		"topics.rerouted.retention: 7h", "topics.contacts.tombstone_retention: 9d", "topics.state.tombstone_retention: 2d",
		"topics.max_message_bytes: 18MiB", "topics.segment_bytes: 64MiB")
	s.must("topics", "create")
	adm, err := c.Admin()
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	for _, topic := range schemas.Topics() {
		name := topic.Name(s.prefix)
		want := map[string]string{
			"min.insync.replicas": "2", "max.message.bytes": "18874368", "segment.bytes": "67108864",
			"cleanup.policy": "delete", "retention.ms": "432000000",
		}
		switch topic {
		case schemas.TopicRawLive, schemas.TopicRawBulk:
			want["retention.ms"] = "259200000"
		case schemas.TopicDLQ:
			want["retention.ms"] = "518400000"
		case schemas.TopicRerouted:
			want["retention.ms"] = "25200000"
		case schemas.TopicContacts:
			want["cleanup.policy"], want["retention.ms"], want["delete.retention.ms"] = "compact", "-1", "777600000"
		case schemas.TopicState, schemas.TopicSyncs:
			want["cleanup.policy"], want["retention.ms"], want["delete.retention.ms"] = "compact", "-1", "172800000"
		}
		have := configs(t, adm, name)
		for key, value := range want {
			if have[key] != value {
				t.Errorf("%s: %s is %s, want %s", name, key, have[key], value)
			}
		}
	}
	topics, err := adm.ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range schemas.Topics() {
		d := topics[topic.Name(s.prefix)]
		if len(d.Partitions) != partitions || d.Partitions.NumReplicas() != 3 {
			t.Errorf("%s: %d partitions, %d replicas", topic, len(d.Partitions), d.Partitions.NumReplicas())
		}
	}
}

func configs(t *testing.T, adm *kadm.Client, topic string) map[string]string {
	t.Helper()
	var rc kadm.ResourceConfig
	known(t, func() error {
		described, err := adm.DescribeTopicConfigs(t.Context(), topic)
		if err == nil {
			rc, err = described.On(topic, nil)
		}
		if err == nil {
			err = rc.Err
		}
		return err
	})
	m := map[string]string{}
	for _, c := range rc.Configs {
		m[c.Key] = c.MaybeValue()
	}
	return m
}

// known does something with a topic, again until the broker that is asked has heard of the topic.
func known(t *testing.T, do func() error) {
	t.Helper()
	until(t, "the broker knows the topic", func() bool {
		err := do()
		if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// Each way in which a topic can differ is brought about on the cluster, and each is named, and nothing else.
func TestVerifyNamesEveryDifference(t *testing.T) {
	c := cluster(t)
	s := newStage(t, c.Addrs(), 3, 2)
	s.must("topics", "create")
	if diffs, code := s.verify(); code != 0 || len(diffs) > 0 {
		t.Fatalf("exit code %d, %v", code, diffs)
	}
	adm, err := c.Admin()
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()

	history, contacts, gone := schemas.TopicHistory.Name(s.prefix), schemas.TopicContacts.Name(s.prefix), schemas.TopicOther.Name(s.prefix)
	var want []kafka.Difference
	alter := func(topic, key, value string) {
		t.Helper()
		want = append(want, kafka.Difference{Topic: topic, What: key, Want: configs(t, adm, topic)[key], Have: value})
		known(t, func() error {
			done, err := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, topic)
			if err == nil {
				_, err = done.On(topic, func(r *kadm.AlterConfigsResponse) error { return r.Err })
			}
			return err
		})
	}
	for _, d := range [][2]string{
		{"cleanup.policy", "compact,delete"}, {"compression.type", "gzip"}, {"max.message.bytes", "1048588"},
		{"message.timestamp.type", "LogAppendTime"}, {"min.insync.replicas", "1"}, {"retention.bytes", "1073741824"},
		{"retention.ms", "3600000"}, {"segment.bytes", "16777216"}, {"segment.ms", "7200000"},
	} {
		alter(history, d[0], d[1])
	}
	for _, d := range [][2]string{{"cleanup.policy", "delete"}, {"delete.retention.ms", "60000"}, {"retention.ms", "60000"}} {
		alter(contacts, d[0], d[1])
	}
	if _, err := adm.CreatePartitions(t.Context(), 1, schemas.TopicMedia.Name(s.prefix)); err != nil {
		t.Fatal(err)
	}
	want = append(want, kafka.Difference{Topic: schemas.TopicMedia.Name(s.prefix), What: "partitions", Want: "6", Have: "7"})
	fewer := kadm.AlterPartitionAssignmentsReq{}
	fewer.Assign(schemas.TopicDLQ.Name(s.prefix), 4, []int32{1, 2})
	altered, err := adm.AlterPartitionAssignments(t.Context(), fewer)
	if err == nil {
		err = altered.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, kafka.Difference{Topic: schemas.TopicDLQ.Name(s.prefix) + "/4", What: "replication_factor", Want: "3", Have: "2"})
	if _, err := adm.DeleteTopic(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	want = append(want, kafka.Difference{Topic: gone, What: "topic", Want: "present", Have: "missing"})

	// Brokers learn of all this a moment later.
	order := func(a, b kafka.Difference) int { return strings.Compare(a.String(), b.String()) }
	slices.SortFunc(want, order)
	var have []kafka.Difference
	defer func() {
		if t.Failed() {
			t.Logf("have %v\nwant %v", have, want)
		}
	}()
	until(t, "exactly these differences are told", func() bool {
		var code int
		have, code = s.verify()
		slices.SortFunc(have, order)
		return code == 3 && slices.Equal(have, want)
	})
	until(t, "it is said to people too", func() bool {
		out, _, _ := s.run("topics", "verify")
		return strings.Contains(out, history+": min.insync.replicas is 1, want 2\n")
	})

	// An update mends what can be mended; partitions and replicas are left for somebody to look at.
	s.refuse(1, "exists with 7 partitions, want 6", "topics", "create", "--update")
	if _, err := adm.DeleteTopic(t.Context(), schemas.TopicMedia.Name(s.prefix)); err != nil {
		t.Fatal(err)
	}
	for _, broker := range c.Addrs() { // any of them may be asked next
		until(t, "the topic with too many partitions is gone", func() bool {
			have, _ := s.verify("--brokers", broker)
			return slices.Contains(have, kafka.Difference{Topic: schemas.TopicMedia.Name(s.prefix), What: "topic", Want: "present", Have: "missing"})
		})
	}
	s.must("topics", "create", "--update")
	until(t, "the replicas are all that is left", func() bool {
		have, _ = s.verify()
		return len(have) == 1 && have[0].What == "replication_factor"
	})
}

// verify runs `topics verify`.
func (s *stage) verify(flags ...string) ([]kafka.Difference, int) {
	s.t.Helper()
	out, errs, code := s.run(append([]string{"topics", "verify", "--output", "json"}, flags...)...)
	var diffs []kafka.Difference
	if err := json.Unmarshal([]byte(out), &diffs); err != nil {
		s.t.Fatalf("topics verify: exit code %d: %v\n%s%s", code, err, out, errs)
	}
	return diffs, code
}

// refuse runs a command that has to fail with a message.
func (s *stage) refuse(wantCode int, wantText string, args ...string) {
	s.t.Helper()
	out, errs, code := s.run(args...)
	if code != wantCode || !strings.Contains(errs, wantText) {
		s.t.Errorf("%s: exit code %d, want %d with %q\n%s%s", strings.Join(args, " "), code, wantCode, wantText, out, errs)
	}
}
