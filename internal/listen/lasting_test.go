package listen

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
)

// failing is a listener whose first attempts fail.
type failing struct {
	net.Listener
	errs []error
}

func (l *failing) Accept() (net.Conn, error) {
	if len(l.errs) == 0 {
		return &net.TCPConn{}, nil
	}
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, err
}

func ofAccept(err error) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
}

// TestAcceptGoesOnAfterErrorsOfConnections has the errors that accept(2) names for Linux. Only a shortage is reported as one.
func TestAcceptGoesOnAfterErrorsOfConnections(t *testing.T) {
	shortages := []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}
	others := []error{
		syscall.EAGAIN, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.EINTR, syscall.ENETDOWN,
		syscall.ENETUNREACH, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP, syscall.EPERM, syscall.EPROTO, syscall.EPROTONOSUPPORT,
		syscall.ESOCKTNOSUPPORT, syscall.ETIMEDOUT, syscall.Errno(64) /* ENONET */, syscall.Errno(63) /* ENOSR */, syscall.Errno(512), /* ERESTARTSYS */
	}
	for want, errs := range map[bool][]error{true: shortages, false: others} {
		for _, err := range errs {
			synctest.Test(t, func(t *testing.T) {
				var told []bool
				l := Lasting{&failing{errs: []error{ofAccept(err), ofAccept(err)}}, func(_ error, shortage bool) { told = append(told, shortage) }}
				if c, got := l.Accept(); c == nil || got != nil {
					t.Fatalf("%v ended the listener: %v", err, got)
				}
				if len(told) != 2 || told[0] != want || told[1] != want {
					t.Errorf("%v: shortages %v, want twice %t", err, told, want)
				}
			})
		}
	}
}

func TestAcceptEndsWithItsListener(t *testing.T) {
	for _, err := range []error{
		net.ErrClosed, &net.OpError{Op: "accept", Err: net.ErrClosed}, ofAccept(syscall.EBADF), ofAccept(syscall.EINVAL), ofAccept(syscall.ENOTSOCK), ofAccept(syscall.EFAULT), io.EOF,
	} {
		l := Lasting{&failing{errs: []error{err}}, func(error, bool) { t.Errorf("%v is reported as a failure that passes", err) }}
		if c, got := l.Accept(); c != nil || !errors.Is(got, err) {
			t.Errorf("%v: the next attempt returned %v, %v", err, c, got)
		}
	}
}
