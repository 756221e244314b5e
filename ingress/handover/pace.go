package handover

import "time"

// pace is a rate: how long to wait before so much more is right. It reads no clock.
type pace struct {
	perSecond float64
	granted   float64 // on top of the rate
	saved     float64 // below zero: taken in advance
	at        time.Time
}

// paceSaves is how many seconds of the rate can be saved up.
const paceSaves = 0.1

// grant allows n more.
func (p *pace) grant(n float64) { p.granted += n }

// take uses n, and returns how long to wait first. What is left of the grants is not saved up: what came in during
// an outage is a backlog like another.
func (p *pace) take(now time.Time, n float64) time.Duration {
	if !p.at.IsZero() {
		p.saved += max(0, now.Sub(p.at).Seconds()) * p.perSecond
	}
	p.at = now
	free := min(p.granted, n)
	p.granted = 0
	p.saved = min(p.saved, paceSaves*p.perSecond) - (n - free)
	if p.saved >= 0 {
		return 0
	}
	return time.Duration(-p.saved / p.perSecond * float64(time.Second))
}
