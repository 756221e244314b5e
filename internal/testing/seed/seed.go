// Package seed gives random tests their seed. It is the same in each run, so a failure comes from a change of the code. The
// flag -seed=0 takes a new one, for a search, and -seed=N plays that of a failed run.
package seed

import (
	"flag"
	"math/rand/v2"
	"testing"
)

var given = flag.Uint64("seed", 1, "seed of the random tests; 0: a new one")

// Of returns the seed of a test, and prints it.
func Of(t testing.TB) uint64 {
	t.Helper()
	s := *given
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("run again with -seed=%d", s)
	return s
}

// Rand returns random numbers from the seed of a test.
func Rand(t testing.TB) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewPCG(Of(t), 0))
}
