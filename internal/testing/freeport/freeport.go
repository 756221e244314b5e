// Package freeport gives a test ports of loopback on which its programs can listen again after a restart.
package freeport

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
)

// The kernel gives the ports above these to outgoing connections. A program that is down for a moment could lose such a
// port to one of them.
const from, to, attempts = 15000, 32000, 100

// Listen opens a free port of 127.0.0.1 from which the kernel makes no outgoing connections.
func Listen(ctx context.Context) (net.Listener, error) {
	for range attempts {
		addr := fmt.Sprintf("127.0.0.1:%d", from+rand.IntN(to-from))
		if l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("no free port of 127.0.0.1 between %d and %d in %d attempts", from, to, attempts)
}

// Ports returns n different ports. Nobody listens on them at the moment.
func Ports(ctx context.Context, n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := Listen(ctx)
		if err != nil {
			return nil, err
		}
		defer l.Close()                         //nolint:errcheck // only the number is needed
		ports[i] = l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
	}
	return ports, nil
}

// Addresses returns n different addresses of loopback. Nobody listens on them at the moment.
func Addresses(ctx context.Context, n int) ([]string, error) {
	ports, err := Ports(ctx, n)
	addrs := make([]string, len(ports))
	for i, port := range ports {
		addrs[i] = fmt.Sprintf("127.0.0.1:%d", port)
	}
	return addrs, err
}
