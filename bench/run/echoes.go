package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/bench/durable"
	"github.com/coexstream/coexstream/bench/load"
	"github.com/coexstream/coexstream/schemas"
)

// echoes sends echoes to a stack and consumes their events, read-committed. It measures the time of each from when it
// was due to when the consumer had its event. Sender and consumer are this process, so that there is one clock.
type echoes struct {
	s      *stack
	cl     *kgo.Client
	tables *tables // where the consumer looks for the rows of the events; nil: the event is enough

	mu   sync.Mutex
	due  map[load.Identity]time.Time
	seen map[load.Identity]int
	rec  *load.Recorder
	news chan struct{} // something was seen
	err  error

	done chan struct{}
}

// watchEchoes reads the topic from its present end on.
func watchEchoes(ctx context.Context, s *stack) (*echoes, error) { return watchEchoesIn(ctx, s, nil) }

// watchEchoesIn is the same for tables, where an echo counts when its row is read.
func watchEchoesIn(ctx context.Context, s *stack, tables *tables) (*echoes, error) {
	topic := schemas.TopicEchoes.Name(s.sub.prefix)
	end, err := durable.End(ctx, s.broker.admin, topic)
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(s.broker.addresses...), kgo.ClientID("bench-echoes"), kgo.ConsumePartitions(end.From()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMinBytes(1),
	)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", topic, err)
	}
	e := &echoes{
		s: s, cl: cl, tables: tables, due: map[load.Identity]time.Time{}, seen: map[load.Identity]int{}, rec: load.NewRecorder(),
		news: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go e.read(ctx)
	if tables != nil {
		go tables.read(ctx, e.saw)
	}
	return e, nil
}

func (e *echoes) close() {
	e.cl.Close()
	<-e.done
	if e.tables != nil {
		e.tables.close()
	}
}

// saw records that echoes are there, or why they cannot be read.
func (e *echoes) saw(at time.Time, ids []load.Identity, err error) {
	e.mu.Lock()
	if err != nil {
		e.err = fmt.Errorf("read the echoes: %w", err)
	}
	for _, id := range ids {
		e.seen[id]++
		if due, ok := e.due[id]; ok && e.seen[id] == 1 {
			e.rec.Record(at.Sub(due))
		}
	}
	e.mu.Unlock()
	select {
	case e.news <- struct{}{}:
	default:
	}
}

func (e *echoes) read(ctx context.Context) {
	defer close(e.done)
	for {
		fetches := e.cl.PollFetches(ctx)
		if fetches.IsClientClosed() || ctx.Err() != nil {
			return
		}
		now := time.Now()
		var ids []load.Identity
		fetches.EachRecord(func(r *kgo.Record) {
			id, _, ok := load.FindIdentity(r.Value)
			switch {
			case !ok: // the backlog's
			case e.tables != nil:
				e.tables.expect(id, r.Value)
			default:
				ids = append(ids, id)
			}
		})
		e.saw(now, ids, fetches.Err())
	}
}

const (
	echoConnections = 32
	echoWait        = 60 * time.Second // for the last one to arrive
)

// probed is what a probe came to.
type probed struct {
	latency load.Latency
	ok      bool
	verdict string
}

// probe sends echoes until the length is over or enough is closed, and waits for the events of all that were
// acknowledged.
func (e *echoes) probe(ctx context.Context, length time.Duration, enough <-chan struct{}) (probed, error) {
	sending, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-enough:
			stop()
		case <-sending.Done():
		}
	}()
	e.mu.Lock()
	e.rec = load.NewRecorder()
	e.mu.Unlock()
	e.s.h.runs++
	run := e.s.h.runs
	report, err := load.Run(sending, load.Spec{
		URL: e.s.ingress.url, Secret: secret, Connections: echoConnections, Rate: float64(e.s.h.o.echoRate), Duration: length, Timeout: requestTimeout, Run: run,
		Mix: []load.Kind{{Name: load.Echo, Bytes: 1 << 10, Weight: 1}},
		Due: func(id load.Identity, due time.Time) {
			e.mu.Lock()
			e.due[id] = due
			e.mu.Unlock()
		},
	})
	if err != nil {
		return probed{}, err
	}
	wait, cancel := context.WithTimeout(ctx, echoWait)
	defer cancel()
	for {
		e.mu.Lock()
		missing, repeated := e.missing(run, &report)
		p := probed{latency: e.rec.Latency(), ok: report.Acked > 0 && missing == 0 && repeated == 0}
		err := e.err
		e.mu.Unlock()
		if err != nil {
			return p, err
		}
		word := "OK"
		if !p.ok {
			word = "FAILED"
		}
		p.verdict = fmt.Sprintf("%s: %d echoes acknowledged, %d lost, %d repeated", word, report.Acked, missing, repeated)
		if missing == 0 {
			return p, nil
		}
		select {
		case <-e.news:
		case <-wait.Done():
			if ctx.Err() != nil {
				return p, ctx.Err()
			}
			return p, nil
		}
	}
}

// missing counts the acknowledged echoes of a run without an event, and the events that came twice.
func (e *echoes) missing(run uint32, r *load.Report) (missing, repeated int) {
	out := make([]map[uint32]bool, len(r.Sent))
	for id, n := range e.seen {
		if n > 1 {
			repeated++
		}
		if id.Run == run {
			if out[id.Connection] == nil {
				out[id.Connection] = map[uint32]bool{}
			}
			out[id.Connection][id.Sequence] = true
		}
	}
	for c, sent := range r.Sent {
		unacked := map[uint32]bool{}
		for _, q := range r.Unacked[c] {
			unacked[q] = true
		}
		for q := range sent {
			if !unacked[q] && !out[c][q] {
				missing++
			}
		}
	}
	return missing, repeated
}

// warm sends a few echoes that do not count, so that connections are open and code is warm.
func (e *echoes) warm(ctx context.Context) error {
	p, err := e.probe(ctx, 400*time.Millisecond, nil)
	if err == nil && !p.ok {
		err = errors.New("echoes have no events: " + p.verdict)
	}
	return err
}
