package media

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/media/plan"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// reader reads one partition. Only run uses the fields that are not under the sink's mu.
type reader struct {
	s         *Sink
	partition int32
	bell      chan struct{}
	ctx       context.Context //nolint:containedctx // of the partition: it ends when it is given away
	cancel    context.CancelFunc
	ended     chan struct{}
	working   sync.WaitGroup // attempts, and records that are being written

	pages map[schemas.Topic]*page
	short map[schemas.Topic]time.Time // since when a log seems too short
	done  map[string]bool             // ids of events whose outcome is published, behind the committed positions

	publishing sync.Mutex // records are written one after the other, so that assets is never ahead of one that is missing

	assets  queue.Position // under mu: the records before it are part of the positions
	leaving bool           // under mu
}

// page has fetched assets of a topic that are not in the plan yet.
type page struct {
	from, next int64
	items      []*plan.Item
}

func newReader(s *Sink, partition int32) *reader {
	ctx, cancel := context.WithCancel(context.Background())
	return &reader{
		s: s, partition: partition, bell: make(chan struct{}, 1), ctx: ctx, cancel: cancel, ended: make(chan struct{}),
		pages: map[schemas.Topic]*page{}, short: map[schemas.Topic]time.Time{}, done: map[string]bool{},
	}
}

func (r *reader) kind() string { return fmt.Sprintf("partition %d", r.partition) }

func (r *reader) run() {
	defer close(r.ended)
	failures, owned := 0, false
	for {
		var err error
		if !owned {
			err = r.resume()
			owned = err == nil
		} else {
			err = r.read()
		}
		if r.ctx.Err() != nil {
			return
		}
		r.s.note(r.kind(), err)
		if err != nil {
			failures++
			if !sinks.Pause(r.ctx, r.s.pause(failures)) {
				return
			}
			continue
		}
		failures = 0
		select {
		case <-r.ctx.Done():
			return
		case <-r.bell:
		}
	}
}

