// Package seeds has the seed of the random tests. It is the same in each run, so that a change is what makes a test fail.
// -seed=0 takes a new one, for a search, and -seed=N that of a failed run.
package seeds

import (
	"flag"
	"math/rand/v2"
	"testing"
)

var seed = flag.Uint64("seed", 1, "seed of the random tests; 0: a new one")

// Of returns the seed of a test, and prints it.
func Of(t testing.TB) uint64 {
	t.Helper()
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("run again with -seed=%d", s)
	return s
}
