package main

import "testing"

func TestPeakOverTheBoundFailsTheRun(t *testing.T) {
	for _, tt := range []struct {
		peak, most int64
		ok         bool
	}{
		{peak: 1 << 40, most: 0, ok: true},
		{peak: 400 << 20, most: 400, ok: true},
		{peak: 400<<20 + 1, most: 400},
	} {
		if err := withinBound(tt.peak, tt.most); (err == nil) != tt.ok {
			t.Errorf("a peak of %d bytes where %d MiB are allowed: %v", tt.peak, tt.most, err)
		}
	}
}
