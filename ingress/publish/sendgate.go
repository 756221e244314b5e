package publish

import "time"

// sendGate spaces the starts of requests. While one request has just started, the queues of other partitions fill, and
// their batches then share a request. A request waits only while another one holds a place of the gate. Each place is
// returned when its request has an answer, or after sendGateTime, if that is earlier. So a slow acknowledgement delays
// no other request.
type sendGate chan struct{}

const (
	sendGateTime = time.Millisecond
	// sendGateShare is the number of partitions that share a place. A partition waits sendGateShare times sendGateTime
	// in the worst case.
	sendGateShare = 8
)

func newSendGate(partitions int) sendGate { return make(sendGate, max(1, partitions/sendGateShare)) }

// gatePlace is the place of one request in a send gate. It is reused.
type gatePlace struct {
	gate  sendGate
	timer *time.Timer
}

// acquire waits for a free place.
func (p *gatePlace) acquire() {
	p.gate <- struct{}{}
	if p.timer == nil {
		p.timer = time.AfterFunc(sendGateTime, p.free)
	} else {
		p.timer.Reset(sendGateTime)
	}
}

// release gives the place back, unless the timer has done so already.
func (p *gatePlace) release() {
	if p.timer.Stop() {
		p.free()
	}
}

func (p *gatePlace) free() { <-p.gate }
