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

// Publisher is the Durable that writes to Kafka: a group-commit queue for each partition (queue), sent
// by a dispatcher for each topic over one client with its own connections.
//
// Until Run has learned how many partitions the topics have, and after it has ended, nothing can be
// published. A record that is queued is acknowledged, refused, or given up at its deadline; its bytes
// count against InFlightBytesMax until then.
type Publisher struct {
	cfg     Config
	log     *slog.Logger
	now     func() time.Time
	metrics *publisherMetrics
	health  *health

	codecs    [2]kafka.Compression // by lane
	client    *kafka.Client
	transport *kafka.Transport
	stop      context.CancelFunc // ends the transport's own goroutines

	inFlight atomic.Int64
	limits   [2]atomic.Int64             // by lane: longer records travel in segments
	queues   atomic.Pointer[[2][]*queue] // by lane, then partition; nil until known
	closed   atomic.Bool
	pool     sync.Pool      // *publication
	busy     sync.WaitGroup // queues that have something

	mu      sync.Mutex
	pending error // why the partitions are not known yet
}

// Deps are what a Publisher needs from outside. Dial and SASL may be nil: plain text to anybody.
type Deps struct {
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Now        func() time.Time
	Dial       func(ctx context.Context, network, address string) (net.Conn, error)
	SASL       sasl.Mechanism
}

const (
	// metadataTTL bounds how long a moved leader goes unnoticed: the client does not look again when a
	// broker says that it leads no more.
	metadataTTL = 300 * time.Millisecond
	dialTimeout = 3 * time.Second
	// healthGrace and healthForget: see health.
	healthGrace  = 5 * time.Second
	healthForget = 10 * time.Second
	// sweepEvery is how exactly deadlines are kept.
	sweepEvery = 20 * time.Millisecond
)

// New connects to nothing yet; Run does.
func New(cfg Config, deps Deps) (*Publisher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	var codecs [2]kafka.Compression
	for topic, name := range map[schemas.Topic]string{schemas.TopicRawLive: cfg.CompressionLive, schemas.TopicRawBulk: cfg.CompressionBulk} {
		codec, err := compression(name)
		if err != nil {
			return nil, fmt.Errorf("publisher compression of %s is %w", topic, err)
		}
		codecs[raw.Lane(topic)] = codec
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
			// Half of it goes to the broker as the time to wait for its replicas.
			Timeout:   cfg.ProduceTimeout,
			Transport: transport,
		},
		transport: transport,
		stop:      stop,
		pool:      sync.Pool{New: func() any { return &publication{done: make(chan error, 1)} }},
		pending:   errors.New("partitions of the raw topics are not known yet"),
	}, nil
}

// Publish implements raw.Durable. A record that is longer than its topic takes is written in segments.
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

// publish writes one record. Its offset is told where it is to have a batch of its own.
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
	pub := p.pool.Get().(*publication)
	pub.record, pub.deadline, pub.bytes, pub.alone, pub.offset, pub.run = r, deadline, bytes, alone, -1, nil
	if !q.push(pub) {
		p.inFlight.Add(-bytes)
		return 0, raw.ErrClosed
	}
	err = <-pub.done
	offset, pub.record = pub.offset, nil
	p.pool.Put(pub)
	return offset, err
}

// queueOf is the queue of the partition that a record belongs to.
func queueOf(queues *[2][]*queue, r *raw.Record) *queue {
	lane := queues[raw.Lane(r.Topic)]
	return lane[coexkafka.Partition(r.PartitionKey(), int32(len(lane)))]
}

// finish wakes the caller of Publish. The publication is theirs from then on.
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

// Run learns the partitions and publishes until ctx ends; then it refuses new records, waits for those
// that it has (not longer than their deadlines), and returns when every goroutine has ended.
// It returns nil, or why it never learned the partitions is in Ready: Run waits for the topics.
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
	flights, ground := context.WithCancel(context.Background())
	defer ground()
	idle := make(chan struct{})
	var dispatching, sweeping sync.WaitGroup
	var queues [2][]*queue
	for _, topic := range raw.Topics() {
		lane := raw.Lane(topic)
		// Each topic has its own, so that history is in nobody's way.
		d := newDispatcher(p, topic.Name(p.cfg.TopicPrefix), p.codecs[lane], &p.limits[lane], partitions, p.metrics.topics[lane])
		queues[lane] = d.queues
		dispatching.Go(func() { d.run(flights, idle) })
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

// sweep ends publications at their deadlines until done is closed.
func (p *Publisher) sweep(queues *[2][]*queue, done <-chan struct{}) {
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

// learn asks for the number of partitions until both raw topics are there and agree.
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

// partitions is how many partitions both raw topics have.
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
