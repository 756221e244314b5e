package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/bench/durable"
	"github.com/coexstream/coexstream/bench/load"
	"github.com/coexstream/coexstream/bench/peers"
	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/internal/verify/world"
	"github.com/coexstream/coexstream/schemas"
)

// playChunks is history end to end: chunks of about a megabyte, one after the other, each from its HTTP
// request to the last of its messages in a consumer's hands.
func playChunks(ctx context.Context, h *harness) (o compare.Outcome, err error) {
	contestants, stop, err := h.onBrokers(ctx, "chunks", func(ctx context.Context, s *stack) (compare.Sample, error) {
		return h.chunksTurn(ctx, s)
	})
	defer stop.all(&err)
	if err != nil {
		return o, err
	}
	return h.play(ctx, compare.Match{
		Name: "chunks", Title: "history chunks of 1 MB one after the other, HTTP in to the last event read-committed out",
		Metrics: []compare.Metric{p50Metric, p99Metric, messagesMetric}, Contestants: contestants, Plot: p50Metric.Key,
	})
}

// chunk is a body and the wamids that it has to produce.
type chunk struct {
	body   []byte
	wamids []string
}

// onboarding are the chunks of a business that was not there before, in their order.
func (h *harness) onboarding() ([]chunk, error) {
	h.runs++
	cfg := world.DefaultConfig().Plain()
	cfg.Seed, cfg.Start = uint64(h.runs)+5000, time.Now().Truncate(time.Second)
	cfg.Businesses, cfg.Messages, cfg.Live, cfg.Contacts, cfg.Unknown, cfg.Broken = 1, 60_000, 0, 0, 0, 0
	if h.o.short {
		cfg.Messages = 10_000
	}
	cfg.ChunkBytesMin, cfg.ChunkBytesMax, cfg.ShuffleWindow = 1_600_000, 1_600_000, 1 // the real bodies have about a megabyte
	cfg.DuplicateRate, cfg.OverlapRate, cfg.LateHoles, cfg.SecondNumber, cfg.Declines, cfg.Reonboard = 0, 0, 0, 0, 0, 0
	cfg.Mixed, cfg.Several, cfg.Media = 0, 0, 0
	w, err := world.New(cfg)
	if err != nil {
		return nil, err
	}
	var chunks []chunk
	for _, stage := range w.Stages() {
		for _, script := range stage {
			for _, step := range script.Steps {
				for _, b := range step.Bodies {
					body, parts := w.Render(nil, b, cfg.Start.Unix(), true)
					c := chunk{body: body}
					for i := range parts {
						if parts[i].Kind != truth.KindChunk {
							continue
						}
						for j := range parts[i].Items {
							c.wamids = append(c.wamids, parts[i].Items[j].WAMID)
						}
					}
					chunks = append(chunks, c)
				}
			}
		}
	}
	return chunks, nil
}

func (h *harness) chunksTurn(ctx context.Context, s *stack) (sample compare.Sample, err error) {
	chunks, err := h.onboarding()
	if err != nil {
		return sample, err
	}
	topic := schemas.TopicHistory.Name(s.sub.prefix)
	// The wamids tell this onboarding from those before; reading starts at the end, before anything is sent.
	end, err := durable.End(ctx, s.broker.admin, topic)
	if err != nil {
		return sample, err
	}
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(s.broker.addresses...), kgo.ClientID("bench-chunks"), kgo.ConsumePartitions(end.From()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMinBytes(1),
	)
	if err != nil {
		return sample, fmt.Errorf("read %s: %w", topic, err)
	}
	defer cl.Close()
	rec := load.NewRecorder()
	begin := time.Now()
	sent, missing, others := 0, 0, 0
	for _, c := range chunks {
		start := time.Now()
		if err := post(ctx, s.ingress.url, c.body); err != nil {
			return sample, err
		}
		left := map[string]bool{}
		for _, id := range c.wamids {
			left[id] = true
		}
		sent += len(left)
		n, err := await(ctx, cl, left)
		if err != nil {
			return sample, err
		}
		others += n
		missing += len(left)
		if len(c.wamids) > 0 {
			rec.Record(time.Since(start))
		}
		if missing > 0 {
			break
		}
	}
	sample = compare.Sample{OK: sent > 0 && missing == 0 && others == 0, Values: latencyValues(rec.Latency())}
	delete(sample.Values, p999Metric.Key) // there are some dozens
	sample.Values[messagesMetric.Key] = float64(sent) / time.Since(begin).Seconds()
	word := "OK"
	if !sample.OK {
		word = "FAILED"
	}
	sample.Verdict = fmt.Sprintf("%s: %d messages in %d bodies, %d lost, %d repeated or of an earlier chunk", word, sent, len(chunks), missing, others)
	return sample, nil
}

// await reads until all wamids are there, or nothing has come for long. It counts what else came.
func await(ctx context.Context, cl *kgo.Client, left map[string]bool) (others int, err error) {
	for len(left) > 0 {
		wait, cancel := context.WithTimeout(ctx, echoWait)
		fetches := cl.PollFetches(wait)
		cancel()
		if wait.Err() != nil && ctx.Err() == nil && fetches.NumRecords() == 0 {
			return others, nil
		}
		if err := fetches.Err(); err != nil {
			return others, fmt.Errorf("read the history: %w", err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			var event struct {
				WAMID string `json:"wamid"`
			}
			if err := json.Unmarshal(it.Next().Value, &event); err != nil {
				return others, fmt.Errorf("read the history: an event is not JSON: %w", err)
			}
			if left[event.WAMID] {
				delete(left, event.WAMID)
			} else {
				others++
			}
		}
	}
	return others, nil
}

// post sends one body and wants a 200.
func post(ctx context.Context, url string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(peers.SignatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("post to %s: %d %s", url, resp.StatusCode, answer)
	}
	return err
}
