package seed_test

import (
	"flag"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/seed"
)

func TestAGivenSeedIsPlayedAgain(t *testing.T) {
	if err := flag.Set("seed", "7"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = flag.Set("seed", "1") }()
	if a, b := seed.Rand(t).Uint64(), seed.Rand(t).Uint64(); seed.Of(t) != 7 || a != b {
		t.Errorf("seed %d gives %d and %d", seed.Of(t), a, b)
	}
}

func TestSeedZeroTakesANewOne(t *testing.T) {
	if err := flag.Set("seed", "0"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = flag.Set("seed", "1") }()
	if a, b := seed.Of(t), seed.Of(t); a == b {
		t.Error("two tests have one seed")
	}
}
