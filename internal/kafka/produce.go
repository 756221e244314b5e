package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// produceAttempts are those of a request whose errors are retriable: some 30 seconds of them, beside the time of the requests.
const produceAttempts = 20

// Produce writes records in one request and returns the offset of the first one. It repeats the request on retriable errors.
// An acknowledgement that does not come may hide a success, so the records may be written twice.
func Produce(ctx context.Context, c *kafkago.Client, topic string, partition int32, compression kafkago.Compression, records []kafkago.Record) (int64, error) {
	var last error
	for attempt := range produceAttempts {
		if attempt > 0 {
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(min(time.Duration(attempt)*100*time.Millisecond, 2*time.Second)):
			}
		}
		for i := range records { // an attempt may have read some of them
			Rewind(records[i].Key)
			Rewind(records[i].Value)
		}
		resp, err := c.Produce(ctx, &kafkago.ProduceRequest{
			Addr: c.Addr, Topic: topic, Partition: int(partition), RequiredAcks: kafkago.RequireAll,
			Records: kafkago.NewRecordReader(records...), Compression: compression,
		})
		if err == nil {
			err = resp.Error
		}
		if err == nil {
			return resp.BaseOffset, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		last = err
		if ke := kafkago.Error(0); errors.As(err, &ke) && !ke.Temporary() {
			break
		}
	}
	return 0, fmt.Errorf("produce %d records to %s/%d: %w", len(records), topic, partition, last)
}

// Rewind goes back to the start of a key or a value that was read.
func Rewind(b kafkago.Bytes) {
	if s, ok := b.(interface {
		Seek(int64, int) (int64, error)
	}); ok {
		_, _ = s.Seek(0, 0)
	}
}
