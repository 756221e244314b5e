package ingress

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/segmentio/kafka-go"
)

// batch hands records to the Kafka client, and takes them back.
//
// The client encodes on a goroutine of its own, which a cancelled request does not wait for. So that
// nobody's bytes are read after they were given back, a record is read only under the batch's lock:
// from ReadRecord to the Close of its value. drop and stop, which take the same lock, mean that the
// record, or none, will be read from then on.
type batch struct {
	mu      sync.Mutex
	records []*Record // nil: dropped
	next    int
	stopped bool

	current kafka.Record
	key     keyBytes
	value   valueBytes
}

var errBatchStopped = errors.New("batch was given up before it was encoded")

// keyBytes is a kafka.Bytes.
type keyBytes struct{ bytes.Reader }

// Close does nothing.
func (*keyBytes) Close() error { return nil }

// valueBytes is the kafka.Bytes of a value. The client closes it when it has copied the record.
type valueBytes struct {
	bytes.Reader
	b *batch
}

// Close ends the reading of the current record.
func (v *valueBytes) Close() error {
	v.Reset(nil)
	v.b.mu.Unlock()
	return nil
}

// reset makes b read records. No one may be reading b.
func (b *batch) reset() {
	clear(b.records)
	b.records, b.next, b.stopped = b.records[:0], 0, false
	b.value.b = b
}

// ReadRecord is called by the client, record by record, until io.EOF.
func (b *batch) ReadRecord() (*kafka.Record, error) {
	b.mu.Lock()
	if b.stopped {
		b.mu.Unlock()
		return nil, errBatchStopped
	}
	for b.next < len(b.records) {
		r := b.records[b.next]
		b.next++
		if r == nil {
			continue
		}
		b.current = kafka.Record{Time: r.Time, Headers: r.Headers, Value: &b.value}
		if len(r.Key) > 0 {
			b.key.Reset(r.Key)
			b.current.Key = &b.key
		}
		b.value.Reset(r.Value)
		return &b.current, nil // still locked, until the value is closed
	}
	b.mu.Unlock()
	return nil, io.EOF
}

// drop gives record i back.
func (b *batch) drop(i int) {
	b.mu.Lock()
	b.records[i] = nil
	b.mu.Unlock()
}

// stop gives all records back.
func (b *batch) stop() {
	b.mu.Lock()
	b.stopped = true
	b.mu.Unlock()
}
