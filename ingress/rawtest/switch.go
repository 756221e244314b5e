package rawtest

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/coexstream/coexstream/ingress/raw"
)

// Switch is a raw.Ordered that can be switched off.
type Switch struct {
	raw.Ordered
	Off atomic.Bool
}

// Publish implements raw.Durable.
func (s *Switch) Publish(r *raw.Record, deadline time.Time) error {
	if s.Off.Load() {
		return fmt.Errorf("%w: switched off", raw.ErrUnavailable)
	}
	return s.Ordered.Publish(r, deadline)
}

// PublishInOrder implements raw.Ordered.
func (s *Switch) PublishInOrder(rs []*raw.Record, deadline time.Time) (int, error) {
	if s.Off.Load() {
		return 0, fmt.Errorf("%w: switched off", raw.ErrUnavailable)
	}
	return s.Ordered.PublishInOrder(rs, deadline)
}
