package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrOffsetGone means that the log does not have the wanted offset. If Fetched.LogStart is greater, retention removed it. Otherwise
// the log ends before it.
var ErrOffsetGone = errors.New("offset is not in the log")

// ErrLogCut means that a log became shorter while it was read.
var ErrLogCut = errors.New("the log was cut while it was read")

// Fetcher reads a partition at a given offset, outside of any consumer group, and always
// read-committed. It sends fetch requests of its own, because only their responses have the exact next
// offset. A consumer does not show whether the control records at the end of a transaction have been read, and restore
// must know.
//
// It is safe for concurrent use. It does not own the client.
type Fetcher struct {
	cl         *kgo.Client
	decompress kgo.Decompressor
	pooled     kgo.Decompressor // into buffers
	buffers    buffers
	// cutPatience is how long a log may seem shorter than it was.
	cutPatience time.Duration

	mu     sync.Mutex
	topics map[string]*topicPlace
	ids    map[string][16]byte // as they were last told, also while the place is asked for again
}

type topicPlace struct {
	id      [16]byte
	leaders map[int32]int32
}

// NewFetcher fetches through cl, whose own consuming configuration is not used.
func NewFetcher(cl *kgo.Client) *Fetcher {
	f := &Fetcher{cl: cl, decompress: kgo.DefaultDecompressor(), topics: map[string]*topicPlace{}, ids: map[string][16]byte{}, cutPatience: cutPatience}
	f.pooled = kgo.DefaultDecompressor(&f.buffers)
	return f
}

// Fetched is the result of one fetch.
type Fetched struct {
	Records       []*kgo.Record // committed data records at or after the wanted offset
	Next          int64         // where the next fetch continues; the wanted offset if there were no records
	LogStart      int64
	HighWatermark int64
	LastStable    int64
}

const (
	fetchAttemptsMax = 60
	// damagedAttemptsMax bounds the attempts at a batch that seems damaged, because the network may have damaged it.
	damagedAttemptsMax = 3
)

// Fetch reads about maxBytes (at least one batch) from offset, waiting up to maxWait for something to be
// there. Leader moves and cut connections are retried until ctx ends or about a minute has passed.
func (f *Fetcher) Fetch(ctx context.Context, topic string, partition int32, offset int64, maxBytes int32, maxWait time.Duration) (Fetched, error) {
	return f.fetch(ctx, f.decompress, topic, partition, offset, maxBytes, maxWait)
}

func (f *Fetcher) fetch(ctx context.Context, d kgo.Decompressor, topic string, partition int32, offset int64, maxBytes int32, maxWait time.Duration) (Fetched, error) {
	var last error
	for attempt := range fetchAttemptsMax {
		if attempt > 0 {
			select {
			case <-ctx.Done():
				return Fetched{}, fmt.Errorf("fetch %s/%d@%d: %w (last: %w)", topic, partition, offset, ctx.Err(), last)
			case <-time.After(min(time.Duration(attempt)*50*time.Millisecond, time.Second)):
			}
			f.forget(topic)
		}
		got, err := f.once(ctx, d, topic, partition, offset, maxBytes, maxWait)
		if err == nil {
			return got, nil
		}
		if errors.Is(err, kerr.OffsetOutOfRange) {
			// Apache Kafka's response with this error has no start of the log.
			var starts map[string]map[int32]int64
			if starts, err = f.Starts(ctx, []string{topic}, []int32{partition}); err == nil {
				got.LogStart = starts[topic][partition]
				return got, fmt.Errorf("fetch %s/%d@%d: %w", topic, partition, offset, ErrOffsetGone)
			}
		}
		if ctx.Err() != nil {
			return Fetched{}, fmt.Errorf("fetch %s/%d@%d: %w", topic, partition, offset, ctx.Err())
		}
		last = err
		if ke := (*kerr.Error)(nil); errors.As(err, &ke) && !ke.Retriable || errors.Is(err, ErrDamaged) && attempt+1 >= damagedAttemptsMax {
			break
		}
	}
	if errors.Is(last, ErrDamaged) {
		return Fetched{}, &Damaged{topic, partition, offset, last}
	}
	return Fetched{}, fmt.Errorf("fetch %s/%d@%d: %w", topic, partition, offset, last)
}

