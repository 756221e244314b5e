// Package long leaves tests out of `make test`, which is short enough to run before each commit. `make test-long` runs them, and CI runs both
// (ADR 0063).
package long

import (
	"os"
	"testing"
)

// Test skips a test that takes long, unless `make test-long` runs it. The variable has no prefix of the program, which warns of keys that it does not know. The target finds the tests by this call, which is the first of theirs.
func Test(t testing.TB) {
	t.Helper()
	if os.Getenv("TEST_LONG") == "" {
		t.Skip("SKIP: it takes long; make test-long runs it")
	}
}
