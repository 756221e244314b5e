package office

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// Log is the log of the desk, and its way into the raw log.
type Log interface {
	// Write returns nil once the entry is durable. After an error it may be, too.
	Write(ctx context.Context, entry []byte) error
	// Read returns the entries from an offset up to the end of the log at the time of the call, and the offset behind them.
	Read(ctx context.Context, from int64) (entries [][]byte, next int64, err error)
	// Raw writes a record into the raw log, durably. It may be written twice.
	Raw(ctx context.Context, r syncrequest.Record) error
}

// KafkaLog is the Log in Kafka.
type KafkaLog struct {
	topic, raw string
	transport  *kafkago.Transport
	client     *kafkago.Client
	franz      *kgo.Client
	fetcher    *kafka.Fetcher

	conn   kafka.Connection
	layout kafka.Layout

	mu    sync.Mutex
	ready bool // the topic is there
}

// NewKafkaLog returns the log without connecting. The first call creates the topic if it is missing.
func NewKafkaLog(conn kafka.Connection, layout kafka.Layout) (*KafkaLog, error) {
	if err := conn.Validate(); err != nil {
		return nil, err
	}
	l := &KafkaLog{topic: layout.Desk().Name, raw: schemas.TopicRawLive.Name(layout.Prefix), conn: conn, layout: layout}
	var err error
	l.franz, err = kgo.NewClient(conn.Franz()...)
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", conn.Brokers, err)
	}
	l.transport, l.fetcher = conn.Transport(), kafka.NewFetcher(l.franz)
	l.client = &kafkago.Client{Addr: conn.Address(), Timeout: conn.RequestTimeout, Transport: l.transport}
	return l, nil
}

// Close closes the connections.
func (l *KafkaLog) Close() {
	l.transport.CloseIdleConnections()
	l.franz.Close()
}

// ensure creates the topic once.
func (l *KafkaLog) ensure(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ready {
		return nil
	}
	admin, err := kafka.NewAdmin(l.conn)
	if err != nil {
		return err
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(ctx, l.conn.RequestTimeout)
	defer cancel()
	if _, err := admin.CreateDesk(ctx, l.layout); err != nil {
		return err
	}
	l.ready = true
	return nil
}

// Write implements Log.
func (l *KafkaLog) Write(ctx context.Context, entry []byte) error {
	if err := l.ensure(ctx); err != nil {
		return err
	}
	_, err := kafka.Produce(ctx, l.client, l.topic, 0, 0, []kafkago.Record{{Value: kafkago.NewBytes(entry), Time: time.Now()}})
	return err
}

const (
	readBytes = 4 << 20
	readWait  = 100 * time.Millisecond
)

// Read implements Log.
func (l *KafkaLog) Read(ctx context.Context, from int64) (entries [][]byte, next int64, err error) {
	if err := l.ensure(ctx); err != nil {
		return nil, from, err
	}
	next, end := from, int64(-1)
	for {
		got, err := l.fetcher.Fetch(ctx, l.topic, 0, next, readBytes, readWait)
		if errors.Is(err, kafka.ErrOffsetGone) && got.LogStart > next {
			next = got.LogStart // retention or an operator removed the oldest entries
			continue
		}
		if err != nil {
			return nil, from, fmt.Errorf("read %s: %w", l.topic, err)
		}
		if end < 0 {
			end = got.LastStable
		}
		for _, r := range got.Records {
			entries = append(entries, r.Value)
		}
		if got.Next <= next && next < end {
			return nil, from, fmt.Errorf("read %s: no progress at offset %d of %d", l.topic, next, end)
		}
		next = got.Next
		if next >= end {
			return entries, next, nil
		}
	}
}

// Raw implements Log.
func (l *KafkaLog) Raw(ctx context.Context, r syncrequest.Record) error {
	partitions, err := l.fetcher.Partitions(ctx, l.raw)
	if err != nil {
		return fmt.Errorf("partitions of %s: %w", l.raw, err)
	}
	now := time.Now()
	header := func(key, value string) kafkago.Header { return kafkago.Header{Key: key, Value: []byte(value)} }
	_, err = kafka.Produce(ctx, l.client, l.raw, kafka.Partition([]byte(r.WABAID), int32(len(partitions))), 0, []kafkago.Record{{
		Key: kafkago.NewBytes([]byte(r.WABAID)), Value: kafkago.NewBytes(r.Append(nil)), Time: now,
		Headers: []kafkago.Header{
			header(schemas.HeaderSource, syncrequest.Source), header(schemas.HeaderProvider, r.Provider),
			header(schemas.HeaderRequestID, r.Attempt), header(schemas.HeaderReceivedAt, strconv.FormatInt(now.UnixMilli(), 10)),
			header(schemas.HeaderContentType, "application/json"),
		},
	}})
	return err
}
