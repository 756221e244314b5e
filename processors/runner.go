package processors

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/processors/bulk"
	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/segment"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// runner connects the core of one partition to Kafka. It decodes and parses raw records, reads held chunks again, and
// sends the records of the core.
//
// One goroutine at a time uses a runner: the session's, or one that the session has started and waits for (restore,
// live records, a slot of the scheduler, flush). While prefetching is true, the goroutine of prefetchNext runs beside
// it. It owns reread, reads the fields that never change, and touches no other field. The metrics read inProgress at
// any time.
type runner struct {
	// Never changed after restore. The values behind the pointers are constant or synchronise themselves.
	partition   int32
	cfg         *Config
	fetcher     *kafka.Fetcher
	scannerPool *bulk.ScannerPool
	names       *[topicNamesCount]string
	metrics     *metrics
	losses      *losses
	heldCache   *bulk.HeldCache
	pieces      *bulk.PieceCache
	now         func() time.Time
	notes       *notebook // see suspect.go
	noteLog     noteLog

	inProgress [topicNamesCount]inProgress // atomic: written by the runner, read by the metrics

	// Owned by the goroutine that uses the runner.
	core     *partition.Partition
	start    start
	position [topicNamesCount]int64 // next offset to read, by input topic
	epoch    [topicNamesCount]int32 // leader epoch of the record before position; -1: not known
	ends     [topicNamesCount]int64 // the highest end of each log that was seen
	states   int64                  // lower bound of the number of records in state
	progress [topicNamesCount]progress
	queue    bulk.Queue

	deferral

	reread   recordBatch  // owned by the prefetch while prefetching is true
	retained parsedRecord // the parsed next record of the backlog, or its remaining part
	// prefetching is true while the next item of the backlog is prefetched. The runner does not process the backlog
	// meanwhile.
	prefetching  bool
	parseInPlace bool       // the next item cannot be prefetched
	workspace    *workspace // set from beginTransaction to endTransaction

	repair          // see damage.go
	care            // see suspect.go
	under  struct { // the record that is processed
		topic  schemas.Topic
		offset int64
	}
	send *sender // nil: the records of the core wait for the next transaction
}

// sum returns the sum of the inputs' offsets. It grows with every record.
func (p *offsets) sum() (n int64) {
	for _, t := range schemas.Inputs() {
		n += p.next[t]
	}
	return n
}

// beginTransaction begins the runner's part of a transaction. From now on the records of the core are produced without
// waiting for acknowledgements. If send is nil they are kept until resumeTransaction.
func (r *runner) beginTransaction(ws *workspace, send *sender) {
	r.workspace, r.send = ws, send
	r.shares.Begin()
	r.core.Begin(func(rec partition.Record) {
		k := ws.records.add(r.names, rec)
		if rec.Topic == schemas.TopicState {
			r.states++
		}
		if r.send != nil {
			r.send.send(k, rec.Topic)
		}
	}, &ws.core)
}

// resumeTransaction produces the records that were kept since beginTransaction, and continues within the transaction.
func (r *runner) resumeTransaction(send *sender) {
	r.send = send
	send.sendAll(&r.workspace.records, r.names)
}

// runnerResult is a copy of what one runner did in a transaction. The runner may process more while the commit uses it.
type runnerResult struct {
	runner   *runner
	ws       *workspace
	counts   partition.Counts
	at       offsets
	recorded [topicNamesCount]bool
	fault    *kafka.LogFault
}

// offsets are the next offsets of the inputs. For state, next is a lower bound of the number of records.
type offsets struct {
	next  [topicNamesCount]int64
	epoch [topicNamesCount]int32
	end   [topicNamesCount]int64
}

// endTransaction ends the runner's part of a transaction and returns its result.
func (r *runner) endTransaction() runnerResult {
	p := runnerResult{runner: r, ws: r.workspace, counts: r.core.Counts(), at: offsets{r.position, r.epoch, r.ends}, recorded: r.start.recorded, fault: r.start.fault}
	p.at.next[schemas.TopicState] = r.states
	for _, t := range schemas.Inputs() {
		r.inProgress[t].finish()
	}
	r.workspace, r.send = nil, nil
	return p
}

