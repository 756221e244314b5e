// Package required skips tests whose requirements are not available, or fails them if no test may be
// skipped, as in CI. Program finds or installs a program for a test, and Service starts a service for it.
package required

import (
	"os"
	"strconv"
)

// name is the variable that forbids skipping.
const name = "COEXSTREAM_REQUIRE"

// TB is a test or a benchmark that can be skipped.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Everything reports whether no test may be left out. A value that is no boolean counts as true.
func Everything() bool {
	v := os.Getenv(name)
	yes, err := strconv.ParseBool(v)
	return v != "" && (yes || err != nil)
}

// LeaveOut skips a test because a requirement is not available, or fails it if no test may be skipped.
func LeaveOut(t TB, why error) {
	t.Helper()
	if Everything() {
		t.Fatalf("%v; %s is set, so that the test may not be skipped", why, name)
	}
	t.Skipf("SKIP: %v", why)
}
