package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/schemas"
)

const (
	loopName        = "bare HTTP client loop"
	webhookInFlight = 32 // the default of an endpoint
	webhookSecret   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
	webhookTimeout  = 10 * time.Minute
)

// playWebhook lets the sink send history from the topics to an endpoint that answers at once. The other contestant sends the same bodies from its
// memory to the same endpoint: by Go's HTTP client, with as many connections, in order for each business. It signs nothing and keeps no positions.
func playWebhook(ctx context.Context, h *harness) (compare.Outcome, error) {
	messages := 60_000
	if h.o.short {
		messages = 2_000
	}
	w := &webhookMatch{h: h, messages: messages}
	return h.play(ctx, compare.Match{
		Name:    "webhook",
		Title:   fmt.Sprintf("%s events of %d businesses from the topics to an HTTP endpoint, %d requests in flight, %s", count(messages), backlogBusinesses, webhookInFlight, h.o.embeddedBroker()),
		Metrics: []compare.Metric{messagesMetric, cpuMessageMetric, rssMetric},
		Contestants: []compare.Contestant{
			{Name: subjectName, Turn: w.sink}, // the first: the other sends its bodies
			{Name: loopName, Turn: w.loop},
		},
		Pairs: []compare.Pair{{Metric: messagesMetric.Key, Of: subjectName, To: loopName}},
		Plot:  messagesMetric.Key,
	})
}

type webhookMatch struct {
	h        *harness
	messages int
	events   int                 // of them
	bodies   map[string][][]byte // by business, in their order
}

func (w *webhookMatch) sink(ctx context.Context) (sample compare.Sample, err error) {
	s, err := w.h.newStack(ctx, "webhook", nil)
	if err != nil {
		return sample, err
	}
	defer s.close(&err)
	if err := s.process(ctx); err != nil {
		return sample, err
	}
	if _, err := s.simulate(ctx, s.past(backlogBusinesses, w.messages), 0, 0); err != nil {
		return sample, err
	}
	if err := s.drained(ctx, team{s.proc}); err != nil {
		return sample, err
	}
	verdict, err := s.check(ctx)
	if err != nil {
		return sample, err
	}
	for _, t := range verdict.Topics {
		if t.Topic == schemas.TopicHistory.String() {
			w.events = t.Seen
		}
	}
	to, err := startEndpoint(ctx)
	if err != nil {
		return sample, err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	file := w.h.path(s.sub.name + "-endpoints.yaml")
	text := fmt.Sprintf("endpoints:\n  - {name: bench, url: '%s', insecure_http: true, allow: [127.0.0.0/8], start: beginning, historical: true, topics: [history], in_flight: %d, "+
		"secrets: [{id: a, value: %s}]}\n", to.url, webhookInFlight, webhookSecret)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return sample, err
	}
	role, err := s.sub.start(ctx, "sink webhook", "--endpoints-file", file, "--group-id", s.sub.prefix+"webhook")
	if err != nil {
		return sample, err
	}
	defer func() { err = errors.Join(err, role.Stop()) }()
	if err := to.wait(ctx, w.events, role.Done()); err != nil {
		return sample, fmt.Errorf("%w; see the logs of %s", err, s.sub.name)
	}
	cpu, err := role.CPU()
	if err != nil {
		return sample, err
	}
	rss, err := role.PeakRSS()
	if err != nil {
		return sample, err
	}
	sample = to.sample(w.events)
	sample.OK = sample.OK && verdict.OK()
	sample.Values[cpuMessageMetric.Key] = micros(cpu) / float64(w.events)
	sample.Values[rssMetric.Key] = float64(rss) / megabyte
	w.bodies = to.bodies
	return sample, nil
}

func (w *webhookMatch) loop(ctx context.Context) (sample compare.Sample, err error) {
	to, err := startEndpoint(ctx)
	if err != nil {
		return sample, err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	// A business is with one connection at a time, and then waits for its next turn.
	turns := make(chan [][]byte, len(w.bodies))
	for _, bodies := range w.bodies {
		turns <- bodies
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: webhookInFlight}, Timeout: webhookTimeout}
	defer client.CloseIdleConnections()
	var left sync.WaitGroup
	left.Add(len(w.bodies))
	failed := make(chan error, webhookInFlight)
	for range webhookInFlight {
		go func() {
			for bodies := range turns {
				if err := postWith(ctx, client, to.url, bodies[0]); err != nil {
					failed <- err
					return
				}
				if len(bodies) > 1 {
					turns <- bodies[1:]
				} else {
					left.Done()
				}
			}
		}()
	}
	done := make(chan struct{})
	go func() {
		left.Wait()
		close(done)
	}()
	select {
	case err := <-failed:
		return sample, err
	case <-done:
		close(turns)
	}
	return to.sample(w.events), nil
}

func postWith(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/cloudevents+json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return err
}

// endpoint accepts everything, and keeps the bodies.
type endpoint struct {
	url    string
	server *http.Server

	mu          sync.Mutex
	bodies      map[string][][]byte // by business
	ids         map[string]struct{}
	requests    int
	fault       error
	first, last time.Time
}

func startEndpoint(ctx context.Context) (*endpoint, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &endpoint{url: "http://" + l.Addr().String() + "/", bodies: map[string][][]byte{}, ids: map[string]struct{}{}}
	e.server = &http.Server{Handler: e, ReadHeaderTimeout: webhookTimeout}
	go func() { _ = e.server.Serve(l) }() // close ends it
	return e, nil
}

func (e *endpoint) close() error { return e.server.Close() }

// ServeHTTP takes a CloudEvent.
func (e *endpoint) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var event struct {
		ID   string `json:"id"`
		Data struct {
			WABA string `json:"waba_id"`
		} `json:"data"`
	}
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.fault = err
	}
	if e.requests == 0 {
		e.first = now
	}
	e.requests, e.last, e.ids[event.ID] = e.requests+1, now, struct{}{}
	e.bodies[event.Data.WABA] = append(e.bodies[event.Data.WABA], body)
}

// wait returns when so many events arrived.
func (e *endpoint) wait(ctx context.Context, events int, ended <-chan struct{}) error {
	limit := time.After(webhookTimeout)
	for {
		e.mu.Lock()
		n := len(e.ids)
		e.mu.Unlock()
		if n >= events {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			return errors.New("the sink ended by itself")
		case <-limit:
			return fmt.Errorf("%d of %d events arrived within %s", n, events, webhookTimeout)
		case <-time.After(drainPoll):
		}
	}
}

// sample is the rate between the first and the last request.
func (e *endpoint) sample(events int) compare.Sample {
	e.mu.Lock()
	defer e.mu.Unlock()
	return compare.Sample{
		OK:      e.fault == nil && len(e.ids) == events && e.requests == events,
		Verdict: fmt.Sprintf("%s events, %d repetitions", count(len(e.ids)), e.requests-len(e.ids)),
		Values:  map[string]float64{messagesMetric.Key: float64(len(e.ids)) / max(e.last.Sub(e.first).Seconds(), 1e-3)},
	}
}
