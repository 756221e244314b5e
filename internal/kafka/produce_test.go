package kafka

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	produceapi "github.com/segmentio/kafka-go/protocol/produce"
)

// broker answers produce requests with these errors, one after another, then takes them.
type broker struct {
	errors   []error
	requests []string // the value of the record of each
}

func (b *broker) RoundTrip(_ context.Context, _ net.Addr, r kafkago.Request) (kafkago.Response, error) {
	req := r.(*produceapi.Request)
	record, err := req.Topics[0].Partitions[0].RecordSet.Records.ReadRecord()
	if err != nil {
		return nil, err
	}
	value, err := protocol.ReadAll(record.Value)
	if err != nil {
		return nil, err
	}
	b.requests = append(b.requests, string(value))
	code := int16(0)
	if len(b.errors) >= len(b.requests) {
		var ke kafkago.Error
		if err := b.errors[len(b.requests)-1]; !errors.As(err, &ke) {
			return nil, err
		}
		code = int16(ke)
	}
	return &produceapi.Response{Topics: []produceapi.ResponseTopic{{
		Topic: req.Topics[0].Topic, Partitions: []produceapi.ResponsePartition{{Partition: req.Topics[0].Partitions[0].Partition, BaseOffset: 7, ErrorCode: code}},
	}}}, nil
}

func TestProduceRepeatsRetriableErrorsWithTheWholeRecord(t *testing.T) {
	for _, c := range []struct {
		name     string
		errors   []error
		requests int
		fails    bool
	}{
		{"none", nil, 1, false},
		{"no leader, then a connection that is gone", []error{kafkago.LeaderNotAvailable, net.ErrClosed}, 3, false},
		{"not allowed", []error{kafkago.TopicAuthorizationFailed, nil}, 1, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := &broker{errors: c.errors}
			client := &kafkago.Client{Addr: kafkago.TCP("broker:9092"), Transport: b}
			offset, err := Produce(t.Context(), client, "t", 1, 0, []kafkago.Record{{Value: kafkago.NewBytes([]byte("v"))}})
			if (err != nil) != c.fails || err == nil && offset != 7 {
				t.Errorf("%s: offset %d, %v", c.name, offset, err)
			}
			if len(b.requests) != c.requests {
				t.Errorf("%s: %d requests, want %d", c.name, len(b.requests), c.requests)
			}
			for _, value := range b.requests {
				if value != "v" {
					t.Errorf("%s: a request has the value %q", c.name, value)
				}
			}
		})
	}
}

func TestProduceEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	client := &kafkago.Client{Addr: kafkago.TCP("broker:9092"), Transport: &broker{errors: []error{kafkago.LeaderNotAvailable}}}
	if _, err := Produce(ctx, client, "t", 1, 0, []kafkago.Record{{Value: kafkago.NewBytes([]byte("v"))}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
