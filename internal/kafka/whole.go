package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas/segment"
)

// Whole returns the record with the whole body. A record that is no segment is returned as it is. For the last segment of a
// body, the result is the body's record, at the same offset and without the headers of segments. For another segment it
// is nil. near are records of the partition in memory, in the order of their offsets; the others are read.
//
// The error is ErrOffsetGone if the log no longer has all segments, segment.ErrInvalid if they make no body, and another
// one if the log could not be read. With an error, the record is rec.
func (f *Fetcher) Whole(ctx context.Context, rec *kgo.Record, near []*kgo.Record) (*kgo.Record, error) {
	var fetched []*kgo.Record
	return Joined(rec, func(offset int64) (*kgo.Record, error) {
		if part := at(near, offset); part != nil {
			return part, nil
		}
		if part := at(fetched, offset); part != nil {
			return part, nil
		}
		got, err := f.Fetch(ctx, rec.Topic, rec.Partition, offset, 1, 0)
		if err != nil {
			return nil, err
		}
		fetched = got.Records
		return at(fetched, offset), nil
	})
}

// Joined is Whole with the records that find returns; nil: there is none.
func Joined(rec *kgo.Record, find func(offset int64) (*kgo.Record, error)) (*kgo.Record, error) {
	s, is, err := segment.Of(headersIn(rec))
	switch {
	case !is:
		return rec, nil
	case err != nil:
		return rec, wholeError(rec, err)
	case !s.Last():
		return nil, nil
	}
	j := s.Join()
	for i, offset := range s.Offsets {
		if offset >= rec.Offset {
			return rec, wholeError(rec, fmt.Errorf("%w: offset %d is not before it", segment.ErrInvalid, offset))
		}
		part, err := find(offset)
		if err != nil {
			return rec, wholeError(rec, err)
		}
		if part == nil {
			return rec, wholeError(rec, fmt.Errorf("offset %d: %w", offset, ErrOffsetGone))
		}
		if err := j.Add(i, headersIn(part), part.Value); err != nil {
			return rec, wholeError(rec, err)
		}
	}
	body, err := j.Whole(rec.Value)
	if err != nil {
		return rec, wholeError(rec, err)
	}
	whole := *rec
	whole.Value = body
	whole.Headers = make([]kgo.RecordHeader, 0, len(rec.Headers))
	for _, h := range rec.Headers {
		if !segment.Names(h.Key) {
			whole.Headers = append(whole.Headers, h)
		}
	}
	return &whole, nil
}

// Unreadable reports whether an error of Whole is due to the content of the log, so that reading again would not help.
func Unreadable(err error) bool {
	return errors.Is(err, ErrOffsetGone) || errors.Is(err, segment.ErrInvalid)
}

func wholeError(rec *kgo.Record, err error) error {
	return fmt.Errorf("put together the body that ends at %s/%d@%d: %w", rec.Topic, rec.Partition, rec.Offset, err)
}

// at finds the record of an offset.
func at(records []*kgo.Record, offset int64) *kgo.Record {
	i, ok := slices.BinarySearchFunc(records, offset, func(r *kgo.Record, o int64) int {
		switch {
		case r.Offset < o:
			return -1
		case r.Offset > o:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return records[i]
}

func headersIn(rec *kgo.Record) func(string) []byte {
	return func(name string) []byte {
		for i := range rec.Headers {
			if rec.Headers[i].Key == name {
				return rec.Headers[i].Value
			}
		}
		return nil
	}
}

// whole is Whole for readers that show all records: a segment whose body cannot be joined stays as it is.
func (f *Fetcher) whole(ctx context.Context, rec *kgo.Record, near []*kgo.Record) (*kgo.Record, error) {
	whole, err := f.Whole(ctx, rec, near)
	if err != nil && !Unreadable(err) {
		return nil, err
	}
	return whole, nil
}
