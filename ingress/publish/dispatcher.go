package publish

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/produce"
)

// dispatcher sends the queues of one topic. Queues that have something to send at the same moment, and
// whose partitions have the same leader, travel in one request. A request costs as much as dozens of records, and a
// broker that acknowledges within a fraction of a millisecond would otherwise get one for each handful.
type dispatcher struct {
	p      *Publisher
	topic  string
	codec  *compressor
	limit  *atomic.Int64 // of a batch, see Publisher.limits
	runway runway

	queues []*queue // by partition

	mu    sync.Mutex
	ready []*queue // in the order of their reports

	kick chan struct{} // capacity 1: something is ready

	// Of run alone:
	leaders   []int32 // by partition; -1 when not known
	leadersAt time.Time
	scratch   []*queue
	shipments sync.Pool // *shipment
}

// requestBytesMax bounds a request of several partitions, far below what brokers take
// (socket.request.max.bytes, 100 MiB).
const requestBytesMax = 8 << 20

func newDispatcher(p *Publisher, topic string, codec kafka.Compression, limit *atomic.Int64, partitions int, produced *topicMetrics) *dispatcher {
	d := &dispatcher{
		p: p, topic: topic, codec: newCompressor(codec), limit: limit, runway: newRunway(partitions),
		kick:    make(chan struct{}, 1),
		leaders: make([]int32, partitions),
	}
	for i := range partitions {
		d.queues = append(d.queues, &queue{p: p, d: d, partition: int32(i), produced: produced})
	}
	d.shipments.New = func() any { return &shipment{d: d, produced: produced, takeoff: takeoff{on: d.runway}} }
	return d
}

// report takes note that a queue has something to send.
func (d *dispatcher) report(q *queue) {
	d.mu.Lock()
	d.ready = append(d.ready, q)
	d.mu.Unlock()
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// run sends until done is closed, which must not be before all queues are idle. ctx cuts off what is
// in flight.
func (d *dispatcher) run(ctx context.Context, done <-chan struct{}) {
	var flying sync.WaitGroup
	defer flying.Wait()
	// A flight is taken by a goroutine that has flown before, if one is free: its stack has grown already.
	free := make(chan *shipment)
	defer close(free)
	for {
		select {
		case <-d.kick:
		case <-done:
			return
		}
		for {
			d.mu.Lock()
			empty := len(d.ready) == 0
			d.mu.Unlock()
			if empty {
				break
			}
			s := d.shipments.Get().(*shipment)
			s.takeoff.begin() // meanwhile, the queues fill, and others get ready
			if !d.loadTo(ctx, s) {
				s.takeoff.end()
				d.shipments.Put(s)
				continue
			}
			select {
			case free <- s:
			default:
				flying.Go(func() {
					s.fly(ctx)
					for s := range free {
						s.fly(ctx)
					}
				})
			}
		}
	}
}

// loadTo fills a shipment with what is ready for the leader of the first ready queue. It is false when
// there was nothing after all.
func (d *dispatcher) loadTo(ctx context.Context, s *shipment) bool {
	now := d.p.now()
	d.refresh(ctx, now)
	d.mu.Lock()
	d.scratch = append(d.scratch[:0], d.ready...)
	clear(d.ready)
	d.ready = d.ready[:0]
	d.mu.Unlock()

	s.reset()
	bytes, leader, full := int64(0), int32(-1), false
	for _, q := range d.scratch {
		its := d.leaders[q.partition]
		// What has failed travels alone: it tells whose fault it was, and nobody else is held up.
		alone := its < 0 || q.failed()
		if full || len(s.parts) > 0 && (alone || its != leader) {
			d.report(q)
			continue
		}
		c, ok := q.load(now)
		if !ok {
			continue
		}
		s.add(q, c)
		bytes, leader = bytes+c.bytes, its
		full = alone || bytes >= requestBytesMax
	}
	clear(d.scratch)
	return len(s.parts) > 0
}

// refresh keeps the leaders as fresh as the client's own metadata, from which it takes them.
func (d *dispatcher) refresh(ctx context.Context, now time.Time) {
	if now.Sub(d.leadersAt) < metadataTTL {
		return
	}
	d.leadersAt = now
	for i := range d.leaders {
		d.leaders[i] = -1
	}
	res, err := d.p.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{d.topic}})
	if err != nil || len(res.Topics) != 1 {
		return // without leaders each partition travels alone, which is no more than slow
	}
	for _, partition := range res.Topics[0].Partitions {
		if partition.ID < len(d.leaders) && partition.Leader.Host != "" {
			d.leaders[partition.ID] = int32(partition.Leader.ID)
		}
	}
}

