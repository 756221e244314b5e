package sinks

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// retry is the interval between attempts. It grows, and half of it is random, so that sinks which lost their target
// together do not return together.
type retry struct{ b *backoff.ExponentialBackOff }

func newRetry(c *Config) retry {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = c.RetryMin, c.RetryMax
	b.Multiplier, b.RandomizationFactor = 2, 0.5
	return retry{b}
}

// wait returns false if ctx ended meanwhile.
func (r retry) wait(ctx context.Context) bool { return Pause(ctx, r.b.NextBackOff()) }

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
