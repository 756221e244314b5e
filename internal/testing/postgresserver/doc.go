// Package postgresserver runs a real PostgreSQL on a free port of loopback, for tests and benchmarks.
//
// The programs are those of Debian's package postgresql, or of the newest installation that is found. The data is in a temporary folder,
// and gone with the server. PostgreSQL refuses to run as root: then it runs as the user postgres, or else nobody.
//
// Test skips a test where PostgreSQL is not installed. With COEXSTREAM_REQUIRE set, it installs the package, and fails where that fails.
package postgresserver