// shipment is one produce request, and the queues that it is for. It is reused.
type shipment struct {
	d        *dispatcher
	produced *topicMetrics
	takeoff  takeoff
	request  *produceRequest // nil: the client has the last one
	parts    []part
	last     time.Time
}

type part struct {
	q     *queue
	batch *batch
	empty bool // nobody waits for it any more: it was not sent
}

func (s *shipment) reset() {
	clear(s.parts)
	s.parts, s.last = s.parts[:0], time.Time{}
}

func (s *shipment) add(q *queue, c cargo) {
	s.parts = append(s.parts, part{q: q, batch: c.batch})
	if c.last.After(s.last) {
		s.last = c.last
	}
}

// fly sends the request and settles its queues.
func (s *shipment) fly(ctx context.Context) {
	p := s.d.p
	began := p.now()
	res, err := s.send(ctx, began)
	s.takeoff.end()
	acknowledged := false
	for i := range s.parts {
		partErr, base := err, int64(-1)
		switch {
		case s.parts[i].empty:
			partErr = errNobodyWaits
		case err == nil:
			base, partErr = partOutcome(res, s.parts[i].q.partition)
		}
		v := verdict{}
		if partErr != nil {
			v = judge(partErr)
		} else {
			acknowledged = true
		}
		s.parts[i].q.settle(s.parts[i].batch, base, v, partErr)
	}
	if acknowledged {
		s.produced.latency.Observe(p.now().Sub(began).Seconds())
		p.health.succeeded()
	}
	s.reset()
	if s.request != nil {
		s.request.own()
	}
	s.d.shipments.Put(s)
}

// errNobodyWaits: everyone gave up after the records were loaded, and before they were encoded.
var errNobodyWaits = errors.New("no record is left of the batch")

// send does the round trip. What it returns is of the shipment's request, until the next one.
func (s *shipment) send(ctx context.Context, now time.Time) (*produce.Response, error) {
	p := s.d.p
	timeout := min(p.cfg.ProduceTimeout, s.last.Sub(now))
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := s.encode(timeout); err != nil {
		return nil, err
	}
	m, err := p.client.Transport.RoundTrip(ctx, p.client.Addr, s.request)
	if err != nil {
		s.request = nil // the client may be reading it still
		return nil, err
	}
	res, ok := m.(*produce.Response)
	if !ok {
		return nil, fmt.Errorf("the broker answered a produce request with %T", m)
	}
	return res, nil
}

// encode makes the request.
func (s *shipment) encode(timeout time.Duration) error {
	if s.request == nil {
		s.request = new(produceRequest)
	}
	r, codec, room := s.request, s.d.codec, 0
	if codec.codec == 0 {
		for i := range s.parts {
			room += partitionBytes + s.parts[i].batch.room()
		}
	}
	// The broker's time to wait for its replicas leaves some for the way back.
	r.begin(s.d.p.cfg.ClientID, s.d.topic, timeout/2, room)
	for i := range s.parts {
		some, err := r.add(s.parts[i].q.partition, s.parts[i].batch, codec)
		if err != nil {
			return err
		}
		s.parts[i].empty = !some
	}
	if len(r.partitions) == 0 {
		return errNobodyWaits
	}
	r.end()
	return nil
}

// partOutcome is how a partition fared, and at which offset its batch begins.
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
	return -1, fmt.Errorf("the answer says nothing of the partition: %w", kafka.Unknown)
}
