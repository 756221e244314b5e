package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/sinks/webhook/envelope"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// Letter is an event that an endpoint did not get.
type Letter struct {
	Endpoint  string
	Partition int32
	Offset    int64 // in `dlq`
	Topic     string
	At        int64 // offset in Topic, in the same partition
	Reason    queue.Reason
	Answer    string
	Time      time.Time
	Business  string // empty: the record is no event
	Resent    bool

	record *kgo.Record
}

// LetterBook collects the letters of webhooks in `dlq`. Records of a partition are added in the order of its log.
type LetterBook struct {
	letters map[place]*Letter
	events  map[eventPlace]*Letter
}

type place struct {
	partition int32
	offset    int64
}

type eventPlace struct {
	endpoint, topic string
	place
}

// NewLetterBook knows of no letter yet.
func NewLetterBook() *LetterBook {
	return &LetterBook{letters: map[place]*Letter{}, events: map[eventPlace]*Letter{}}
}

// Add takes a record of `dlq`. Dead letters of the processor are skipped. Of two letters about one event, which a kill can cause, the first one
// counts.
func (b *LetterBook) Add(r *kgo.Record) {
	values := map[string]string{}
	for _, h := range r.Headers {
		values[h.Key] = string(h.Value)
	}
	if at := values[schemas.HeaderWebhookResent]; at != "" {
		var p place
		if _, err := fmt.Sscanf(at, "%d/%d", &p.partition, &p.offset); err == nil && b.letters[p] != nil {
			b.letters[p].Resent = true
		}
		return
	}
	endpoint := values[schemas.HeaderWebhookEndpoint]
	if endpoint == "" {
		return
	}
	number := func(key string) int64 {
		n, _ := strconv.ParseInt(values[key], 10, 64) // 0: another program wrote it
		return n
	}
	l := &Letter{
		Endpoint: endpoint, Partition: r.Partition, Offset: r.Offset, Topic: values[schemas.HeaderDLQTopic], At: number(schemas.HeaderDLQOffset),
		Reason: queue.Reason(values[schemas.HeaderDLQReason]), Answer: values[schemas.HeaderDLQMessage], Time: time.UnixMilli(number(schemas.HeaderDLQTime)), record: r,
	}
	if ev, err := l.event(); err == nil {
		l.Business = envelope.Business(&ev)
	}
	at := eventPlace{endpoint, l.Topic, place{r.Partition, l.At}}
	if was := b.events[at]; was != nil && !was.Resent {
		b.letters[place{r.Partition, r.Offset}] = was
		return
	}
	b.events[at] = l
	b.letters[place{r.Partition, r.Offset}] = l
}

func (l *Letter) event() (event.Event, error) {
	topic, ok := schemas.ParseTopic(l.Topic)
	if !ok {
		return event.Event{}, errors.New("its topic is not known")
	}
	return event.Read(topic, l.record.Key, l.record.Headers, l.record.Value)
}

// Letters lists the letters of endpoints, all where none is named: those of a business in the order in which their events stand in the topics.
func (b *LetterBook) Letters(endpoints ...string) []*Letter {
	var all []*Letter
	for _, l := range b.events {
		if len(endpoints) == 0 || slices.Contains(endpoints, l.Endpoint) {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(x, y *Letter) int {
		return cmp.Or(cmp.Compare(x.Endpoint, y.Endpoint), cmp.Compare(x.Partition, y.Partition), cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.At, y.At))
	})
	return all
}
