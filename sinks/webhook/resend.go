package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/webhook/envelope"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// Selection chooses events to send again. Empty fields choose all.
type Selection struct {
	From, Until time.Time // when the webhook was received; Until is left out
	WABAs       []string
	WAMIDs      []string
}

func (s *Selection) takes(it *queue.Item) bool {
	at := time.UnixMilli(it.Event.ReceivedAt)
	if it.Event.ReceivedAt == 0 {
		at = it.Event.Time
	}
	switch {
	case !s.From.IsZero() && at.Before(s.From), !s.Until.IsZero() && !at.Before(s.Until):
		return false
	case len(s.WABAs) > 0 && !slices.Contains(s.WABAs, envelope.Business(&it.Event)):
		return false
	case len(s.WAMIDs) == 0:
		return true
	}
	m := it.Event.Message
	return m != nil && (slices.Contains(s.WAMIDs, m.WAMID) || slices.Contains(s.WAMIDs, m.OriginalWAMID))
}

// Resender sends events again, one request at a time, with the ids that they had.
type Resender struct {
	e      *Endpoint
	client *client
	delay  func(int) time.Duration
}

// NewResender sends to an endpoint. The caller closes it.
func NewResender(e *Endpoint, name string, now func() time.Time) *Resender {
	c := DefaultConfig()
	c.RetryMax = 30 * time.Second
	return &Resender{e: e, client: newClient(e, name, now, nil), delay: c.delay}
}

// Close closes the connections.
func (r *Resender) Close() { r.client.idle() }

// Event returns the item of a record that the selection takes, and the endpoint; nil: they do not.
func (r *Resender) Event(topic schemas.Topic, rec *kgo.Record, s *Selection) *queue.Item {
	it := itemOf(r.e, queue.Place{Topic: topic, Partition: rec.Partition}, rec)
	if it == nil || it.Bad != "" || !s.takes(it) {
		return nil
	}
	return it
}

// ErrAway means that the endpoint does not work, so that other events need not be tried.
var ErrAway = errors.New("the endpoint does not work")

// Send sends an event. It tries again as the sink does, and gives up after the endpoint's attempts_max: with ErrAway, unless the endpoint refused
// the event.
func (r *Resender) Send(ctx context.Context, it *queue.Item) error {
	for attempt := 1; ; attempt++ {
		a := r.client.send(ctx, r.e, []*queue.Item{it}, attempt-1)
		if queue.Judge(a) == queue.Delivered {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if fate := queue.Judge(a); fate == queue.Gone || attempt >= r.e.AttemptsMax {
			err := fmt.Errorf("%s/%d@%d was not taken: %s", it.Topic, it.Partition, it.Offset, a.Why)
			if fate != queue.Refused {
				err = fmt.Errorf("%w: %w", ErrAway, err)
			}
			return err
		}
		if !sinks.Pause(ctx, max(r.delay(attempt), min(a.RetryAfter, queue.RetryAfterMax))) {
			return ctx.Err()
		}
	}
}

// Letter returns the event of a letter. An error means that it can never be sent to the endpoint.
func (r *Resender) Letter(l *Letter) (*queue.Item, error) {
	ev, err := l.event()
	if err != nil {
		return nil, fmt.Errorf("letter %d/%d cannot be sent: %w", l.Partition, l.Offset, err)
	}
	it := &queue.Item{Place: queue.Place{Topic: ev.Topic, Partition: l.Partition}, Offset: l.At, Event: ev}
	for _, h := range l.record.Headers {
		it.Headers = append(it.Headers, queue.Header(h))
	}
	if r.e.Format == FormatMeta && (!envelope.HasMeta(&ev) || envelope.CheckMeta(&ev) != nil) {
		return nil, fmt.Errorf("letter %d/%d cannot be sent: %w", l.Partition, l.Offset, envelope.ErrForeign)
	}
	return it, nil
}

// TopicNames are the full names of the topics that an endpoint gets, in which live ones come first.
func (e *Endpoint) TopicNames(prefix string) (names []string) {
	for _, topic := range sinks.TableTopics() {
		if e.topics[topic] {
			names = append(names, topic.Name(prefix))
		}
	}
	return names
}

// TopicOf is the topic of a full name.
func TopicOf(name, prefix string) (schemas.Topic, bool) {
	for _, topic := range sinks.TableTopics() {
		if topic.Name(prefix) == name {
			return topic, true
		}
	}
	return 0, false
}
