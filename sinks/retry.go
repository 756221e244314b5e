package sinks

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Retry is the interval between attempts. It grows, and half of it is random, so that sinks which lost their target
// together do not return together.
type Retry struct{ b *backoff.ExponentialBackOff }

// NewRetry begins with the shortest interval.
func NewRetry(shortest, longest time.Duration) Retry {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = shortest, longest
	b.Multiplier, b.RandomizationFactor = 2, 0.5
	return Retry{b}
}

// Next returns the next interval.
func (r Retry) Next() time.Duration { return r.b.NextBackOff() }

// Wait waits for the next interval. It returns false if ctx ended meanwhile.
func (r Retry) Wait(ctx context.Context) bool { return Pause(ctx, r.Next()) }

// Pause waits. It is false when ctx ended meanwhile.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
