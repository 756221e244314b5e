package publish

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

// dispatcher sends the batches of one topic. Batches that are ready at the same moment, and whose partitions have the
// same leader, share a request. A request costs as much as dozens of records. A broker that acknowledges within a
// fraction of a millisecond would otherwise get a request for each handful of records.
type dispatcher struct {
	p     *Publisher
	topic string
	codec *compressor
	limit *atomic.Int64 // of a batch, see Publisher.limits
	gate  sendGate

	queues []*queue // by partition

	mu    sync.Mutex
	ready []*queue // in the order of their reports

	kick chan struct{} // capacity 1: a queue is ready

	// Owned by the goroutine of run:
	leaders   []int32 // by partition; -1: not known
	leadersAt time.Time
	scratch   []*queue

	calls sync.Pool // *produceCall
}

// requestBytesMax bounds a request of several partitions. Brokers take much more (socket.request.max.bytes, 100 MiB).
const requestBytesMax = 8 << 20

func newDispatcher(p *Publisher, topic string, codec kafka.Compression, limit *atomic.Int64, partitions int, produced *topicMetrics) *dispatcher {
	d := &dispatcher{
		p: p, topic: topic, codec: newCompressor(codec), limit: limit, gate: newSendGate(partitions),
		kick:    make(chan struct{}, 1),
		leaders: make([]int32, partitions),
	}
	for i := range partitions {
		d.queues = append(d.queues, &queue{p: p, d: d, partition: int32(i), produced: produced})
	}
	d.calls.New = func() any { return &produceCall{d: d, produced: produced, place: gatePlace{gate: d.gate}} }
	return d
}

// report marks a queue as ready: it has something to send.
func (d *dispatcher) report(q *queue) {
	d.mu.Lock()
	d.ready = append(d.ready, q)
	d.mu.Unlock()
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// run sends until done is closed. The caller closes done after all queues have become idle. ctx cancels the requests in
// flight.
func (d *dispatcher) run(ctx context.Context, done <-chan struct{}) {
	var calling sync.WaitGroup
	defer calling.Wait()
	// Goroutines are reused, because growing the stack of a new one costs as much as the rest of a small request.
	idle := make(chan *produceCall)
	defer close(idle)
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
			call := d.calls.Get().(*produceCall)
			call.place.acquire() // meanwhile, batches grow and more queues become ready
			if !d.fill(ctx, call) {
				call.place.release()
				d.calls.Put(call)
				continue
			}
			select {
			case idle <- call:
			default:
				calling.Go(func() {
					call.do(ctx)
					for call := range idle {
						call.do(ctx)
					}
				})
			}
		}
	}
}

// fill adds the batches that are ready for the leader of the first ready queue. It returns false when no queue has
// anything to send.
func (d *dispatcher) fill(ctx context.Context, call *produceCall) bool {
	now := d.p.now()
	d.refresh(ctx, now)
	d.mu.Lock()
	d.scratch = append(d.scratch[:0], d.ready...)
	clear(d.ready)
	d.ready = d.ready[:0]
	d.mu.Unlock()

	call.reset()
	bytes, leader, full := int64(0), int32(-1), false
	for _, q := range d.scratch {
		its := d.leaders[q.partition]
		// A batch that has failed gets a request of its own. Then the outcome belongs to it alone, and it delays no
		// other partition.
		alone := its < 0 || q.failed()
		if full || len(call.parts) > 0 && (alone || its != leader) {
			d.report(q)
			continue
		}
		out, ok := q.next(now)
		if !ok {
			continue
		}
		call.add(q, out)
		bytes, leader = bytes+out.bytes, its
		full = alone || bytes >= requestBytesMax
	}
	clear(d.scratch)
	return len(call.parts) > 0
}

// refresh reads the leaders from the client's metadata, as often as the client renews them.
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
		return // without leaders each partition gets a request of its own, which is only slower
	}
	for _, partition := range res.Topics[0].Partitions {
		if partition.ID < len(d.leaders) && partition.Leader.Host != "" {
			d.leaders[partition.ID] = int32(partition.Leader.ID)
		}
	}
}
