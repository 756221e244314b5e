// Package seed gives random tests their seed. A test prints its seed, and the flag -seed plays it again.
package seed

import (
	"flag"
	"math/rand/v2"
	"testing"
)

var given = flag.Uint64("seed", 0, "seed of the random tests; 0: a new one")

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
