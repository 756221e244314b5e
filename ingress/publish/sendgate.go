package publish

import "time"

// runway keeps requests from taking off at the same moment: while one rolls, the queues of the other
// partitions fill, and then travel together. Nobody waits when nobody rolls, and nobody waits for an
// acknowledgement that takes its time: a request leaves the runway after runwayTime at the latest.
type runway chan struct{}

const (
	runwayTime = time.Millisecond
	// runwayShare is how many partitions share a place, and so for how many times runwayTime a
	// partition may wait for one at worst.
	runwayShare = 8
)

func newRunway(partitions int) runway { return make(runway, max(1, partitions/runwayShare)) }

// takeoff is one request's use of a runway.
type takeoff struct {
	on    runway
	timer *time.Timer
}

// begin waits for a place.
func (t *takeoff) begin() {
	t.on <- struct{}{}
	if t.timer == nil {
		t.timer = time.AfterFunc(runwayTime, t.leave)
	} else {
		t.timer.Reset(runwayTime)
	}
}

// end gives the place back, unless the time was over before.
func (t *takeoff) end() {
	if t.timer.Stop() {
		t.leave()
	}
}

func (t *takeoff) leave() { <-t.on }
