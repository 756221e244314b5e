package probe

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/doctor"
	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
)

const (
	deadLettersWithin = 24 * time.Hour
	// deadLettersMax bounds what is read for the reasons; more of them are a failure anyway.
	deadLettersMax = 1000
)

// read calls yield for the committed records of a topic, from a start to what is its end now.
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
	d := doctor.DeadLetters{Within: deadLettersWithin, Reasons: map[string]int{}}
	err := p.read(ctx, schemas.TopicDLQ, kafka.FromTime(p.facts.Now.Add(-deadLettersWithin)), func(rec *kgo.Record) error {
		if d.Count == deadLettersMax {
			d.More = true
			return kafka.ErrStop
		}
		reason := "without reason"
		for _, h := range rec.Headers {
			if h.Key == schemas.HeaderDLQReason {
				reason = string(h.Value)
			}
		}
		d.Count++
		d.Reasons[reason]++
		return nil
	})
	p.facts.DeadLetters = d
	return err
}

func (p *prober) syncs(ctx context.Context) error {
	// The sync of a number that was told without its WABA first is taken back in one partition, and goes on in another.
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
		e, err := event.Value(schemas.TypeSync, bytes.Clone(rec.Value)) // what is kept must not keep the batch
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
