package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Spot is a position in a partition from which to read.
type Spot struct {
	Partition int32
	Offset    int64
}

// SpotFetched is one partition's result of a fetch of many. Err is ErrOffsetGone if the log does not have the offset. Then
// Fetched.LogStart is the start of the log. It is a Damaged if the batch there is damaged. A batch with a wrong length is recognised
// if its partition is the first one with records in the response.
type SpotFetched struct {
	Spot
	Fetched
	Err error
}

// Leaders are the brokers that lead the partitions of a topic now; those without a leader are left out.
func (f *Fetcher) Leaders(ctx context.Context, topic string) (map[int32]int32, error) {
	f.forget(topic)
	place, err := f.place(ctx, topic)
	if err != nil {
		return nil, err
	}
	leaders := make(map[int32]int32, len(place.leaders))
	for partition, leader := range place.leaders {
		if leader >= 0 {
			leaders[partition] = leader
		}
	}
	return leaders, nil
}

// Partitions are those of a topic, with a leader or without, in order.
func (f *Fetcher) Partitions(ctx context.Context, topic string) ([]int32, error) {
	f.forget(topic)
	place, err := f.place(ctx, topic)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(place.leaders)), nil
}

// FetchFrom sends one fetch request for several partitions of a topic to a broker. The response has at least one batch, at
// most about maxBytes in all and partitionBytesMax of each partition, in the order of the spots. If there are no records,
// the broker waits up to maxWait. An error of a partition is in its result.
func (f *Fetcher) FetchFrom(ctx context.Context, broker int32, topic string, spots []Spot, maxBytes, partitionBytesMax int32, maxWait time.Duration) ([]SpotFetched, error) {
	place, err := f.place(ctx, topic)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(maxWait.Milliseconds())
	req.MinBytes, req.MaxBytes = 1, maxBytes
	req.IsolationLevel = 1 // read committed
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, place.id
	at := make(map[int32]int64, len(spots))
	for _, s := range spots {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = s.Partition, s.Offset, partitionBytesMax, -1
		t.Partitions = append(t.Partitions, p)
		at[s.Partition] = s.Offset
	}
	req.Topics = append(req.Topics, t)

	kresp, err := f.cl.Broker(int(broker)).RetriableRequest(ctx, req)
	if err != nil {
		f.forget(topic)
		return nil, fmt.Errorf("fetch %s from broker %d: %w", topic, broker, err)
	}
	resp, ok := kresp.(*kmsg.FetchResponse)
	if !ok {
		return nil, fmt.Errorf("fetch %s from broker %d: unexpected response %T", topic, broker, kresp)
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		f.forget(topic)
		return nil, fmt.Errorf("fetch %s from broker %d: %w", topic, broker, err)
	}
	var all []SpotFetched
	var gone []int32
	first := true // the first batches of a response are whole; later ones may be cut at its limit
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			rp := &resp.Topics[i].Partitions[j]
			offset, ok := at[rp.Partition]
			if !ok {
				continue
			}
			fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
				Offset: offset, IsolationLevel: kgo.ReadCommitted(), Topic: topic, Partition: rp.Partition,
			}, rp, f.decompress, nil)
			got := SpotFetched{Spot: Spot{rp.Partition, offset}, Err: fp.Err, Fetched: Fetched{
				Records: fp.Records, Next: next, LogStart: fp.LogStartOffset, HighWatermark: fp.HighWatermark, LastStable: fp.LastStableOffset,
			}}
			switch {
			case errors.Is(fp.Err, kerr.OffsetOutOfRange):
				got.Err = fmt.Errorf("fetch %s/%d@%d: %w", topic, rp.Partition, offset, ErrOffsetGone)
				gone = append(gone, rp.Partition)
			default:
				got.Err = damage(&got.Fetched, offset, first && len(rp.RecordBatches) > 0, fp.Err)
				if errors.Is(got.Err, ErrDamaged) {
					got.Err = &Damaged{topic, rp.Partition, offset, got.Err}
				} else if got.Err != nil {
					f.forget(topic)
					got.Err = fmt.Errorf("fetch %s/%d@%d: %w", topic, rp.Partition, offset, got.Err)
				}
			}
			first = first && len(rp.RecordBatches) == 0
			all = append(all, got)
		}
	}
	if len(gone) == 0 {
		return all, nil
	}
	// Apache Kafka's response with this error has no start of the log.
	starts, err := f.Starts(ctx, []string{topic}, gone)
	for i := range all {
		if s := &all[i]; errors.Is(s.Err, ErrOffsetGone) {
			start, ok := starts[topic][s.Partition]
			if s.LogStart = start; !ok {
				s.Err = fmt.Errorf("fetch %s/%d@%d: %w", topic, s.Partition, s.Offset, errors.Join(kerr.OffsetOutOfRange, err))
			}
		}
	}
	return all, nil
}

