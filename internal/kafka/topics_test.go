package kafka

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

func testLayout() Layout {
	const day = 24 * time.Hour
	return Layout{
		Prefix: "test.", Partitions: 3, ReplicationFactor: 1, MinInsyncReplicas: 1,
		MaxMessageBytes: 20 << 20, SegmentBytes: 8 << 20,
		RawRetention: 14 * day, ReroutedRetention: day, EventsRetention: 14 * day, DLQRetention: 30 * day,
		ContactTombstones: 8 * day, StateTombstones: day,
	}
}

func cluster(t *testing.T) Connection {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return Connection{Brokers: c.ListenAddrs(), ClientID: "test", DialTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second}
}

func newAdmin(t *testing.T, conn Connection) *Admin {
	t.Helper()
	a, err := NewAdmin(conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func TestCreatedTopicsHaveNoDifference(t *testing.T) {
	a := newAdmin(t, cluster(t))
	layout := testLayout()
	diffs, err := a.Verify(t.Context(), layout)
	if err != nil || len(diffs) != len(schemas.Topics()) {
		t.Fatalf("before: %d differences, err %v; want one for each missing topic", len(diffs), err)
	}
	created, err := a.Create(t.Context(), layout)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range created {
		if !c.New {
			t.Errorf("%s was there already", c.Name)
		}
	}
	if diffs, err = a.Verify(t.Context(), layout); err != nil || len(diffs) > 0 {
		t.Errorf("after: %v, err %v", diffs, err)
	}
}

func TestCreateAgainChangesNothing(t *testing.T) {
	a := newAdmin(t, cluster(t))
	layout := testLayout()
	if _, err := a.Create(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	other := layout
	other.RawRetention = time.Hour
	created, err := a.Create(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(created, func(c Created) bool { return c.New }) {
		t.Errorf("created again: %v", created)
	}
	if diffs, err := a.Verify(t.Context(), layout); err != nil || len(diffs) > 0 {
		t.Errorf("%v, err %v", diffs, err)
	}
}

// The order of the businesses in the partitions would break.
func TestPartitionsAreNeverChanged(t *testing.T) {
	a := newAdmin(t, cluster(t))
	layout := testLayout()
	if _, err := a.Create(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	layout.Partitions = 6
	if _, err := a.Create(t.Context(), layout); err == nil || !strings.Contains(err.Error(), "exists with 3 partitions, want 6") {
		t.Errorf("%v", err)
	}
	diffs, err := a.Verify(t.Context(), layout)
	if err != nil || len(diffs) != len(schemas.Topics()) {
		t.Fatalf("%d differences, err %v", len(diffs), err)
	}
	if d := diffs[0]; d.What != "partitions" || d.Want != "6" || d.Have != "3" {
		t.Errorf("difference: %s", d)
	}
	applied, err := a.Apply(t.Context(), layout)
	if err != nil || len(applied) != 0 {
		t.Errorf("applied %v, err %v", applied, err)
	}
}

func TestVerifyNamesEveryDifferenceAndApplyRemovesIt(t *testing.T) {
	a := newAdmin(t, cluster(t))
	layout := testLayout()
	if _, err := a.Create(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	layout.RawRetention = 15 * 24 * time.Hour
	layout.ContactTombstones = 9 * 24 * time.Hour
	want := []Difference{
		{"test.raw.live", "retention.ms", "1296000000", "1209600000"},
		{"test.raw.bulk", "retention.ms", "1296000000", "1209600000"},
		{"test.contacts", "delete.retention.ms", "777600000", "691200000"},
	}
	diffs, err := a.Verify(t.Context(), layout)
	if err != nil || !slices.Equal(diffs, want) {
		t.Errorf("differences: %v, err %v\nwant %v", diffs, err, want)
	}
	applied, err := a.Apply(t.Context(), layout)
	if err != nil || !slices.Equal(applied, want) {
		t.Errorf("applied %v, err %v", applied, err)
	}
	if diffs, err = a.Verify(t.Context(), layout); err != nil || len(diffs) > 0 {
		t.Errorf("after: %v, err %v", diffs, err)
	}
}

// The desk's log keeps all entries. A topic that somebody made with other settings is a difference, and none where there is no desk.
func TestVerifyComparesTheLogOfTheDesk(t *testing.T) {
	a := newAdmin(t, cluster(t))
	layout := testLayout()
	if _, err := a.Create(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	name := layout.Desk().Name
	resp, err := a.client.CreateTopics(t.Context(), &kafkago.CreateTopicsRequest{Addr: a.address, Topics: []kafkago.TopicConfig{{
		Topic: name, NumPartitions: 1, ReplicationFactor: layout.ReplicationFactor, ConfigEntries: entries(map[string]string{"retention.ms": "604800000"}),
	}}})
	if err := errors.Join(err, resp.Errors[name]); err != nil {
		t.Fatal(err)
	}
	if c, err := a.CreateDesk(t.Context(), layout); err != nil || c.New || c.Name != name { // it is there
		t.Fatal(c, err)
	}
	want := Difference{name, "retention.ms", "-1", "604800000"}
	diffs, err := a.Verify(t.Context(), layout)
	if err != nil || !slices.Contains(diffs, want) {
		t.Errorf("differences: %v, err %v\nwant %v", diffs, err, want)
	}
	if _, err := a.Apply(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	if diffs, err = a.Verify(t.Context(), layout); err != nil || len(diffs) > 0 {
		t.Errorf("after: %v, err %v", diffs, err)
	}
}

func TestTheDeskCreatesItsLogWithoutDifferences(t *testing.T) {
	a := newAdmin(t, cluster(t))
	layout := testLayout()
	if _, err := a.Create(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	if c, err := a.CreateDesk(t.Context(), layout); err != nil || !c.New {
		t.Fatal(c, err)
	}
	if diffs, err := a.Verify(t.Context(), layout); err != nil || len(diffs) > 0 {
		t.Errorf("%v, err %v", diffs, err)
	}
}

func TestMissingTopicIsADifference(t *testing.T) {
	conn := cluster(t)
	a := newAdmin(t, conn)
	layout := testLayout()
	if _, err := a.Create(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	if _, err := a.client.DeleteTopics(t.Context(), &kafkago.DeleteTopicsRequest{Topics: []string{"test.dlq"}}); err != nil {
		t.Fatal(err)
	}
	// kafka-go answers metadata from a cache of its connection.
	diffs, err := newAdmin(t, conn).Verify(t.Context(), layout)
	if err != nil || !slices.Equal(diffs, []Difference{{"test.dlq", "topic", "present", "missing"}}) {
		t.Errorf("%v, err %v", diffs, err)
	}
}

// Retention must be explicit on every topic, and nothing may expire from a compacted one.
func TestEveryTopicSaysHowLongItIsKept(t *testing.T) {
	layout := testLayout()
	for _, s := range layout.Specs() {
		if s.Partitions != layout.Partitions {
			t.Errorf("%s has %d partitions", s.Name, s.Partitions)
		}
		policy, retention := s.Config["cleanup.policy"], s.Config["retention.ms"]
		if s.Topic.Compacted() != (policy == "compact") || s.Topic.Compacted() != (retention == "-1") || retention == "" {
			t.Errorf("%s: cleanup.policy %q, retention.ms %q", s.Name, policy, retention)
		}
		if s.Topic.Compacted() && s.Config["delete.retention.ms"] == "" {
			t.Errorf("%s does not say how long tombstones are kept", s.Name)
		}
	}
}

func TestDescribeTellsOffsetsAndSizes(t *testing.T) {
	conn := cluster(t)
	a := newAdmin(t, conn)
	layout := testLayout()
	if _, err := a.Create(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	produce(t, conn, "test.raw.live", 1, 5)
	states, err := a.Describe(t.Context(), layout)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(states, func(s TopicState) bool { return s.Name == "test.raw.live" })
	if i < 0 || len(states) != len(schemas.Topics()) {
		t.Fatalf("%d topics are described", len(states))
	}
	s := states[i]
	if !s.Exists || s.Records != 5 || s.Bytes <= 0 || len(s.Partitions) != 3 {
		t.Errorf("%+v", s)
	}
	if p := s.Partitions[1]; p.ID != 1 || p.Start != 0 || p.End != 5 || p.Replicas != 1 || p.InSync != 1 {
		t.Errorf("%+v", p)
	}
	if s.Config["retention.ms"] != "1209600000" {
		t.Errorf("configuration: %v", s.Config)
	}
}

func TestUnreachableClusterIsNamed(t *testing.T) {
	a := newAdmin(t, Connection{Brokers: []string{"127.0.0.1:1"}, DialTimeout: time.Second, RequestTimeout: time.Second})
	if _, err := a.Verify(t.Context(), testLayout()); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("%v", err)
	}
}

func produce(t *testing.T, conn Connection, topic string, partition int32, n int) {
	t.Helper()
	cl, err := kgo.NewClient(append(conn.Franz(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range n {
		r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte{byte(i)}}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTooManyReplicasForTheClusterAreOneErrorThatNamesTheKey(t *testing.T) {
	layout := testLayout()
	layout.ReplicationFactor = 3
	_, err := newAdmin(t, cluster(t)).Create(t.Context(), layout)
	if err == nil {
		t.Fatal("topics with three replicas were created on one broker")
	}
	for _, want := range []string{"create 14 topics", "kafka.replication_factor: 3 is not allowed; allowed: at most the number of brokers (1)", "kafka.min_insync_replicas"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %v", err)
	}
}

func TestRefusedTopicsAreListedByTheirReasons(t *testing.T) {
	err := refusedTopics(map[string]error{
		"a": kafkago.TopicAuthorizationFailed, "b": nil, "c": kafkago.TopicAlreadyExists, "d": kafkago.InvalidConfiguration, "e": kafkago.TopicAuthorizationFailed,
	}, testLayout(), 3)
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "create 2 topics, a to e: ") || !strings.HasPrefix(lines[1], "create topic d: ") {
		t.Errorf("%q", lines)
	}
	if err := refusedTopics(map[string]error{"b": nil, "c": kafkago.TopicAlreadyExists}, testLayout(), 3); err != nil {
		t.Errorf("nothing was refused: %v", err)
	}
}
