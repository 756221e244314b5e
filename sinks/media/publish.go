package media

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks"
	"github.com/coexstream/coexstream/sinks/media/plan"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// kept are the headers of an event that the record of its asset has, too.
var kept = []string{schemas.HeaderCESource, schemas.HeaderOrigin, schemas.HeaderReceivedAt, schemas.HeaderSource, schemas.HeaderReplay}

// headersOf returns the headers that are needed later.
func headersOf(all []queue.Header) (some []queue.Header) {
	for _, name := range kept {
		for _, h := range all {
			if h.Key == name {
				some = append(some, h)
			}
		}
	}
	return some
}

// record is the record of an outcome.
func record(prefix func(schemas.Topic) string, it *plan.Item, a *schemas.Asset) *kgo.Record {
	rest := a.WAMID
	if rest == "" {
		rest = a.EventID
	}
	rec := &kgo.Record{
		Topic: prefix(schemas.TopicAssets), Partition: it.Partition, Key: []byte(a.PhoneNumberID + "/" + rest), Value: a.AppendJSON(nil),
	}
	add := func(key, value string) {
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	add(schemas.HeaderCESpecVersion, schemas.CESpecVersion)
	add(schemas.HeaderCEID, schemas.AssetEventID(a.EventID).Hex())
	add(schemas.HeaderCEType, schemas.TypeAsset)
	add(schemas.HeaderCETime, a.At.Format(time.RFC3339Nano))
	if a.WAMID != "" {
		add(schemas.HeaderCESubject, a.WAMID)
	}
	add("content-type", "application/json")
	for _, h := range it.Headers {
		rec.Headers = append(rec.Headers, kgo.RecordHeader(h))
	}
	return rec
}

// publish writes the outcome of an asset. It gives up if the partition is given away before the record is sent.
func (r *reader) publish(it *plan.Item, a *schemas.Asset) {
	s := r.s
	rec := record(s.deps.Log.Name, it, a)
	r.publishing.Lock()
	defer r.publishing.Unlock()
	for failures := 1; ; failures++ {
		for !s.deps.Group.Leased(s.deps.Now()) {
			if !sinks.Pause(r.ctx, s.cfg.Poll) {
				return
			}
		}
		if r.ctx.Err() != nil {
			return
		}
		// The end of the partition waits a little: a record that was sent must not be written after the successor has read the topic.
		ctx, cancel := context.WithCancel(context.WithoutCancel(r.ctx))
		stop := context.AfterFunc(r.ctx, func() { time.AfterFunc(s.cfg.CutPatience, cancel) })
		offset, err := s.deps.Publisher.Publish(ctx, rec)
		stop()
		cancel()
		s.note(stepPublish, err)
		if err == nil {
			s.mu.Lock()
			s.plan.Published(it)
			r.assets.Next = max(r.assets.Next, offset+1)
			r.assets.End = r.assets.Next
			s.mu.Unlock()
			s.m.finished(it, a)
			if a.State != schemas.AssetStored {
				s.deps.Logger.Warn("an asset is missing", "topic", it.Topic.String(), "partition", it.Partition, "offset", it.Offset, "reason", a.Reason, "detail", a.Detail)
			}
			ring(r.bell)
			return
		}
		if !sinks.Pause(r.ctx, s.pause(failures)) {
			return
		}
	}
}

// KafkaPublisher writes to a cluster.
type KafkaPublisher struct{ cl *kgo.Client }

// NewKafkaPublisher connects. The caller closes it.
func NewKafkaPublisher(conn kafka.Connection) (*KafkaPublisher, error) {
	if err := conn.Validate(); err != nil {
		return nil, err
	}
	// Records are repeated until they are written, and have one sequence number then: no timeout of the delivery is set.
	cl, err := kgo.NewClient(append(conn.Franz(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchCompression(kgo.SnappyCompression()))...)
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", conn.Brokers, err)
	}
	return &KafkaPublisher{cl}, nil
}

// Close closes the connections.
func (k *KafkaPublisher) Close() { k.cl.Close() }

// Publish implements Publisher.
func (k *KafkaPublisher) Publish(ctx context.Context, r *kgo.Record) (int64, error) {
	copied := *r // the client fills it
	if err := k.cl.ProduceSync(ctx, &copied).FirstErr(); err != nil {
		return 0, fmt.Errorf("write to %s/%d: %w", r.Topic, r.Partition, err)
	}
	return copied.Offset, nil
}
