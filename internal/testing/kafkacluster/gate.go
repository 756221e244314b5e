package kafkacluster

import (
	"context"
	"os"

	"github.com/coexstream/coexstream/internal/testing/required"
)

// gateName is the variable that opens the gate.
const gateName = "COEXSTREAM_TEST_KAFKA"

// Gate keeps Kafka out of the ordinary test run: it skips the test unless the variable is set.
func Gate(t required.TB) {
	t.Helper()
	if os.Getenv(gateName) == "" {
		t.Skipf("SKIP: it needs Apache Kafka; run make test-kafka, or set %s=1", gateName)
	}
}

// Test starts a cluster that ends with the test. It leaves the test out if Kafka is not available.
func Test(t required.Test, cfg Config) *Cluster {
	t.Helper()
	return required.Service(t, ErrUnavailable, func(ctx context.Context) (*Cluster, error) { return Start(ctx, cfg) })
}
