package sinks

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks/merge"
)

// work is the content of one step: records in the order of their logs, and the positions after them.
type work struct {
	live  bool
	items []item
	to    map[schemas.Topic]int64
}

type item struct {
	topic  schemas.Topic
	record *kgo.Record
}

// halves divides the work in two.
func (w *work) halves() (first, second *work) {
	middle := len(w.items) / 2
	first = &work{w.live, w.items[:middle], map[schemas.Topic]int64{}}
	second = &work{w.live, w.items[middle:], map[schemas.Topic]int64{}}
	for topic, to := range w.to {
		begins := int64(-1) // of the second half
		for _, it := range second.items {
			if it.topic == topic {
				begins = it.record.Offset
				break
			}
		}
		if begins < 0 {
			first.to[topic] = to
			continue
		}
		second.to[topic] = to
		for _, it := range first.items {
			if it.topic == topic {
				first.to[topic] = begins
				break
			}
		}
	}
	return first, second
}

// apply gives the work to the target. It finds a refused record by halving, and sets it aside. Work that is too much for the time limit of the
// target is halved as well.
func (t *task) apply(ctx context.Context, w *work) error {
	if t.limit == 0 || len(w.items) <= t.limit {
		err := t.deliver(ctx, w, t.batchOf(w))
		for errors.Is(err, ErrErased) {
			err = t.deliver(ctx, w, t.batchOf(w))
		}
		switch {
		case errors.Is(err, ErrSlow):
			t.limit = len(w.items) / 2
		case !errors.Is(err, ErrRefused), len(w.items) == 0: // a refused position is no record's fault
			return err
		case len(w.items) == 1:
			b := t.batchOf(&work{live: w.live, to: w.to})
			b.Letters = append(b.Letters, t.letter(w.items[0], err))
			return t.deliver(ctx, w, b)
		}
	}
	first, second := w.halves()
	if err := t.apply(ctx, first); err != nil {
		return err
	}
	return t.apply(ctx, second)
}

// batchOf reads the records. A record that is no event becomes a letter.
func (t *task) batchOf(w *work) *Batch {
	b := &Batch{Partition: t.partition, Live: w.live, Rows: merge.NewRows()}
	erasures := t.erasures()
	if erasures != nil {
		b.Erasures = erasures.Version
	}
	for _, it := range w.items {
		r := it.record
		e, err := event.Read(it.topic, r.Key, r.Headers, r.Value)
		switch {
		case err != nil && erasures.CoverUnread(it.topic, r), err == nil && erasures.Cover(&e):
			continue
		case err != nil:
			b.Letters = append(b.Letters, t.letter(it, err))
			continue
		}
		b.Rows.Add(&e, merge.Place{Partition: r.Partition, Offset: r.Offset})
	}
	for _, topic := range TableTopics() {
		if to, ok := w.to[topic]; ok {
			r := t.reading[topic]
			b.Advances = append(b.Advances, Advance{Topic: topic, From: r.from, To: Position{Next: to, Log: r.position.Log, At: t.s.deps.Now().Truncate(time.Millisecond)}})
		}
	}
	return b
}

// erasures are those that the target knows of; nil: it keeps none.
func (t *task) erasures() *Erasures {
	if target, ok := t.s.deps.Target.(Eraser); ok {
		return target.Erasures()
	}
	return nil
}

func (t *task) letter(it item, why error) Letter {
	r := it.record
	l := Letter{
		Topic: it.topic, Place: merge.Place{Partition: r.Partition, Offset: r.Offset}, Key: r.Key, Value: r.Value, Reason: why.Error(), At: t.s.deps.Now(),
	}
	for _, h := range r.Headers {
		l.Headers = append(l.Headers, Header(h))
	}
	return l
}

// deliver gives a batch to the target until the target takes it, refuses it, or has another position. More than one record may also be too slow
// (ErrSlow).
func (t *task) deliver(ctx context.Context, w *work, b *Batch) error {
	lane := laneBacklog
	if b.Live {
		lane = laneLive
	}
	for retry := NewRetry(t.s.cfg.RetryMin, t.s.cfg.RetryMax); ; {
		began := t.s.deps.Now()
		err := t.s.deps.Target.Apply(ctx, b)
		switch {
		case err == nil:
			if t.s.setAway(t.partition, nil) {
				t.s.deps.Logger.Info("the sink continues", "sink", t.s.cfg.Name, "partition", t.partition)
			}
			t.s.m.Apply.WithLabelValues(lane).Observe(t.s.deps.Now().Sub(began).Seconds())
			t.s.m.Records.WithLabelValues(lane).Add(float64(len(w.items)))
			t.s.m.Letters.Add(float64(len(b.Letters)))
			for i := range b.Letters {
				l := &b.Letters[i]
				t.s.deps.Logger.Warn("the sink set a record aside", "sink", t.s.cfg.Name, "topic", l.Topic, "partition", l.Place.Partition, "offset", l.Place.Offset, "reason", l.Reason)
			}
			t.took(len(w.items))
			for _, a := range b.Advances {
				r := t.reading[a.Topic]
				r.position, r.from = a.To, a.To.Next
				t.stands[a.Topic] = a.To
			}
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrFenced), errors.Is(err, ErrRefused):
			return err
		case errors.Is(err, ErrErased) && t.erasures().Version != b.Erasures:
			return err
		}
		if t.s.setAway(t.partition, err) {
			t.s.deps.Logger.Warn("the sink's target does not take a batch", "sink", t.s.cfg.Name, "partition", t.partition, "error", err)
		}
		t.s.m.Retries.Inc()
		if !retry.Wait(ctx) {
			return ctx.Err()
		}
		if errors.Is(err, ErrSlow) && len(w.items) > 1 {
			return err
		}
	}
}
