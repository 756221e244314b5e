package webhook

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
	"github.com/coexstream/coexstream/sinks/webhook/envelope"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// reader reads one partition for one endpoint. Only run uses the fields that are not under the courier's mu.
type reader struct {
	c         *courier
	partition int32
	bell      bell // rings when there is more to read, or room for it
	ctx       context.Context
	cancel    context.CancelFunc
	ended     chan struct{}
	drained   sync.WaitGroup // requests in flight

	pages map[schemas.Topic]*page
	short map[schemas.Topic]time.Time // since when a log seems too short
	owned map[schemas.Topic]bool      // it has a position

	blocked map[schemas.Topic]error // under mu
	marks   map[string]*mark        // under mu, by lane
}

// page has fetched records of a topic that are not queued yet.
type page struct {
	e          *Endpoint // whose filter was applied
	from, next int64
	items      []*queue.Item
}

func newReader(c *courier, partition int32) *reader {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{
		c: c, partition: partition, bell: newBell(), ctx: ctx, cancel: cancel, ended: make(chan struct{}),
		pages: map[schemas.Topic]*page{}, short: map[schemas.Topic]time.Time{}, owned: map[schemas.Topic]bool{}, blocked: map[schemas.Topic]error{}, marks: map[string]*mark{},
	}
	now := c.s.deps.Now()
	for _, lane := range sinks.Lanes() {
		r.marks[lane] = &mark{at: now}
	}
	r.bell.ring()
	return r
}

func (r *reader) run() {
	defer close(r.ended)
	for failures := 1; ; failures++ {
		err := r.resume(sinks.TableTopics())
		r.note(stepPositions, err)
		if err == nil {
			break
		}
		if !sinks.Pause(r.ctx, min(r.c.s.cfg.delay(failures), r.c.s.cfg.CutPatience)) {
			return
		}
	}
	failures := 0
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-r.bell:
		}
		err := r.read()
		if r.ctx.Err() != nil {
			return
		}
		r.note(stepRead, err)
		if err == nil {
			failures = 0
			continue
		}
		failures++
		if !sinks.Pause(r.ctx, min(r.c.s.cfg.delay(failures), r.c.s.cfg.CutPatience)) {
			return
		}
		r.bell.ring()
	}
}

// The steps of a reader that can fail.
const (
	stepPositions = "positions"
	stepRead      = "read"
)

func (r *reader) kind(step string) string {
	return fmt.Sprintf("%s of partition %d", step, r.partition)
}

// note notes that a step fails, or works again.
func (r *reader) note(step string, err error) { r.c.note(r.kind(step), err) }

// forget removes the failures of a partition that belongs to another process now. The caller holds the courier's mu.
func (r *reader) forget() {
	delete(r.c.broken, r.kind(stepPositions))
	delete(r.c.broken, r.kind(stepRead))
}

// resume owns topics of the partition at their committed positions. Without any, it begins where the endpoint says. A topic that may be missing is
// owned when it is there.
func (r *reader) resume(topics []schemas.Topic) error {
	deps := &r.c.s.deps
	committed, err := r.c.group.Committed(r.ctx, []int32{r.partition})
	if err != nil {
		return err
	}
	starts, err := deps.Log.Starts(r.ctx, []int32{r.partition})
	if err != nil {
		return err
	}
	ends, err := deps.Log.Ends(r.ctx, []int32{r.partition})
	if err != nil {
		return err
	}
	e := r.c.endpoint()
	positions := map[schemas.Topic]queue.Position{}
	fresh := false
	for _, topic := range topics {
		start, known := starts[topic][r.partition]
		end, there := ends[topic][r.partition]
		if sinks.Optional(topic) && (!known || !there || committed[topic] == nil) {
			continue
		}
		if !known || !there {
			return fmt.Errorf("%s/%d does not tell where it begins and ends", deps.Log.Name(topic), r.partition)
		}
		id := deps.Log.ID(topic)
		at := start
		if e.Start == StartEnd {
			at = end
		}
		if c, ok := committed[topic][r.partition]; ok && c.Next >= 0 {
			p, err := queue.ParsePosition(c.Next, c.Metadata)
			if err != nil { // of another program: later events may be sent again
				deps.Logger.Warn("a committed offset has metadata that cannot be read", "topic", topic.String(), "partition", r.partition, "error", err)
			}
			none := [16]byte{}
			if p.Log == id || p.Log == none || id == none {
				p.Log = id
				positions[topic] = p
				continue
			}
			if e.Missing == MissingStop {
				r.block(topic, c.Next, "the topic was deleted and made again, so that offsets do not mean what they meant")
				continue
			}
			at = start
		}
		fresh = true
		positions[topic] = queue.Position{Log: id, Next: at, End: at}
	}
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.ctx.Err() != nil {
		return nil
	}
	for topic := range positions {
		r.owned[topic] = true
	}
	r.c.q.Own(r.partition, positions, func(t schemas.Topic) bool { return !sinks.Backlog(t) }, fresh)
	r.c.commits.ring()
	return nil
}

