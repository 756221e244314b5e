package required

import (
	"context"
	"errors"
)

// Test is a test or a benchmark that a service belongs to.
type Test interface {
	TB
	Errorf(format string, args ...any)
	Cleanup(func())
	Context() context.Context
}

// Service starts a service that ends with the test. If start fails with the error unavailable, it leaves the test out.
func Service[S interface{ Close() error }](t Test, unavailable error, start func(context.Context) (S, error)) S {
	t.Helper()
	s, err := start(t.Context())
	if errors.Is(err, unavailable) {
		LeaveOut(t, err)
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("%v", err)
		}
	})
	return s
}
