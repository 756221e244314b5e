package handover

import (
	"time"

	"golang.org/x/time/rate"
)

// pace bounds how fast the spool becomes emptier. Records that arrive meanwhile are handed over on top of the rate. It
// reads no clock.
type pace struct {
	limiter *rate.Limiter
	arrived int64 // allowed on top of the rate
}

// paceBurst is the share of a second's rate that may be handed over at once after a pause.
const paceBurst = 0.1

func newPace(perSecond int64) pace {
	return pace{limiter: rate.NewLimiter(rate.Limit(perSecond), max(1, int(float64(perSecond)*paceBurst)))}
}

// allow adds n to what take may use on top of the rate.
func (p *pace) allow(n int64) { p.arrived += n }

// take uses n and returns the time to wait first. The rest of what arrived is not saved: during an outage it is a
// backlog like any other.
func (p *pace) take(now time.Time, n int64) (wait time.Duration) {
	n -= min(p.arrived, n)
	p.arrived = 0
	// A limiter grants at most its burst at once. The last part is granted last.
	for burst := int64(p.limiter.Burst()); n > 0; n -= burst {
		wait = p.limiter.ReserveN(now, int(min(n, burst))).DelayFrom(now)
	}
	return wait
}
