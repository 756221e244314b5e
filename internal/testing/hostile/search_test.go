package main

import (
	"runtime"
	"testing"
)

// Of the shapes of these seeds many once cost far more than their bytes.
func TestNoShapeCostsMoreThanItsBytes(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	kib, err := ordinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, seed := range []uint64{4, 9, 11, 25, 34, 45, 65, 90, 107, 119, 122, 196, 203, 244, 251, 266, 299, 300, 331, 349, 387, 399, 427, 488, 14, 30, 46, 78, 94, 5121, 301363} {
		f, err := try(seed, kib)
		if err != nil {
			t.Fatal(err)
		}
		if f != nil && f.why != whyCPU { // others may be at work on the machine: `make hostile` judges the time
			t.Error(f)
		}
	}
}
