package kafkacluster

import (
	"context"
	"errors"
	"os"

	"github.com/coexstream/coexstream/internal/testing/required"
)

// TB is what Test needs of a test or a benchmark.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Cleanup(func())
	Context() context.Context
}

// gateName is the variable that opens the gate.
const gateName = "COEXSTREAM_TEST_KAFKA"

// Gate keeps Kafka out of the ordinary test run: it skips the test unless it is asked for.
func Gate(t TB) {
	t.Helper()
	if os.Getenv(gateName) == "" {
		t.Skipf("SKIP: it needs Apache Kafka; run make test-kafka, or set %s=1", gateName)
	}
}

// Test starts a cluster that ends with the test, and leaves the test out where Kafka cannot be had.
func Test(t TB, cfg Config) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), cfg)
	if errors.Is(err, ErrUnavailable) {
		required.LeaveOut(t, err)
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("%v", err)
		}
	})
	return c
}