// workLive passes the polled records of raw.live and rerouted to the core.
func (r *runner) workLive(ctx context.Context, w *polledRecords) (err error) {
	defer r.recovered(&err)
	if r.careful[laneLive] { // a chunk of history that fails is found among those of its body, in the backlog
		r.core.Bound(partition.Turn{OneChunk: true})
		defer r.core.Bound(partition.Turn{})
	}
	for _, topic := range beforeBulk {
		for i, polled := range w.records[topic] {
			if polled.Attrs.IsControl() {
				r.position[topic] = polled.Offset + 1
				continue
			}
			r.under.topic, r.under.offset = topic, polled.Offset
			if r.setsAside(topic, polled.Offset) {
				r.position[topic] = polled.Offset + 1
				r.setAside(r.origin(topic, polled))
				continue
			}
			if waits, err := r.defers(ctx, topic, polled, w); err != nil {
				return err
			} else if waits {
				r.position[topic], r.epoch[topic] = polled.Offset+1, polled.LeaderEpoch
				continue
			}
			rec, broken, err := r.assemble(ctx, polled, w.records[topic][:i])
			if err != nil {
				return err
			}
			if rec == nil {
				r.position[topic] = polled.Offset + 1
				continue
			}
			r.feed(topic, rec, r.origin(topic, rec), broken)
		}
	}
	return nil
}

// workBulk passes held chunks and records of raw.bulk to the core. It ends when the budget is used up, or when the records
// of one fetch, with all parts of the last one, are processed. So few partitions keep a parsed body between their slots.
// Held chunks that may be released come before the next record. So the events do not depend on where transactions end.
func (r *runner) workBulk(ctx context.Context, q *bulk.Budget) (err error) {
	defer func() { err = ofBacklog(err) }()
	defer r.recovered(&err)
	r.core.Bound(partition.Turn{Items: q.TurnItems, OneChunk: r.careful[laneBacklog]})
	defer r.core.Bound(partition.Turn{})
	for {
		ok, err := r.releaseHeld(ctx, q)
		if !ok || err != nil {
			return err
		}
		n, ok := r.nextItem()
		if !ok || q.AtHandOnly && !r.isAtHand(n) || !q.TryStart(r.now()) {
			return nil
		}
		if n.waits {
			if n.start != nil {
				r.core.Start(*n.start)
			}
			if err := r.goOn(ctx, q); err != nil {
				return err
			}
			continue
		}
		r.parseInPlace = false
		if r.careful[laneBacklog] && n.rec != nil { // chunks that are due before it are not part of it
			r.passTime(r.origin(n.topic, n.rec))
			if _, due := r.core.NextHeld(); due {
				continue
			}
		}
		r.under.topic, r.under.offset = n.topic, n.offset
		rec, broken := r.retained.rec, error(nil)
		if r.careful[laneBacklog] && n.rec != nil && r.setsAside(n.topic, n.offset) {
			r.setAside(r.origin(n.topic, n.rec))
			q.Spend(len(n.rec.Value))
			rec = nil
		} else if !r.retained.isFor(n.topic, n.offset) {
			if rec, broken, err = r.assemble(ctx, n.rec, n.near); err != nil {
				return err
			}
		}
		if rec != nil {
			o := r.origin(schemas.TopicRawBulk, rec)
			r.passTime(o)
			if ok, err := r.releaseHeld(ctx, q); !ok || err != nil {
				return err
			}
			r.feed(schemas.TopicRawBulk, rec, o, broken)
			q.Spend(len(rec.Value))
			r.owes(int64(len(rec.Value)))
		}
		var last bool
		if r.position[schemas.TopicRawBulk], last = r.queue.Pop(); last && r.retained.scanner == nil {
			return nil
		}
	}
}

