// Package child runs the processes of a benchmark, or of a test of the whole program: starts them, waits until they
// are ready, and says what they cost. Ended are only the processes that it started, and those that they started.
package child
