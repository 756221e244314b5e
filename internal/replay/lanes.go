package replay

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// lane reads one partition ahead of the merge: one batch is worked on while the next one comes.
type lane struct {
	name    string
	batches chan batch
	records []*Record
	next    int64 // the offset after the batch in hand
}

type batch struct {
	records []*Record
	next    int64
	err     error
}

const (
	fetchBytes = 256 << 10
	fetchWait  = time.Second
)

// read sends the records of a range, with bodies in segments put together. Offsets that retention has removed are
// skipped. A body that has lost some of its segments is passed on as the last of them, which a processor writes to
// `dlq`.
func (l *lane) read(ctx context.Context, f *kafka.Fetcher, topic string, of Lane, r Range) {
	defer close(l.batches)
	for offset := r.Start; offset < r.End; {
		got, err := f.Fetch(ctx, topic, of.Partition, offset, fetchBytes, fetchWait)
		if errors.Is(err, kafka.ErrOffsetGone) && got.LogStart > offset {
			offset = got.LogStart
			continue
		}
		b := batch{next: min(got.Next, r.End), err: err}
		for i, rec := range got.Records {
			if rec.Offset >= r.End || b.err != nil {
				break
			}
			whole, err := f.Whole(ctx, rec, got.Records[:i])
			switch {
			case err != nil && !kafka.Unreadable(err):
				b.err = err
			case whole != nil:
				b.records = append(b.records, recordOf(of, whole))
			}
		}
		select {
		case l.batches <- b:
		case <-ctx.Done():
			return
		}
		if b.err != nil {
			return
		}
		offset = got.Next
	}
}

// take is the next record; nil at the end.
func (l *lane) take(ctx context.Context) (*Record, error) {
	for len(l.records) == 0 {
		select {
		case b, ok := <-l.batches:
			if !ok {
				return nil, ctx.Err()
			}
			if b.err != nil {
				return nil, b.err
			}
			l.records, l.next = b.records, b.next
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r := l.records[0]
	l.records[0] = nil
	l.records = l.records[1:]
	return r, nil
}

func recordOf(l Lane, rec *kgo.Record) *Record {
	r := &Record{Lane: l, Offset: rec.Offset, Time: rec.Timestamp, Key: rec.Key, Value: rec.Value}
	r.Headers = make([]Header, 0, len(rec.Headers))
	for _, h := range rec.Headers {
		r.Headers = append(r.Headers, Header(h))
	}
	return r
}

// rawTopics are the topics that are replayed.
func rawTopics() []schemas.Topic { return []schemas.Topic{schemas.TopicRawLive, schemas.TopicRawBulk} }