// flush lets the core emit the records that it emits once per transaction.
func (r *runner) flush() (err error) {
	defer r.recovered(&err)
	r.core.Flush()
	return nil
}

// tick passes a time to the core.
func (r *runner) tick(at time.Time) (err error) {
	defer r.recovered(&err)
	r.core.GiveUp(r.now())
	r.core.Tick(at)
	return nil
}

// passTime passes the receipt time of a bulk record to the core before the record is processed. A time in the future is
// replaced by the current time, because a clock is wrong.
func (r *runner) passTime(o *partition.Origin) {
	receivedAt := o.ReceivedAt
	if now := r.now(); receivedAt.After(now) {
		receivedAt = now
	}
	r.core.PassFor(o, receivedAt)
}

// assemble returns the record with its whole body. It returns nil for a segment that a later record refers to. It
// remembers nothing of such segments, so they may belong to any earlier transaction. broken is the reason why a body
// cannot be joined; then the record is its last segment.
func (r *runner) assemble(ctx context.Context, rec *kgo.Record, near []*kgo.Record) (whole *kgo.Record, broken, err error) {
	whole, err = r.fetcher.Whole(ctx, rec, near)
	switch {
	case err == nil && whole != nil && whole != rec:
		r.metrics.joined.WithLabelValues("whole").Inc()
	case err != nil && kafka.Unreadable(err):
		r.metrics.joined.WithLabelValues("broken").Inc()
		return rec, err, nil
	}
	return whole, nil, err
}

// deadLetterBroken writes a dead letter with the last segment of a body that cannot be joined.
func (r *runner) deadLetterBroken(o *partition.Origin, rec *kgo.Record, why error) {
	place := fmt.Appendf(nil, "%s %s/%s", header(rec, schemas.HeaderSegmentID), header(rec, schemas.HeaderSegmentIndex), header(rec, schemas.HeaderSegmentCount))
	o.Headers = slices.DeleteFunc(o.Headers, func(h partition.Header) bool { return segment.Names(h.Key) })
	r.core.DeadLetter(o, schemas.ReasonSegments, why.Error(), partition.Header{Key: schemas.HeaderDLQSegment, Value: place})
}

// feed passes one record to the core, and advances the position of its input. broken is the reason of assemble.
func (r *runner) feed(topic schemas.Topic, rec *kgo.Record, o *partition.Origin, broken error) {
	r.inProgress[topic].start(o.ReceivedAt)
	r.position[topic], r.epoch[topic] = rec.Offset+1, rec.LeaderEpoch
	if topic == schemas.TopicRerouted {
		switch string(header(rec, schemas.HeaderRerouted)) {
		case schemas.ReroutedNumber, schemas.ReroutedKnown:
			r.core.Number(o)
			return
		}
	}
	if o.Replay != nil {
		r.metrics.replayed.Inc()
		if !r.core.Replayed(o) {
			return
		}
	}
	if o.Requeue != nil {
		r.metrics.requeued.Inc()
		if !r.core.Requeued(o) {
			return
		}
	}
	if p := &r.progress[topic]; o.ReceivedAt.After(p.receivedAt) {
		p.receivedAt = o.ReceivedAt
	}
	if broken != nil {
		r.deadLetterBroken(o, rec, broken)
		return
	}
	c := r.retained
	if !c.isFor(topic, rec.Offset) {
		c = r.parse(topic, rec)
	}
	switch {
	case string(o.Source) == syncrequest.Source:
		r.core.SyncRequest(o)
	case c.body == nil:
		r.core.DeadLetter(o, c.reason, c.detail)
	case topic == schemas.TopicRawBulk:
		r.core.Part(o, c.body)
	default:
		r.core.Webhook(o, c.body)
	}
	if kept := r.retain(c); !kept && c.body != nil && r.core.Holds() {
		r.heldCache.Put(topic, rec)
	}
}
