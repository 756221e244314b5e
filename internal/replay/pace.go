package replay

import "time"

// Pace is a rate cap. Zero fields do not bound.
type Pace struct {
	BodiesPerSecond float64
	BytesPerSecond  float64

	bodies, bytes float64   // written, but not paid for yet
	at            time.Time // of the last payment
}

// Wrote records the writes until now, and returns the pause before the next one. An unused allowance is not saved up.
func (p *Pace) Wrote(now time.Time, bodies int, bytes int64) time.Duration {
	if !p.at.IsZero() {
		elapsed := now.Sub(p.at).Seconds()
		p.bodies = max(0, p.bodies-elapsed*p.BodiesPerSecond)
		p.bytes = max(0, p.bytes-elapsed*p.BytesPerSecond)
	}
	p.at = now
	var rest float64
	if p.BodiesPerSecond > 0 {
		p.bodies += float64(bodies)
		rest = p.bodies / p.BodiesPerSecond
	}
	if p.BytesPerSecond > 0 {
		p.bytes += float64(bytes)
		rest = max(rest, p.bytes/p.BytesPerSecond)
	}
	return time.Duration(rest * float64(time.Second))
}

// Batch bounds how many bodies and bytes are written between two rests, so that a low rate is even: about a
// quarter of a second's worth.
func (p *Pace) Batch(bodiesMax int, bytesMax int64) (bodies int, bytes int64) {
	const part = 4
	if p.BodiesPerSecond > 0 {
		bodiesMax = min(bodiesMax, max(1, int(p.BodiesPerSecond/part)))
	}
	if p.BytesPerSecond > 0 {
		bytesMax = min(bytesMax, max(1, int64(p.BytesPerSecond/part)))
	}
	return bodiesMax, bytesMax
}