// block notes why a topic is not read on, and how it can be.
func (r *reader) block(topic schemas.Topic, next int64, why string) {
	err := fmt.Errorf("%s/%d@%d: %s; `missing: %s` of the endpoint continues with the existing records", r.c.s.deps.Log.Name(topic), r.partition, next, why, MissingContinue)
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.blocked[topic] == nil {
		r.c.s.deps.Logger.Error("the webhook sink does not read this topic on", "endpoint", r.c.e.Name, "reason", err)
	}
	r.blocked[topic] = err
}

func (r *reader) unblock(topic schemas.Topic) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	delete(r.blocked, topic)
}

// read reads the records for which there is room, live ones first. A topic that cannot be read does not delay the others.
func (r *reader) read() (err error) {
	for moved := true; moved && r.ctx.Err() == nil; {
		moved, err = false, nil
		for _, topic := range sinks.TableTopics() {
			if sinks.Backlog(topic) && moved {
				break
			}
			if _, there := r.c.s.end(queue.Place{Topic: topic, Partition: r.partition}); there && sinks.Optional(topic) && !r.owned[topic] {
				err = errors.Join(err, r.resume([]schemas.Topic{topic}))
			}
			more, why := r.readTopic(topic)
			moved, err = moved || more, errors.Join(err, why)
		}
	}
	return err
}

func (r *reader) readTopic(topic schemas.Topic) (moved bool, err error) {
	place := queue.Place{Topic: topic, Partition: r.partition}
	end, known := r.c.s.end(place)
	r.c.mu.Lock()
	e := r.c.e
	at, room := r.c.q.Wants(place)
	r.c.mu.Unlock()
	if !known || !e.Enabled {
		return false, nil
	}
	if !e.topics[topic] {
		r.c.mu.Lock()
		r.c.q.Skip(place, end)
		r.c.mu.Unlock()
		delete(r.pages, topic)
		r.c.damage.Forget(r.partition, topic)
		return false, nil
	}
	if !room || r.c.damage.Waits(topic, r.partition) {
		return false, nil
	}
	p := r.pages[topic]
	if p != nil && p.e != e {
		p = nil
	}
	if p != nil && at > p.from && at < p.next { // a former process delivered the records between
		p.items = slices.DeleteFunc(p.items, func(it *queue.Item) bool { return it.Offset < at })
		p.from = at
	}
	if p == nil || p.from != at {
		if at >= end {
			r.tooShort(topic, at, end)
			return false, nil
		}
		if p, err = r.fetch(e, place, at); p == nil || err != nil {
			return false, err
		}
		r.pages[topic] = p
	}
	delete(r.short, topic)
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if p.e != r.c.e { // the filter changed while the page was fetched
		delete(r.pages, topic)
		return true, nil
	}
	n := min(len(p.items), r.c.q.Room(place))
	to := p.next
	if n < len(p.items) {
		to = p.items[n].Offset
	}
	if !r.c.q.Add(place, p.from, to, p.items[:n], r.c.s.deps.Now()) {
		delete(r.pages, topic)
		return true, nil
	}
	if p.items, p.from = p.items[n:], to; len(p.items) == 0 {
		delete(r.pages, topic)
	}
	r.c.dispatches.ring()
	r.c.letters.ring()
	return true, nil
}

