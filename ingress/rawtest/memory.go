package rawtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coexstream/coexstream/ingress/raw"
	"github.com/coexstream/coexstream/schemas"
)

// Memory is a raw.Durable that keeps copies in memory. It can be switched off.
type Memory struct {
	// Refuse decides about each record before it is kept; nil keeps all.
	Refuse func(r *raw.Record, deadline time.Time) error
	// Off makes the Durable unavailable.
	Off atomic.Bool

	mu      sync.Mutex
	records []raw.Record
}

// Publish implements raw.Durable.
func (m *Memory) Publish(r *raw.Record, deadline time.Time) error {
	if m.Off.Load() {
		return fmt.Errorf("%w: switched off", raw.ErrUnavailable)
	}
	if m.Refuse != nil {
		if err := m.Refuse(r, deadline); err != nil {
			return err
		}
	}
	c := *r
	c.Key, c.Value, c.Partitioning = bytes.Clone(r.Key), bytes.Clone(r.Value), bytes.Clone(r.Partitioning)
	c.Headers = nil
	for _, h := range r.Headers {
		c.Headers = append(c.Headers, raw.Header{Key: h.Key, Value: bytes.Clone(h.Value)})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = append(m.records, c)
	return nil
}

// PublishInOrder publishes records up to the first one that fails.
func (m *Memory) PublishInOrder(rs []*raw.Record, deadline time.Time) (int, error) {
	for i, r := range rs {
		if err := m.Publish(r, deadline); err != nil {
			return i, err
		}
	}
	return len(rs), nil
}

// Ready implements raw.Durable.
func (m *Memory) Ready() error {
	if m.Off.Load() {
		return errors.New("switched off")
	}
	return nil
}

// Records returns the records that were kept.
func (m *Memory) Records() []raw.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.records)
}

// Reset forgets the records.
func (m *Memory) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = nil
}

// Header returns the value of a record's header.
func Header(r *raw.Record, key string) (string, bool) {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value), true
		}
	}
	return "", false
}

// Record makes a record of raw.live.
func Record(waba, value string) *raw.Record {
	return &raw.Record{Topic: schemas.TopicRawLive, Key: []byte(waba), Value: []byte(value), Time: time.Now()}
}
