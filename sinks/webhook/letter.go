package webhook

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

// Letters keeps the events that an endpoint did not take.
type Letters interface {
	// Keep returns when a letter is durable. The brokers may have it twice after an error.
	Keep(ctx context.Context, endpoint string, l *queue.Letter, at time.Time) error
}

// KafkaLetters writes letters into `dlq`, into the partition of the event. They have a kind of their own: a letter of a webhook is an event, which
// must not enter the raw log again.
type KafkaLetters struct {
	cl     *kgo.Client
	prefix string
}

// NewKafkaLetters connects. The caller closes it.
func NewKafkaLetters(conn kafka.Connection, prefix string, recordBytesMax int32) (*KafkaLetters, error) {
	if err := conn.Validate(); err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(conn.Franz(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchMaxBytes(recordBytesMax),
		kgo.ProducerBatchCompression(kgo.SnappyCompression()), kgo.RecordDeliveryTimeout(30*time.Second))...)
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", conn.Brokers, err)
	}
	return &KafkaLetters{cl: cl, prefix: prefix}, nil
}

// Close closes the connections.
func (k *KafkaLetters) Close() { k.cl.Close() }

// Keep is as Letters has it.
func (k *KafkaLetters) Keep(ctx context.Context, endpoint string, l *queue.Letter, at time.Time) error {
	r := &kgo.Record{Topic: schemas.TopicDLQ.Name(k.prefix), Partition: l.Partition, Key: l.Event.Key, Value: l.Event.Value}
	for _, h := range l.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader(h))
	}
	for _, h := range []struct{ key, value string }{
		{schemas.HeaderDLQTopic, l.Topic.String()},
		{schemas.HeaderDLQPartition, strconv.Itoa(int(l.Partition))},
		{schemas.HeaderDLQOffset, strconv.FormatInt(l.Offset, 10)},
		{schemas.HeaderDLQReason, string(l.Reason)},
		{schemas.HeaderDLQMessage, l.Why},
		{schemas.HeaderDLQTime, strconv.FormatInt(at.UnixMilli(), 10)},
		{schemas.HeaderWebhookEndpoint, endpoint},
	} {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.key, Value: []byte(h.value)})
	}
	if err := k.cl.ProduceSync(ctx, r).FirstErr(); err != nil {
		return fmt.Errorf("write a letter of the endpoint %s to %s/%d: %w", endpoint, r.Topic, r.Partition, err)
	}
	return nil
}

// Resent notes that letters were sent again.
func (k *KafkaLetters) Resent(ctx context.Context, partition int32, offset int64) error {
	r := &kgo.Record{Topic: schemas.TopicDLQ.Name(k.prefix), Partition: partition, Headers: []kgo.RecordHeader{
		{Key: schemas.HeaderWebhookResent, Value: []byte(fmt.Sprintf("%d/%d", partition, offset))},
	}}
	if err := k.cl.ProduceSync(ctx, r).FirstErr(); err != nil {
		return fmt.Errorf("note in %s/%d that the letter %d was sent again: %w", r.Topic, partition, offset, err)
	}
	return nil
}
