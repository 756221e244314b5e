package publish

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSendGatePlaceIsFreeAgainAfterItsTimeWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newSendGate(1)
		stuck := gatePlace{gate: gate}
		stuck.acquire() // and no answer comes
		next := gatePlace{gate: gate}
		for i := range 3 { // a place can be used again and again
			began := time.Now()
			next.acquire()
			if took := time.Since(began); i == 0 && took != sendGateTime || i > 0 && took != 0 {
				t.Fatalf("request %d waited %s", i, took)
			}
			next.release()
		}
		stuck.release()
		if len(gate) != 0 {
			t.Errorf("%d places are taken", len(gate))
		}
	})
}

func TestSendGateHasPlacesForItsPartitions(t *testing.T) {
	for partitions, want := range map[int]int{1: 1, 4: 1, 15: 1, 16: 2, 100: 12} {
		if got := cap(newSendGate(partitions)); got != want {
			t.Errorf("%d partitions: %d places, want %d", partitions, got, want)
		}
	}
}
