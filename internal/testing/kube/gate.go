package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/required"
)

const (
	// gateName is the variable that lets these tests run.
	gateName = "COEXSTREAM_TEST_KUBE"
	// insideName is the variable by which the test binary finds its programs in the namespaces of the node.
	insideName = "COEXSTREAM_TEST_KUBE_PROGRAMS"
)

// errUnavailable is the reason why no node runs here.
var errUnavailable = errors.New("it needs a Kubernetes node; run make test-kube, or set " + gateName + "=1")

// running is the node of this test binary. The error says why there is none.
var running struct {
	node *Node
	err  error
}

// Main runs the tests of a package beside a node, and returns the exit code. Without the variable COEXSTREAM_TEST_KUBE it starts no node.
func Main(m *testing.M) int {
	if os.Getenv(gateName) == "" {
		running.err = errUnavailable
		return m.Run()
	}
	if inside := os.Getenv(insideName); inside != "" {
		return runInside(m, inside)
	}
	p, err := prepare(context.Background())
	if err != nil {
		running.err = err
		return m.Run()
	}
	code, err := enter(p)
	if err != nil {
		running.err = err
		return m.Run()
	}
	return code
}

// Test returns the node. It leaves the test out where there is none.
func Test(t testing.TB) *Node {
	t.Helper()
	switch {
	case errors.Is(running.err, errUnavailable):
		t.Skipf("SKIP: %v", running.err)
	case running.err != nil:
		required.LeaveOut(t, running.err)
	}
	return running.node
}

// installing is a test to the functions that install programs. It ends its goroutine where they end a test.
type installing struct {
	ctx context.Context //nolint:containedctx // a test has one, too
	err error
}

func (*installing) Helper()                    {}
func (i *installing) Context() context.Context { return i.ctx }
func (i *installing) Skipf(format string, args ...any) {
	i.err = fmt.Errorf(format, args...)
	runtime.Goexit()
}
func (i *installing) Fatalf(format string, args ...any) { i.Skipf(format, args...) }
