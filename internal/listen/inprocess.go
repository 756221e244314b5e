package listen

import (
	"context"
	"net"
	"sync"
)

// InProcess is a listener that its own process can also reach without a socket. Both sides share memory, so none waits for
// the kernel.
type InProcess struct {
	net.Listener
	arrived chan arrival
	closed  chan struct{}
	once    sync.Once
}

type arrival struct {
	conn net.Conn
	err  error
}

// WithInProcess adds the way without a socket to a listener. Close ends both.
func WithInProcess(l net.Listener) *InProcess {
	p := &InProcess{Listener: l, arrived: make(chan arrival), closed: make(chan struct{})}
	go p.accept()
	return p
}

// accept passes on connections of the socket.
func (l *InProcess) accept() {
	for {
		conn, err := l.Listener.Accept()
		select {
		case l.arrived <- arrival{conn, err}:
		case <-l.closed:
			if err == nil {
				_ = conn.Close()
			}
			return
		}
	}
}

// Accept implements net.Listener.
func (l *InProcess) Accept() (net.Conn, error) {
	select {
	case a := <-l.arrived:
		return a.conn, a.err
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Dial connects to the listener without a socket. Writing waits until the other side has read all of it.
func (l *InProcess) Dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	var err error
	select {
	case l.arrived <- arrival{conn: far}:
		return near, nil
	case <-l.closed:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, &net.OpError{Op: "dial", Net: l.Addr().Network(), Addr: l.Addr(), Err: err}
}

// Close implements net.Listener.
func (l *InProcess) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}
