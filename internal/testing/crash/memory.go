package main

import "fmt"

// toMiB rounds up, so that a value over a bound does not look equal to it.
func toMiB(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

// withinBound is the verdict on a peak in bytes. A bound of 0 MiB is none.
func withinBound(peak, mostMiB int64) error {
	if mostMiB > 0 && peak > mostMiB<<20 {
		return fmt.Errorf("peak resident memory of up: %d MiB, %d MiB are allowed; look at /debug/pprof/heap of an up that is fed the same, or raise -peak-max", toMiB(peak), mostMiB)
	}
	return nil
}