func (f *Fetcher) once(ctx context.Context, d kgo.Decompressor, topic string, partition int32, offset int64, maxBytes int32, maxWait time.Duration) (Fetched, error) {
	place, err := f.place(ctx, topic)
	if err != nil {
		return Fetched{}, err
	}
	leader, ok := place.leaders[partition]
	if !ok || leader < 0 {
		return Fetched{}, kerr.LeaderNotAvailable
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(maxWait.Milliseconds())
	req.MinBytes = 1
	req.MaxBytes = math.MaxInt32 // one partition is asked for, whose own limit counts
	req.IsolationLevel = 1       // read committed
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, place.id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = partition, offset, maxBytes, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)

	kresp, err := f.cl.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		return Fetched{}, err
	}
	resp, ok := kresp.(*kmsg.FetchResponse)
	if !ok {
		return Fetched{}, fmt.Errorf("unexpected response %T", kresp)
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return Fetched{}, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return Fetched{}, fmt.Errorf("response holds %d topics, want this one", len(resp.Topics))
	}
	rp := &resp.Topics[0].Partitions[0]
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: offset, IsolationLevel: kgo.ReadCommitted(), Topic: topic, Partition: partition,
	}, rp, d, nil)
	got := Fetched{
		Records: fp.Records, Next: next, LogStart: fp.LogStartOffset,
		HighWatermark: fp.HighWatermark, LastStable: fp.LastStableOffset,
	}
	return got, damage(&got, offset, len(rp.RecordBatches) > 0, fp.Err) // a response has a whole batch at least
}

// ReadAll calls yield for every committed record from offset to the high watermark of the moment of the
// call. Records of transactions that are still open below that mark are waited for: a state that is
// rebuilt without them would be older than the offsets that were committed with them.
func (f *Fetcher) ReadAll(ctx context.Context, topic string, partition int32, offset int64, yield func(*kgo.Record) error) error {
	const chunkBytes = 4 << 20
	end, wait := int64(-1), time.Duration(0)
	cut := cutWatch{patience: f.cutPatience}
	for {
		got, err := f.Fetch(ctx, topic, partition, offset, chunkBytes, wait)
		if errors.Is(err, ErrOffsetGone) && got.LogStart > offset {
			offset = got.LogStart
			continue
		}
		if err != nil {
			return err
		}
		if end < 0 {
			end = got.HighWatermark
		}
		for _, r := range got.Records {
			if err := yield(r); err != nil {
				return fmt.Errorf("%s/%d@%d: %w", topic, partition, r.Offset, err)
			}
		}
		if wait = 0; got.Next == offset {
			wait = openTransactionWait
		}
		if err := cut.look(topic, partition, offset, end, &got); err != nil {
			return err
		}
		offset = got.Next
		if offset >= end {
			return nil
		}
	}
}

// cutWatch notices that a log which is read to a known end has become shorter. A new leader may report a shorter
// log for a moment, so the fault counts only after some time.
type cutWatch struct {
	patience time.Duration
	since    time.Time
}

const cutPatience = 10 * time.Second

func (w *cutWatch) look(topic string, partition int32, offset, end int64, got *Fetched) error {
	switch now := time.Now(); {
	case got.Next > offset || got.HighWatermark > offset || offset >= end:
		w.since = time.Time{}
	case w.since.IsZero():
		w.since = now
	case now.Sub(w.since) > w.patience:
		return fmt.Errorf("%s/%d ends at %d, and went to %d: %w", topic, partition, got.HighWatermark, end, ErrLogCut)
	}
	return nil
}

// openTransactionWait is the wait of a fetch while an open transaction hides the rest.
const openTransactionWait = 100 * time.Millisecond

func (f *Fetcher) forget(topic string) {
	f.mu.Lock()
	delete(f.topics, topic)
	f.mu.Unlock()
}

func (f *Fetcher) place(ctx context.Context, topic string) (*topicPlace, error) {
	f.mu.Lock()
	place := f.topics[topic]
	f.mu.Unlock()
	if place != nil {
		return place, nil
	}
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, f.cl)
	if err != nil {
		return nil, fmt.Errorf("metadata of %s: %w", topic, err)
	}
	if len(resp.Topics) != 1 {
		return nil, fmt.Errorf("metadata of %s: response holds %d topics", topic, len(resp.Topics))
	}
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		return nil, fmt.Errorf("metadata of %s: %w", topic, err)
	}
	place = &topicPlace{id: resp.Topics[0].TopicID, leaders: map[int32]int32{}}
	for _, p := range resp.Topics[0].Partitions {
		place.leaders[p.Partition] = p.Leader
	}
	f.mu.Lock()
	f.topics[topic], f.ids[topic] = place, place.id
	f.mu.Unlock()
	return place, nil
}
