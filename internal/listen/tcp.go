// Package listen opens listeners. It waits a moment for the port of a process that was just killed: the kernel frees
// its lock, its ports and its memory one after the other.
package listen

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// Patience is how long a port that is taken is tried again.
const Patience = time.Second

// TCP opens a listener. The error of a port that stays taken is syscall.EADDRINUSE.
func TCP(ctx context.Context, address string) (net.Listener, error) {
	return untilFree(ctx, func() (net.Listener, error) { return new(net.ListenConfig).Listen(ctx, "tcp", address) })
}

// untilFree calls listen again while the port is taken, for Patience at most.
func untilFree(ctx context.Context, listen func() (net.Listener, error)) (net.Listener, error) {
	const pause = 20 * time.Millisecond
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	for {
		l, err := listen()
		if !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-deadline.C:
			return nil, err
		case <-time.After(pause):
		}
	}
}