// TopicID returns the id of a topic in the latest metadata; zero where the brokers give topics none, or none was asked
// for yet.
func (f *Fetcher) TopicID(topic string) (id [16]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ids[topic]
}

// Parted compares partitions with an earlier log whose last record was written in a leader epoch. It returns the offset
// from which on the present log has no record of the earlier one. Partitions without an answer are left out.
func (f *Fetcher) Parted(ctx context.Context, topic string, epochs map[int32]int32) (map[int32]int64, error) {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	t := kmsg.NewOffsetForLeaderEpochRequestTopic()
	t.Topic = topic
	for partition, epoch := range epochs {
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = partition, -1, epoch
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	ends := map[int32]int64{}
	var failed error
	for _, shard := range f.cl.RequestSharded(ctx, req) {
		resp, ok := shard.Resp.(*kmsg.OffsetForLeaderEpochResponse)
		if shard.Err != nil || !ok {
			failed = errors.Join(failed, shard.Err)
			continue
		}
		for _, rt := range resp.Topics {
			for _, p := range rt.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					failed = errors.Join(failed, fmt.Errorf("%s/%d: %w", topic, p.Partition, err))
				} else if p.EndOffset >= 0 {
					ends[p.Partition] = p.EndOffset
				}
			}
		}
	}
	if failed != nil {
		return ends, fmt.Errorf("leader epochs of %s: %w", topic, failed)
	}
	return ends, nil
}

// Ends returns the ends of the committed records in the partitions of topics, at some moment after the call. Partitions
// without an answer are left out. It is an error if none answers.
func (f *Fetcher) Ends(ctx context.Context, topics []string, partitions []int32) (map[string]map[int32]int64, error) {
	return f.listed(ctx, topics, partitions, -1)
}

// Starts returns the starts of the partitions of topics, as Ends does.
func (f *Fetcher) Starts(ctx context.Context, topics []string, partitions []int32) (map[string]map[int32]int64, error) {
	return f.listed(ctx, topics, partitions, -2)
}

// listed are offsets by a timestamp of Kafka's: -1 the end, -2 the start.
func (f *Fetcher) listed(ctx context.Context, topics []string, partitions []int32, timestamp int64) (map[string]map[int32]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.IsolationLevel = -1, 1 // read committed
	for _, topic := range topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for _, partition := range partitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, timestamp, -1
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	ends := map[string]map[int32]int64{}
	var failed error
	for _, shard := range f.cl.RequestSharded(ctx, req) {
		resp, ok := shard.Resp.(*kmsg.ListOffsetsResponse)
		if shard.Err != nil || !ok {
			failed = errors.Join(failed, shard.Err)
			continue
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					failed = fmt.Errorf("%s/%d: %w", t.Topic, p.Partition, err)
					continue
				}
				if ends[t.Topic] == nil {
					ends[t.Topic] = map[int32]int64{}
				}
				ends[t.Topic][p.Partition] = p.Offset
			}
		}
	}
	if len(ends) == 0 && failed != nil {
		return nil, fmt.Errorf("list offsets of %v: %w", topics, failed)
	}
	return ends, nil
}
