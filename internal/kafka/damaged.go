package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrDamaged means that the brokers have a batch whose bytes are damaged. Reading it again does not help; a repair of the log does.
var ErrDamaged = errors.New("the batch at this offset is damaged")

// Damaged is the place of a damaged batch. It wraps ErrDamaged.
type Damaged struct {
	Topic     string
	Partition int32
	Offset    int64 // at which the read began
	err       error
}

// Error implements error.
func (d *Damaged) Error() string {
	return fmt.Sprintf("fetch %s/%d@%d: %v", d.Topic, d.Partition, d.Offset, d.err)
}

// Unwrap returns the cause.
func (d *Damaged) Unwrap() error { return d.err }

// Place is the place as text.
func (d *Damaged) Place() string { return fmt.Sprintf("%s/%d@%d", d.Topic, d.Partition, d.Offset) }

// Look reads the batch at an offset once, and returns an error that is a Damaged if it is damaged.
func (f *Fetcher) Look(ctx context.Context, topic string, partition int32, offset int64) error {
	_, err := f.once(ctx, f.decompress, topic, partition, offset, 1, 0)
	switch {
	case errors.Is(err, ErrDamaged):
		return &Damaged{topic, partition, offset, err}
	case errors.Is(err, kerr.OffsetOutOfRange):
		return fmt.Errorf("fetch %s/%d@%d: %w", topic, partition, offset, ErrOffsetGone)
	case err != nil:
		f.forget(topic)
		return fmt.Errorf("fetch %s/%d@%d: %w", topic, partition, offset, err)
	}
	return nil
}

// damage returns the error of a fetch at an offset. whole is true if the response has at least one whole batch, so that a wrong
// length is damage. Records before a damaged batch are returned without an error: the next fetch begins with the batch.
func damage(got *Fetched, offset int64, whole bool, err error) error {
	if ke := (*kerr.Error)(nil); errors.As(err, &ke) {
		return err
	}
	switch n := len(got.Records); {
	case err != nil && n > 0:
		got.Next = got.Records[n-1].Offset + 1
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case whole && got.Next == offset:
		return fmt.Errorf("%w: its length is wrong", ErrDamaged)
	}
	return nil
}
