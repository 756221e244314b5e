package kafkacluster

import "os"

// requireName is the variable that turns what is left out, because something cannot be had, into failures: a CI that
// is green has seen it all. internal/cost reads it, too.
const requireName = "COEXSTREAM_REQUIRE"

// Required tells whether nothing may be left out.
func Required() bool { return os.Getenv(requireName) != "" }

// LeaveOut skips a test because something cannot be had, or fails it where nothing may be left out.
func LeaveOut(t TB, why error) {
	t.Helper()
	if Required() {
		t.Fatalf("%v; %s is set, so that the test may not be skipped", why, requireName)
	}
	t.Skipf("SKIP: %v", why)
}
