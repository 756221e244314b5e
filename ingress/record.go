package ingress

import (
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/coexstream/coexstream/schemas"
)

// Record is a raw record on its way to the log.
type Record struct {
	Topic schemas.Topic // raw.live or raw.bulk
	Key   []byte        // WABA id; empty: the record has no key
	// Partitioning is what the partition is computed of where Key is empty. It may be empty, too.
	Partitioning []byte
	Value        []byte // the exact body
	Headers      []kafka.Header
	Time         time.Time // when the request arrived
}

// Bytes is about what the record takes in a batch.
func (r *Record) Bytes() int {
	const framing = 24 // lengths, timestamp and offset deltas, at their longest
	n := framing + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += 4 + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n
}

// Durable makes records durable. Implementations are safe for concurrent use.
type Durable interface {
	// Publish returns nil once r is durable, and one of the errors below at the latest shortly after
	// the deadline. When it has returned, it holds no reference to r or to its bytes, which the caller
	// then reuses.
	Publish(r *Record, deadline time.Time) error
	// Ready tells why records cannot be taken at the moment; nil when they can.
	Ready() error
}

// The errors of Durable.Publish, for errors.Is.
var (
	// ErrBusy: there are as many bytes in flight as there may be.
	ErrBusy = errors.New("too many bytes in flight")
	// ErrUnavailable: the log could not be reached in time; nothing was written.
	ErrUnavailable = errors.New("log not available")
	// ErrUnknown: no acknowledgement in time; the record may be in the log, or come there later.
	ErrUnknown = errors.New("no acknowledgement in time")
	// ErrRejected: the log refuses the record for good, or until its configuration changes.
	ErrRejected = errors.New("log rejects the record")
	// ErrClosed: shutting down.
	ErrClosed = errors.New("publisher closed")
)
