package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"github.com/coexstream/coexstream/ingress/raw"
	coexkafka "github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/schemas"
)

// Publisher is the raw.Durable that writes to Kafka. It has a queue for each partition and a dispatcher for each topic.
//
// Publish fails until Run has learned the number of partitions, and after Run has ended. The bytes of a record count
// against InFlightBytesMax until it is acknowledged, refused, or expired.
type Publisher struct {
	cfg     Config
	log     *slog.Logger
	now     func() time.Time
	metrics *publisherMetrics
	health  *health

	codecs    [raw.Lanes]kafka.Compression
	client    *kafka.Client
	transport *kafka.Transport
	stop      context.CancelFunc // ends the goroutines of the transport

	inFlight atomic.Int64
	limits   [raw.Lanes]atomic.Int64             // longer records are written in segments
	queues   atomic.Pointer[[raw.Lanes][]*queue] // by lane, then partition; nil until known
	closed   atomic.Bool
	busy     sync.WaitGroup // queues that are not idle

	mu      sync.Mutex
	pending error // the reason why the partitions are not known yet
}

// Deps are the dependencies of a Publisher. Dial and SASL may be nil: then connections are plain TCP without SASL.
type Deps struct {
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Now        func() time.Time
	Dial       func(ctx context.Context, network, address string) (net.Conn, error)
	SASL       sasl.Mechanism
}

const (
	// metadataTTL bounds the time until a moved leader is noticed. The client does not renew its metadata when a
	// broker answers that it is no longer the leader.
	metadataTTL = 300 * time.Millisecond
	dialTimeout = 3 * time.Second
	// See health.
	healthGrace  = 5 * time.Second
	healthForget = 10 * time.Second
	// sweepEvery is the precision of deadlines.
	sweepEvery = 20 * time.Millisecond
)

// New makes a Publisher. It opens no connection; Run does.
func New(cfg Config, deps Deps) (*Publisher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	var codecs [raw.Lanes]kafka.Compression
	for topic, name := range map[schemas.Topic]string{schemas.TopicRawLive: cfg.CompressionLive, schemas.TopicRawBulk: cfg.CompressionBulk} {
		codecs[raw.Lane(topic)], _ = compression(name) // validated
	}
	metrics, err := newPublisherMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	dial := deps.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext
	}
	transport := &kafka.Transport{
		Dial:           dial,
		DialTimeout:    dialTimeout,
		IdleTimeout:    cfg.ConnectionIdleTimeout,
		MetadataTTL:    metadataTTL,
		MetadataTopics: []string{schemas.TopicRawLive.Name(cfg.TopicPrefix), schemas.TopicRawBulk.Name(cfg.TopicPrefix)},
		ClientID:       cfg.ClientID,
		SASL:           deps.SASL,
		Context:        ctx,
	}
	return &Publisher{
		cfg:     cfg,
		log:     deps.Logger,
		now:     deps.Now,
		metrics: metrics,
		codecs:  codecs,
		health:  &health{log: deps.Logger, now: deps.Now, grace: healthGrace, forget: healthForget},
		client: &kafka.Client{
			Addr: kafka.TCP(cfg.Brokers...),
			// The broker waits for its replicas for half of it.
			Timeout:   cfg.ProduceTimeout,
			Transport: transport,
		},
		transport: transport,
		stop:      stop,
		pending:   errors.New("partitions of the raw topics are not known yet"),
	}, nil
}

// Publish implements raw.Durable. A record that is too long for its topic is written in segments.
func (p *Publisher) Publish(r *raw.Record, deadline time.Time) error {
	bytes := int64(r.Bytes())
	limit := p.limits[raw.Lane(r.Topic)].Load()
	if bytes > limit && p.queues.Load() != nil {
		return p.publishSegments(r, limit, deadline)
	}
	_, err := p.publish(r, bytes, deadline, false)
	if err != nil && tooLarge(err, bytes) {
		return p.publishSegments(r, bytes/2, deadline)
	}
	return err
}

// publish writes one record. With alone it gets a batch of its own, and its offset is returned.
func (p *Publisher) publish(r *raw.Record, bytes int64, deadline time.Time, alone bool) (offset int64, err error) {
	queues := p.queues.Load()
	if queues == nil {
		if p.closed.Load() {
			return 0, raw.ErrClosed
		}
		return 0, fmt.Errorf("%w: %w", raw.ErrUnavailable, p.pendingError())
	}
	q := queueOf(queues, r)
	if p.inFlight.Add(bytes) > p.cfg.InFlightBytesMax {
		p.inFlight.Add(-bytes)
		return 0, raw.ErrBusy
	}
	pub := &publication{record: r, deadline: deadline, bytes: bytes, alone: alone, offset: -1, done: make(chan error, 1)}
	if !q.push(pub) {
		p.inFlight.Add(-bytes)
		return 0, raw.ErrClosed
	}
	err = <-pub.done
	return pub.offset, err
}

