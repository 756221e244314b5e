package raw

import (
	"errors"
	"fmt"
	"time"
)

// Durable makes records durable. Implementations are safe for concurrent use.
type Durable interface {
	// Publish returns nil once r is durable. It returns one of the errors below at the latest shortly after the
	// deadline. After it has returned, it holds no reference to r or to its bytes: the caller may reuse them.
	Publish(r *Record, deadline time.Time) error
	// Ready returns nil when records can be taken, otherwise the reason.
	Ready() error
}

// Ordered is a Durable that takes many records at once and keeps their order.
type Ordered interface {
	Durable
	// PublishInOrder publishes records of one topic in their order. It returns the number of leading records that are
	// acknowledged. err is the reason why the next record is not. Nothing behind that record is written before it:
	// where the error leaves the outcome open, it may only have been written together with it.
	PublishInOrder(rs []*Record, deadline time.Time) (acknowledged int, err error)
}

// The errors of Durable.Publish, for errors.Is.
var (
	// ErrBusy: the limit of bytes in flight is reached.
	ErrBusy = errors.New("too many bytes in flight")
	// ErrUnavailable: the log could not be reached in time. Nothing was written.
	ErrUnavailable = errors.New("log not available")
	// ErrUnknown: no acknowledgement arrived in time. The record may be in the log, or be written later.
	ErrUnknown = errors.New("no acknowledgement in time")
	// ErrRejected: the log refuses the record permanently, or until its configuration changes.
	ErrRejected = errors.New("log rejects the record")
	// ErrDenied is the ErrRejected of a client that lacks a right or whose certificate is not accepted. It says nothing
	// about the record, and ends when an operator mends the access.
	ErrDenied = fmt.Errorf("%w: access denied", ErrRejected)
	// ErrClosed: the process is shutting down.
	ErrClosed = errors.New("publisher closed")
)
