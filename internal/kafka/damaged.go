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
	_, err := f.look(ctx, topic, partition, offset)
	return err
}

func (f *Fetcher) look(ctx context.Context, topic string, partition int32, offset int64) (Fetched, error) {
	got, err := f.once(ctx, f.decompress, topic, partition, offset, 1, 0)
	switch {
	case errors.Is(err, ErrDamaged):
		return got, &Damaged{topic, partition, offset, err}
	case errors.Is(err, kerr.OffsetOutOfRange):
		return got, fmt.Errorf("fetch %s/%d@%d: %w", topic, partition, offset, ErrOffsetGone)
	case err != nil:
		f.forget(topic)
		return got, fmt.Errorf("fetch %s/%d@%d: %w", topic, partition, offset, err)
	}
	return got, nil
}

// Ahead returns the offset of the first committed record in [from, to), or -1 if there is none. It reads batch by batch, so that a
// damaged batch among those of transaction markers and aborted records is found: the error is a Damaged with its offset.
func (f *Fetcher) Ahead(ctx context.Context, topic string, partition int32, from, to int64) (int64, error) {
	for from < to {
		got, err := f.look(ctx, topic, partition, from)
		switch n := len(got.Records); {
		case err != nil:
			return -1, err
		case n > 0 && got.Records[0].Offset < to:
			return got.Records[0].Offset, nil
		case n > 0 || got.Next <= from:
			return -1, nil
		}
		from = got.Next
	}
	return -1, nil
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
