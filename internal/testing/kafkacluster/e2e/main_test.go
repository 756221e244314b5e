// Package e2e runs the program, as a user does, on Apache Kafka: three brokers, replication factor 3,
// min.insync.replicas 2. Failures of the brokers must not show in the topics: `check` has to find nothing lost, nothing
// repeated and nothing out of order.
//
// The tests share one cluster and have topics of their own; they run one after the other. They are skipped
// unless they are asked for: make test-kafka.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/kafkacluster"
	"github.com/coexstream/coexstream/internal/testing/required"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.c != nil {
		if err := shared.c.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	if dir := shared.buildDir; dir != "" {
		_ = os.RemoveAll(dir) // no more than litter
	}
	os.Exit(code)
}

// shared is what the tests share: each is made when the first test wants it.
var shared struct {
	c        *kafkacluster.Cluster
	buildDir string
}

var startShared = sync.OnceValue(func() (err error) {
	// The context of a test ends with it.
	shared.c, err = kafkacluster.Start(context.Background(), kafkacluster.Config{Brokers: 3, MinISR: 2})
	return err
})

// cluster is the cluster of three brokers, all of them running.
func cluster(t *testing.T) *kafkacluster.Cluster {
	t.Helper()
	kafkacluster.Gate(t)
	err := startShared()
	if errors.Is(err, kafkacluster.ErrUnavailable) {
		required.LeaveOut(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range shared.c.Brokers() {
		if b := shared.c.Broker(i); b.PID() == 0 { // an earlier test failed in the middle
			if err := b.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return shared.c
}

// binary builds the program once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "coexstream-e2e-")
	if err != nil {
		return "", err
	}
	shared.buildDir = dir
	path := filepath.Join(dir, "coexstream")
	if out, err := exec.Command("go", "build", "-o", path, "../../../..").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})
