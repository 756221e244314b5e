package publish

import (
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/rawtest"
)

func TestRunwayIsFreeAgainAfterItsTimeWhoeverIsStillFlying(t *testing.T) {
	r := newRunway(1)
	stuck := takeoff{on: r}
	stuck.begin() // and never ends
	for range 3 { // the same one may start again and again
		next := takeoff{on: r}
		began := time.Now()
		next.begin()
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("waited %s for a batch that has long taken off", took)
		}
		next.end()
	}
	stuck.end()
	rawtest.WaitFor(t, "the runway to be empty", func() bool { return len(r) == 0 })
}

func TestRunwayHasPlacesForItsPartitions(t *testing.T) {
	for partitions, want := range map[int]int{1: 1, 4: 1, 15: 1, 16: 2, 100: 12} {
		if got := cap(newRunway(partitions)); got != want {
			t.Errorf("%d partitions: %d places, want %d", partitions, got, want)
		}
	}
}
