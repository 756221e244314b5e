package listen

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// Lasting is a listener whose Accept fails only when the listener itself is closed or invalid. accept also fails for a
// lack of files or memory, and on Linux with an error of the connection or of the network, see accept(2). Servers end with
// such an error. Lasting tries again.
type Lasting struct {
	net.Listener
	// Failed is called after each failed attempt, from the goroutine of Accept.
	Failed func(err error, shortage bool)
}

const (
	// shortagePause is the wait for files or memory that others give back.
	shortagePause = 20 * time.Millisecond
	// failurePause is the wait after other errors. A stranger who causes them slows others down by no more.
	failurePause = time.Millisecond
)

// Accept implements net.Listener.
func (l Lasting) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil || !passes(err) {
			return c, err
		}
		shortage := isShortage(err)
		l.Failed(err, shortage)
		if shortage {
			time.Sleep(shortagePause)
		} else {
			time.Sleep(failurePause)
		}
	}
}

// passes reports whether the listener can be used after an error of Accept. It names the errors of the listener itself,
// because those of connections and networks depend on the protocol and the system.
func passes(err error) bool {
	var code syscall.Errno
	if errors.Is(err, net.ErrClosed) || !errors.As(err, &code) {
		return false
	}
	switch code {
	case syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK, syscall.EFAULT:
		return false
	}
	return true
}

// isShortage reports whether the process or the machine has no room for a connection.
func isShortage(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
