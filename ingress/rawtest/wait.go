package rawtest

import (
	"testing"
	"time"
)

// WaitFor waits for a condition that something else makes true.
func WaitFor(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("timeout while waiting for %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// In returns a deadline.
func In(d time.Duration) time.Time { return time.Now().Add(d) }
