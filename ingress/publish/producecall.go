package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/produce"
)

// produceCall is one produce request in flight, with the queues whose batches it carries. It is reused.
type produceCall struct {
	d        *dispatcher
	produced *topicMetrics
	place    gatePlace
	request  *produceRequest // nil: the client may still use the former one
	parts    []part
	last     time.Time // the latest deadline of all records
}

type part struct {
	q     *queue
	batch *batch
	empty bool // all records have expired: it was not sent
}

func (c *produceCall) reset() {
	clear(c.parts)
	c.parts, c.last = c.parts[:0], time.Time{}
}

func (c *produceCall) add(q *queue, out outgoing) {
	c.parts = append(c.parts, part{q: q, batch: out.batch})
	if out.last.After(c.last) {
		c.last = out.last
	}
}

// do sends the request and settles its queues.
func (c *produceCall) do(ctx context.Context) {
	p := c.d.p
	began := p.now()
	res, err := c.roundTrip(ctx, began)
	c.place.release()
	acknowledged := false
	for i := range c.parts {
		partErr, base := err, int64(-1)
		switch {
		case c.parts[i].empty:
			partErr = errAllExpired
		case err == nil:
			base, partErr = partOutcome(res, c.parts[i].q.partition)
		}
		class := errorClass{}
		if partErr != nil {
			class = classify(partErr)
		} else {
			acknowledged = true
		}
		c.parts[i].q.settle(c.parts[i].batch, base, class, partErr)
	}
	if acknowledged {
		c.produced.latency.Observe(p.now().Sub(began).Seconds())
		p.health.succeeded()
	}
	c.reset()
	if c.request != nil {
		c.request.trim()
	}
	c.d.calls.Put(c)
}

// errAllExpired: all records of a batch reached their deadlines before the batch was encoded.
var errAllExpired = errors.New("all records of the batch have expired")

// roundTrip sends the request and reads the answer. The answer belongs to the request and is valid until the next one.
func (c *produceCall) roundTrip(ctx context.Context, now time.Time) (*produce.Response, error) {
	p := c.d.p
	timeout := min(p.cfg.ProduceTimeout, c.last.Sub(now))
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := c.encode(timeout); err != nil {
		return nil, err
	}
	m, err := p.client.Transport.RoundTrip(ctx, p.client.Addr, c.request)
	if err != nil {
		c.request = nil // the client may still read it
		return nil, err
	}
	res, ok := m.(*produce.Response)
	if !ok {
		return nil, fmt.Errorf("the broker answered a produce request with %T", m)
	}
	return res, nil
}

// encode makes the request.
func (c *produceCall) encode(timeout time.Duration) error {
	if c.request == nil {
		c.request = new(produceRequest)
	}
	r, codec, room := c.request, c.d.codec, 0
	if codec.codec == 0 {
		for i := range c.parts {
			room += partitionBytes + c.parts[i].batch.room()
		}
	}
	// The broker waits for its replicas for half of the time. The rest is left for the answer.
	r.begin(c.d.p.cfg.ClientID, c.d.topic, timeout/2, room)
	for i := range c.parts {
		some, err := r.add(c.parts[i].q.partition, c.parts[i].batch, codec)
		if err != nil {
			return err
		}
		c.parts[i].empty = !some
	}
	if len(r.partitions) == 0 {
		return errAllExpired
	}
	r.end()
	return nil
}

// partOutcome returns the outcome of a partition and the offset of the first record of its batch.
func partOutcome(res *produce.Response, partition int32) (base int64, err error) {
	for i := range res.Topics {
		for j := range res.Topics[i].Partitions {
			p := &res.Topics[i].Partitions[j]
			switch {
			case p.Partition != partition:
			case p.ErrorCode != 0 && p.ErrorMessage != "":
				return -1, fmt.Errorf("%w: %s", kafka.Error(p.ErrorCode), p.ErrorMessage)
			case p.ErrorCode != 0:
				return -1, kafka.Error(p.ErrorCode)
			case len(p.RecordErrors) != 0:
				return -1, fmt.Errorf("%d records of the batch: %w", len(p.RecordErrors), kafka.InvalidRecord)
			default:
				return p.BaseOffset, nil
			}
		}
	}
	return -1, fmt.Errorf("the answer does not name the partition: %w", kafka.Unknown)
}
