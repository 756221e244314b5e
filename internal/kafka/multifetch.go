package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Spot is where a partition is to be read from.
type Spot struct {
	Partition int32
	Offset    int64
}

// SpotFetched is what a fetch of many partitions brought of one. Err is ErrOffsetGone, with Fetched.LogStart, where
// the log does not hold the offset.
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

// FetchFrom asks one broker once for several partitions of a topic, from the first spot to the last until maxBytes
// are there, at most partitionBytesMax of each and at least one batch, and waits up to maxWait for something to be
// there. An error of a partition is in what it brought.
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
			case fp.Err != nil:
				f.forget(topic)
				got.Err = fmt.Errorf("fetch %s/%d@%d: %w", topic, rp.Partition, offset, fp.Err)
			}
			all = append(all, got)
		}
	}
	return all, nil
}

// Ends are the ends of what is committed in the partitions of topics, as they are at some moment after the call.
// Partitions that do not tell are left out; it is an error when none tells.
func (f *Fetcher) Ends(ctx context.Context, topics []string, partitions []int32) (map[string]map[int32]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.IsolationLevel = -1, 1 // read committed
	for _, topic := range topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for _, partition := range partitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, -1, -1
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
		return nil, fmt.Errorf("list the ends of %v: %w", topics, failed)
	}
	return ends, nil
}