// resume owns the partition at its committed positions. A partition without any is read from its begin. Its positions are committed before an
// outcome is published, so that a successor knows which records of `assets` are newer.
func (r *reader) resume() error {
	deps := &r.s.deps
	one := []int32{r.partition}
	committed, err := deps.Group.Committed(r.ctx, one)
	if err != nil {
		return err
	}
	starts, err := deps.Log.Starts(r.ctx, one)
	if err != nil {
		return err
	}
	ends, err := deps.Log.Ends(r.ctx, one)
	if err != nil {
		return err
	}
	positions := map[schemas.Topic]queue.Position{}
	first := map[schemas.Topic]map[int32]sinks.Committed{}
	for _, topic := range Topics() {
		start, known := starts[topic][r.partition]
		end, there := ends[topic][r.partition]
		if !known || !there {
			return fmt.Errorf("%s/%d does not tell where it begins and ends", deps.Log.Name(topic), r.partition)
		}
		id := deps.Log.ID(topic)
		if p, ok := r.position(topic, committed[topic], id); ok {
			positions[topic] = p
			continue
		}
		at := start
		if topic == schemas.TopicAssets && committed[topic][r.partition].Metadata == "" {
			at = end
		}
		p := queue.Position{Log: id, Next: at, End: at}
		positions[topic] = p
		put(first, queue.Place{Topic: topic, Partition: r.partition}, &p)
	}
	if len(first) > 0 {
		if err := deps.Group.Commit(r.ctx, first); err != nil {
			return err
		}
	}
	if err := r.learn(positions[schemas.TopicAssets].Next, starts[schemas.TopicAssets][r.partition]); err != nil {
		return err
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.ctx.Err() != nil {
		return nil
	}
	r.assets = positions[schemas.TopicAssets]
	delete(positions, schemas.TopicAssets)
	r.s.plan.Own(r.partition, positions, func(t schemas.Topic) bool { return t != schemas.TopicMedia })
	ring(r.bell)
	return nil
}

// position returns a committed position of the log that there is now.
func (r *reader) position(topic schemas.Topic, committed map[int32]sinks.Committed, id [16]byte) (queue.Position, bool) {
	c, ok := committed[r.partition]
	if !ok || c.Next < 0 {
		return queue.Position{}, false
	}
	p, err := queue.ParsePosition(c.Next, c.Metadata)
	if err != nil { // of another program: assets may be published again
		r.s.deps.Logger.Warn("a committed offset has metadata that cannot be read", "topic", topic.String(), "partition", r.partition, "error", err)
	}
	if none := [16]byte{}; p.Log != id && p.Log != none && id != none {
		r.s.deps.Logger.Warn("a topic was deleted and created again; the media sink reads it from its begin", "topic", topic.String(), "partition", r.partition)
		return queue.Position{}, false
	}
	p.Log = id
	return p, true
}

// learn reads which outcomes are newer than the positions.
func (r *reader) learn(from, start int64) error {
	deps := &r.s.deps
	at := max(from, start)
	for {
		ends, err := deps.Log.Ends(r.ctx, []int32{r.partition})
		if err != nil {
			return err
		}
		end, ok := ends[schemas.TopicAssets][r.partition]
		if !ok {
			return fmt.Errorf("%s/%d does not tell where it ends", deps.Log.Name(schemas.TopicAssets), r.partition)
		}
		if at >= end {
			return nil
		}
		got, err := deps.Log.Fetch(r.ctx, schemas.TopicAssets, r.partition, at, r.s.cfg.FetchBytes)
		if errors.Is(err, kafka.ErrOffsetGone) && got.LogStart > at {
			at = got.LogStart
			continue
		}
		if err != nil {
			return err
		}
		for _, rec := range got.Records {
			key, value, headers := owned(rec)
			if e, err := event.Read(schemas.TopicAssets, key, headers, value); err == nil {
				r.done[e.Asset.EventID] = true
			}
		}
		if got.Next <= at && !sinks.Pause(r.ctx, r.s.cfg.RetryMin) { // a new leader may know a part of the log only
			return r.ctx.Err()
		}
		at = max(at, got.Next)
	}
}

// read reads the records for which there is room, live ones first. A topic that cannot be read does not delay the others.
func (r *reader) read() (err error) {
	for moved := true; moved && r.ctx.Err() == nil; {
		moved, err = false, nil
		for _, topic := range plan.Topics() {
			more, why := r.readTopic(topic)
			moved, err = moved || more, errors.Join(err, why)
		}
	}
	return err
}

func (r *reader) readTopic(topic schemas.Topic) (moved bool, err error) {
	place := queue.Place{Topic: topic, Partition: r.partition}
	r.s.mu.Lock()
	at, room := r.s.plan.Wants(place)
	end, known := r.s.ends[topic][r.partition]
	r.s.mu.Unlock()
	if !known || !room || r.s.damage.Waits(topic, r.partition) {
		return false, nil
	}
	p := r.pages[topic]
	if p == nil || p.from != at {
		if at >= end {
			r.tooShort(place, at, end)
			return false, nil
		}
		if p, err = r.fetch(place, at); p == nil || err != nil {
			return false, err
		}
		r.pages[topic] = p
	}
	delete(r.short, topic)
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	n := min(len(p.items), r.s.plan.Room(place))
	to := p.next
	if n < len(p.items) {
		to = p.items[n].Offset
	}
	r.s.plan.Add(place, p.from, to, p.items[:n])
	if p.items, p.from = p.items[n:], to; len(p.items) == 0 {
		delete(r.pages, topic)
	}
	if n > 0 {
		ring(r.s.turns)
	}
	return true, nil
}

// tooShort notes that a log ends before the offset that was read.
func (r *reader) tooShort(place queue.Place, at, end int64) {
	now := r.s.deps.Now()
	switch since, ok := r.short[place.Topic]; {
	case at == end:
		delete(r.short, place.Topic)
	case !ok:
		r.short[place.Topic] = now
	case now.Sub(since) > r.s.cfg.CutPatience:
		r.gone(place, at, end, "the log was cut")
	}
}

// gone continues at another offset, because the records before it cannot be read any more.
func (r *reader) gone(place queue.Place, at, to int64, why string) {
	r.s.deps.Logger.Error("the media sink continues at another offset", "topic", place.Topic.String(), "partition", r.partition, "from", at, "to", to, "reason", why)
	r.s.m.lost.Add(float64(max(0, to-at)))
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.plan.Reset(place, to)
}

// fetch reads a page. It is nil where there is nothing to read.
func (r *reader) fetch(place queue.Place, at int64) (*page, error) {
	got, err := r.s.deps.Log.Fetch(r.ctx, place.Topic, place.Partition, at, r.s.cfg.FetchBytes)
	switch {
	case errors.Is(err, kafka.ErrOffsetGone):
		r.s.damage.Forget(r.partition, place.Topic)
		if got.LogStart > at {
			r.gone(place, at, got.LogStart, "retention removed records unread")
		}
		return nil, nil
	case errors.Is(err, kafka.ErrDamaged): // other topics are read on
		r.s.m.meter.Retries.Inc()
		r.s.damage.Found(place.Topic, r.partition, err)
		return nil, nil
	case err != nil:
		return nil, err
	}
	r.s.damage.Passed(place.Topic, r.partition, at, got.Next)
	if got.Next <= at {
		return nil, nil
	}
	p := &page{from: at, next: got.Next}
	for _, rec := range got.Records {
		if it := r.itemOf(place, rec); it != nil {
			p.items = append(p.items, it)
		}
	}
	r.s.m.read(place, len(got.Records))
	return p, nil
}

// itemOf returns the asset of a record; nil: it has none, or its outcome is published.
func (r *reader) itemOf(place queue.Place, rec *kgo.Record) *plan.Item {
	e, err := event.Read(place.Topic, rec.Key, rec.Headers, rec.Value)
	if err != nil {
		r.s.m.meter.Letters.Inc()
		r.s.deps.Logger.Error("a record is no event; the media sink skips it", "topic", place.Topic.String(), "partition", r.partition, "offset", rec.Offset, "error", err)
		return nil
	}
	if _, ok := plan.AssetOf(&e, r.s.cfg.Life); !ok || r.done[e.ID] {
		return nil
	}
	key, value, headers := owned(rec) // the fetch has memory of its own
	if e, err = event.Read(place.Topic, key, headers, value); err != nil {
		return nil
	}
	a, _ := plan.AssetOf(&e, r.s.cfg.Life)
	return &plan.Item{Offset: rec.Offset, Asset: a.Clone(), Headers: headersOf(headers)}
}

// owned copies a record, which shares its memory with all records of a fetch.
func owned(rec *kgo.Record) (key, value []byte, headers []queue.Header) {
	headers = make([]queue.Header, len(rec.Headers))
	for i, h := range rec.Headers {
		headers[i] = queue.Header{Key: h.Key, Value: slices.Clone(h.Value)}
	}
	return slices.Clone(rec.Key), slices.Clone(rec.Value), headers
}