// tooShort notes that a log ends before the offset that was read.
func (r *reader) tooShort(topic schemas.Topic, at, end int64) {
	now := r.c.s.deps.Now()
	switch since, ok := r.short[topic]; {
	case at == end:
		delete(r.short, topic)
	case !ok:
		r.short[topic] = now
	case now.Sub(since) > r.c.s.cfg.CutPatience:
		r.gone(topic, at, end, fmt.Sprintf("the log ends at %d: it was cut, and new records may stand where others stood", end))
	}
}

// gone acts on records that the log does not hold: it stops, or continues at an offset where the endpoint says so.
func (r *reader) gone(topic schemas.Topic, at, to int64, why string) {
	if r.c.endpoint().Missing == MissingStop {
		r.block(topic, at, why)
		return
	}
	r.c.s.deps.Logger.Warn("the webhook sink continues behind records that are gone", "topic", topic.String(), "partition", r.partition, "from", at, "to", to, "reason", why)
	r.c.mu.Lock()
	r.c.q.Reset(queue.Place{Topic: topic, Partition: r.partition}, to)
	r.c.mu.Unlock()
	r.unblock(topic)
}

// fetch reads a page. It is nil where there is nothing to read.
func (r *reader) fetch(e *Endpoint, place queue.Place, at int64) (*page, error) {
	got, err := r.c.s.deps.Log.Fetch(r.ctx, place.Topic, place.Partition, at, r.c.s.cfg.FetchBytes)
	if errors.Is(err, kafka.ErrOffsetGone) {
		r.c.damage.Forget(r.partition, place.Topic)
	}
	switch {
	case errors.Is(err, kafka.ErrOffsetGone) && got.LogStart > at:
		r.gone(place.Topic, at, got.LogStart, fmt.Sprintf("retention removed the records before %d unread", got.LogStart))
		return nil, nil
	case errors.Is(err, kafka.ErrOffsetGone):
		return nil, nil // the end says whether it was cut
	case errors.Is(err, kafka.ErrDamaged): // other topics are read on
		r.c.m.meter.Retries.Inc()
		r.c.damage.Found(place.Topic, r.partition, err)
		return nil, nil
	case err != nil:
		return nil, err
	}
	r.unblock(place.Topic)
	r.c.damage.Passed(place.Topic, r.partition, at, got.Next)
	if got.Next <= at {
		return nil, nil
	}
	p := &page{e: e, from: at, next: got.Next}
	for _, rec := range got.Records {
		if it := itemOf(e, place, rec); it != nil {
			p.items = append(p.items, it)
		}
	}
	return p, nil
}

// itemOf is a record as the queue has it; nil where the endpoint does not take it.
func itemOf(e *Endpoint, place queue.Place, rec *kgo.Record) *queue.Item {
	it := &queue.Item{
		Place: place, Offset: rec.Offset, Live: !sinks.Backlog(place.Topic), Bytes: len(rec.Key) + len(rec.Value) + 512,
	}
	key, value, headers := owned(rec)
	ev, err := event.Read(place.Topic, key, headers, value)
	it.Event, it.Headers = ev, headers
	if err != nil {
		it.Bad, it.Reason = err.Error(), queue.ReasonInvalid
		it.Event.Key, it.Event.Value = key, value
	} else if it.Business = envelope.Business(&ev); !takes(e, it) {
		return nil
	}
	return it
}

// owned copies a record, which shares its memory with all records of a fetch: an item must not keep these.
func owned(rec *kgo.Record) (key, value []byte, headers []queue.Header) {
	n := len(rec.Key) + len(rec.Value)
	for _, h := range rec.Headers {
		n += len(h.Value)
	}
	b := make([]byte, 0, n)
	add := func(part []byte) []byte {
		if len(part) == 0 {
			return nil
		}
		b = append(b, part...)
		return b[len(b)-len(part) : len(b) : len(b)]
	}
	headers = make([]queue.Header, len(rec.Headers))
	for i, h := range rec.Headers {
		headers[i] = queue.Header{Key: h.Key, Value: add(h.Value)}
	}
	return add(rec.Key), add(rec.Value), headers
}

// takes reports whether the endpoint takes an item, and notes why its format cannot represent it.
func takes(e *Endpoint, it *queue.Item) bool {
	if !e.Takes(&it.Event) {
		return false
	}
	if e.Format == FormatMeta {
		if err := envelope.CheckMeta(&it.Event); err != nil {
			it.Bad, it.Reason = err.Error(), queue.ReasonNoFormat
		}
	}
	return true
}
