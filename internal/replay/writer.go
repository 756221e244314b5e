package replay

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas/segment"
)

// writer writes copies to one topic, in order, and says when all are durable.
type writer struct {
	topic     string
	client    *kafkago.Client
	transport *kafkago.Transport

	most    atomic.Int64 // bytes of a batch
	pending map[int32][]kafkago.Record
	bodies  int
	bytes   int64
}

func newWriter(conn *kafka.Connection, topic string) *writer {
	t := conn.Transport(topic)
	w := &writer{
		topic: topic, transport: t, pending: map[int32][]kafkago.Record{},
		client: &kafkago.Client{Addr: conn.Address(), Timeout: produceTimeout, Transport: t},
	}
	w.most.Store(requestBytes)
	return w
}

const produceTimeout = 30 * time.Second

func (w *writer) close() { w.transport.CloseIdleConnections() }

func (w *writer) add(p Placed) {
	r := kafkago.Record{Time: p.Time, Headers: make([]kafkago.Header, 0, len(p.Headers))}
	if len(p.Key) > 0 {
		r.Key = kafkago.NewBytes(p.Key)
	}
	if p.Value != nil {
		r.Value = kafkago.NewBytes(p.Value)
	}
	for _, h := range p.Headers {
		r.Headers = append(r.Headers, kafkago.Header(h))
	}
	w.pending[p.Partition] = append(w.pending[p.Partition], r)
	w.bodies++
	w.bytes += int64(len(p.Value))
}

// flush writes the added copies. A missing acknowledgement may hide a success; the processor drops records that are
// written again.
func (w *writer) flush(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for partition, records := range w.pending {
		g.Go(func() error { return w.produce(ctx, partition, records) })
	}
	err := g.Wait()
	clear(w.pending)
	w.bodies, w.bytes = 0, 0
	return err
}

func (w *writer) produce(ctx context.Context, partition int32, records []kafkago.Record) error {
	// A request stays well below the brokers' limit: the limit of a record batch is found out.
	for len(records) > 0 {
		n, bytes := 0, int64(0)
		for most := w.most.Load(); n < len(records) && (n == 0 || bytes+size(&records[n]) <= most); n++ {
			bytes += size(&records[n])
		}
		_, err := w.batch(ctx, partition, records[:n])
		switch {
		case err == nil:
		case kafka.TooLarge(err) && n > 1:
			w.most.Store(bytes / 2)
			continue
		case kafka.TooLarge(err):
			if err := w.segments(ctx, partition, &records[0]); err != nil {
				return err
			}
		default:
			return err
		}
		records = records[n:]
	}
	return nil
}

// segments writes one record that is longer than the topic takes.
func (w *writer) segments(ctx context.Context, partition int32, r *kafkago.Record) error {
	kafka.Rewind(r.Value)
	body, err := io.ReadAll(r.Value)
	if err != nil {
		return fmt.Errorf("produce to %s/%d: %w", w.topic, partition, err)
	}
	_, err = kafka.Segmented(body, min(requestBytes, len(body)/2), func(value []byte, place []segment.Header) (int64, error) {
		part := *r
		part.Value = kafkago.NewBytes(value)
		part.Headers = slices.Clone(r.Headers)
		for _, h := range place {
			part.Headers = append(part.Headers, kafkago.Header(h))
		}
		return w.batch(ctx, partition, []kafkago.Record{part})
	})
	return err
}

const requestBytes = 900 << 10

func size(r *kafkago.Record) int64 {
	if r.Value == nil {
		return 0
	}
	kafka.Rewind(r.Value) // a failed attempt may have read some of it
	return int64(r.Value.Len())
}

// batch returns the offset of the first record.
func (w *writer) batch(ctx context.Context, partition int32, records []kafkago.Record) (int64, error) {
	return kafka.Produce(ctx, w.client, w.topic, partition, kafkago.Zstd, records)
}