// queueOf returns the queue of a record's partition.
func queueOf(queues *[raw.Lanes][]*queue, r *raw.Record) *queue {
	lane := queues[raw.Lane(r.Topic)]
	return lane[coexkafka.Partition(r.PartitionKey(), int32(len(lane)))]
}

// finish wakes the caller of Publish.
func (p *Publisher) finish(pub *publication, err error) {
	p.inFlight.Add(-pub.bytes)
	pub.done <- err
}

// Ready implements raw.Durable.
func (p *Publisher) Ready() error {
	if p.closed.Load() {
		return raw.ErrClosed
	}
	if p.queues.Load() == nil {
		return p.pendingError()
	}
	return p.health.ready()
}

func (p *Publisher) pendingError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pending
}

// Run waits for the raw topics, learns their partitions and publishes until ctx ends. Then it refuses new records,
// waits for those in its queues until their deadlines, and returns when every goroutine has ended. It always returns
// nil; while it waits for the topics, Ready returns the reason.
func (p *Publisher) Run(ctx context.Context) error {
	defer func() {
		p.closed.Store(true)
		p.transport.CloseIdleConnections()
		p.stop()
	}()
	partitions, err := p.learn(ctx)
	if err != nil {
		return nil // ctx ended first
	}

	p.learnLimits(ctx)
	requests, cancel := context.WithCancel(context.Background())
	defer cancel()
	idle := make(chan struct{})
	var dispatching, sweeping sync.WaitGroup
	var queues [raw.Lanes][]*queue
	for _, topic := range raw.Topics() {
		lane := raw.Lane(topic)
		// Each topic has a dispatcher of its own, so that history does not delay live records.
		d := newDispatcher(p, topic.Name(p.cfg.TopicPrefix), p.codecs[lane], &p.limits[lane], partitions, p.metrics.topics[lane])
		queues[lane] = d.queues
		dispatching.Go(func() { d.run(requests, idle) })
	}
	p.log.Info("publishing", "brokers", strings.Join(p.cfg.Brokers, ","), "partitions", partitions)
	p.queues.Store(&queues)

	swept := make(chan struct{})
	sweeping.Go(func() { p.sweep(&queues, swept) })
	<-ctx.Done()
	p.closed.Store(true)
	for _, lane := range queues {
		for _, q := range lane {
			q.close()
		}
	}
	p.busy.Wait()
	close(idle)
	dispatching.Wait()
	close(swept)
	sweeping.Wait()
	return nil
}

// sweep ends expired publications until done is closed.
func (p *Publisher) sweep(queues *[raw.Lanes][]*queue, done <-chan struct{}) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.metrics.inFlightBytes.Set(float64(p.inFlight.Load()))
			if p.inFlight.Load() == 0 {
				continue
			}
			now := p.now()
			for _, lane := range queues {
				for _, q := range lane {
					q.expire(now)
				}
			}
		case <-done:
			return
		}
	}
}

// learn asks for the number of partitions until both raw topics exist and have the same number.
func (p *Publisher) learn(ctx context.Context) (int, error) {
	pause := 50 * time.Millisecond
	for logged := ""; ; {
		n, err := p.partitions(ctx)
		if err == nil {
			return n, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		p.mu.Lock()
		p.pending = err
		p.mu.Unlock()
		if logged != err.Error() {
			logged = err.Error()
			p.log.Warn("waiting for the raw topics", "error", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		pause = min(2*pause, time.Second)
	}
}

// partitions returns the number of partitions that both raw topics have.
func (p *Publisher) partitions(ctx context.Context) (int, error) {
	res, err := p.client.Metadata(ctx, &kafka.MetadataRequest{Topics: p.transport.MetadataTopics})
	if err != nil {
		return 0, fmt.Errorf("metadata of %s from %s: %w", strings.Join(p.transport.MetadataTopics, ", "), strings.Join(p.cfg.Brokers, ", "), coexkafka.Explain(err))
	}
	n := 0
	for i, t := range res.Topics {
		if t.Error != nil {
			return 0, fmt.Errorf("metadata of %s: %w", t.Name, t.Error)
		}
		if i > 0 && len(t.Partitions) != n {
			return 0, fmt.Errorf("%s has %d partitions and %s has %d: all topics must have the same number",
				res.Topics[0].Name, n, t.Name, len(t.Partitions))
		}
		n = len(t.Partitions)
	}
	if n == 0 {
		return 0, errors.New("the raw topics have no partitions")
	}
	return n, nil
}
