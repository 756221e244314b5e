package ingress

import (
	"errors"
	"syscall"
)

// shortages are the errors of accept that pass: the process or the machine has no room for a connection now, or the
// connection has ended before it was accepted.
var shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR}

// passes reports whether an error of Accept passes, so that the listener can be used further.
func passes(err error) bool {
	for _, e := range shortages {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
