package kafkacluster

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestClusterServesABrokerComesBackAndLeadersMove(t *testing.T) {
	Gate(t)
	began := time.Now()
	c := Test(t, Config{Brokers: 3, Clients: []string{"INGRESS"}})
	t.Logf("three brokers after %s", time.Since(began).Round(time.Millisecond))
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.AddrsOf("INGRESS")...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(t.Context(), 4, 3, nil, "t"); err != nil {
		t.Fatal(err)
	}
	for i, end := range []func() error{c.Broker(0).Kill, c.Broker(1).Stop} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if pid := c.Broker(i).PID(); pid != 0 {
			t.Errorf("broker %d has still process %d", i, pid)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte{byte(i)}}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		if err := c.Broker(i).Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("broker %d is back after %s", i, time.Since(began).Round(time.Millisecond))
	}
	topics, err := adm.ListTopics(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range topics["t"].Partitions {
		slices.Sort(p.Replicas)
		if !slices.Equal(p.Replicas, []int32{0, 1, 2}) {
			t.Errorf("replicas %v", p.Replicas)
		}
	}
	if err := c.AwaitInSync(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	leaders := func() map[int32]int32 {
		topics, err := adm.ListTopics(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		m := map[int32]int32{}
		for _, p := range topics["t"].Partitions {
			m[p.Partition] = p.Leader
		}
		return m
	}
	before := leaders()
	if moved, err := c.MoveLeaders(t.Context(), "t"); err != nil || moved < len(before) {
		t.Errorf("%d leaders moved, err %v", moved, err)
	}
	// Brokers learn of it a moment later.
	for began = time.Now(); ; time.Sleep(20 * time.Millisecond) {
		stay := 0
		for p, leader := range leaders() {
			if leader == before[p] {
				stay++
			}
		}
		if stay == 0 {
			break
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%d of %d partitions are still led by who led them", stay, len(before))
		}
	}
}
