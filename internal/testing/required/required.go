// Package required lets a test leave out what needs something that cannot be had here, or fail where nothing may be
// left out: a CI that is green has seen it all. Program finds or installs what a test runs.
package required

import (
	"os"
	"strconv"
)

// name is the variable that says so.
const name = "COEXSTREAM_REQUIRE"

// TB is what LeaveOut needs of a test or a benchmark.
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

// LeaveOut skips a test because something cannot be had, or fails it where nothing may be left out.
func LeaveOut(t TB, why error) {
	t.Helper()
	if Everything() {
		t.Fatalf("%v; %s is set, so that the test may not be skipped", why, name)
	}
	t.Skipf("SKIP: %v", why)
}
