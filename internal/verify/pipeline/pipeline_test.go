package pipeline

import (
	"errors"
	"runtime"
	"slices"
	"testing"
)

func upTo(n int) func(give func(int) bool) error {
	return func(give func(int) bool) error {
		for i := range n {
			if !give(i) {
				return errors.New("stopped")
			}
		}
		return nil
	}
}

func TestResultsComeInTheOrderOfTheValues(t *testing.T) {
	for _, size := range []int{1, 7, 1000} {
		var got []int
		slow := func(i int) int {
			for range i % 5 {
				runtime.Gosched()
			}
			return 2 * i
		}
		if err := Run(size, upTo(500), slow, func(r *int) error { got = append(got, *r); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(got) != 500 || got[0] != 0 || got[499] != 998 || !slices.IsSorted(got) {
			t.Errorf("batches of %d: %v", size, got)
		}
	}
}

func TestAnErrorEndsTheRun(t *testing.T) {
	failed, taken := errors.New("failed"), 0
	err := Run(3, upTo(1e9), func(i int) int { return i }, func(r *int) error {
		if taken++; *r == 10 {
			return failed
		}
		return nil
	})
	if !errors.Is(err, failed) || taken != 11 {
		t.Errorf("%v after %d", err, taken)
	}
	err = Run(3, func(give func(int) bool) error { give(1); return failed }, func(i int) int { return i }, func(*int) error { taken = 0; return nil })
	if !errors.Is(err, failed) || taken != 0 {
		t.Errorf("%v; what was given before the producer's error is taken: %v", err, taken == 0)
	}
}
