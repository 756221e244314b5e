package kafkacluster

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// gate keeps Kafka out of the ordinary test run.
func gate(t *testing.T) {
	t.Helper()
	if os.Getenv("COEXSTREAM_TEST_KAFKA") == "" {
		t.Skip("SKIP: it needs Apache Kafka; run make test-kafka")
	}
}

func TestClusterServesAndABrokerComesBack(t *testing.T) {
	gate(t)
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
}

func TestSecureListenerTakesItsUser(t *testing.T) {
	gate(t)
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-512"} {
		c := Test(t, Config{Brokers: 1, Secure: &Secure{TLS: true, ClientAuth: true, Mechanism: mechanism, User: "coex", Password: "pass-word"}})
		if _, err := os.Stat(c.Certificates().ClientKey); err != nil {
			t.Error(err)
		}
		if len(c.SecureAddrs()) != 1 {
			t.Errorf("%v", c.SecureAddrs())
		}
	}
}
