package probe

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/deadletter"
	"github.com/coexstream/coexstream/internal/doctor"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

const (
	deadLettersWithin = 24 * time.Hour
	// deadLettersMax bounds the records of dlq that are read. The note of a requeue comes behind its letter, maybe far.
	deadLettersMax = 50_000
)

// read calls yield for the committed records of a topic, from a start to its present end.
func (p *prober) read(ctx context.Context, t schemas.Topic, from kafka.Start, yield func(*kgo.Record) error) error {
	if len(p.there(t)) == 0 {
		return nil
	}
	r, err := kafka.NewReader(p.Conn, []string{p.topic(t)})
	if err != nil {
		return err
	}
	defer r.Close()
	ranges, err := r.Ranges(ctx, from)
	if err != nil {
		return err
	}
	return r.ReadRanges(ctx, ranges, yield)
}

func (p *prober) deadLetters(ctx context.Context) error {
	letters := newOpenLetters()
	err := p.read(ctx, schemas.TopicDLQ, kafka.FromTime(p.facts.Now.Add(-deadLettersWithin)), letters.add)
	p.facts.DeadLetters = letters.facts()
	return err
}

// openLetters finds the letters that were not requeued. It keeps no body.
type openLetters struct {
	book *deadletter.Book
	read int
	more bool
}

func newOpenLetters() *openLetters { return &openLetters{book: deadletter.NewBook()} }

func (o *openLetters) add(rec *kgo.Record) error {
	if o.read == deadLettersMax {
		o.more = true
		return kafka.ErrStop
	}
	o.read++
	r := deadletter.Record{Place: deadletter.Place{Partition: rec.Partition, Offset: rec.Offset}}
	for _, h := range rec.Headers {
		switch h.Key {
		case schemas.HeaderDLQReason, schemas.HeaderDLQParked, schemas.HeaderRequeued, schemas.HeaderWebhookEndpoint, schemas.HeaderWebhookResent:
			r.Headers = append(r.Headers, deadletter.Header{Key: h.Key, Value: bytes.Clone(h.Value)})
		}
	}
	o.book.Add(r)
	return nil
}

func (o *openLetters) facts() doctor.DeadLetters {
	d := doctor.DeadLetters{Within: deadLettersWithin, Reasons: map[string]int{}}
	if o.more {
		d.Stopped = o.read
	}
	for _, l := range o.book.Select(&deadletter.Filter{States: []deadletter.State{deadletter.Open, deadletter.Parked}}) {
		if l.State == deadletter.Parked {
			d.Parked++
		} else {
			d.Open++
		}
		d.Reasons[cmp.Or(l.Reason(), "without reason")]++
	}
	return d
}

func (p *prober) syncs(ctx context.Context) error {
	// The sync of a number without a known WABA is withdrawn in one partition, and continues in another.
	type place struct {
		partition int32
		key       string
	}
	newest := map[place]schemas.Sync{}
	err := p.read(ctx, schemas.TopicSyncs, kafka.FromStart(), func(rec *kgo.Record) error {
		if rec.Value == nil {
			delete(newest, place{rec.Partition, string(rec.Key)})
			return nil
		}
		e, err := event.Value(schemas.TypeSync, bytes.Clone(rec.Value)) // a kept value must not keep the batch in memory
		if err != nil {
			return fmt.Errorf("%s/%d@%d: %w", rec.Topic, rec.Partition, rec.Offset, err)
		}
		newest[place{rec.Partition, string(rec.Key)}] = *e.Sync
		return nil
	})
	p.facts.Syncs = nil
	for _, s := range newest {
		p.facts.Syncs = append(p.facts.Syncs, s)
	}
	return err
}
