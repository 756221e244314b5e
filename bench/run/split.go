package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/coexstream/coexstream/bench/compare"
	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/internal/verify/world"
	"github.com/coexstream/coexstream/processors/split"
)

// Metrics of splitting.
var (
	splitRateMetric   = compare.Metric{Key: "rate", Title: "read", Unit: "MB/s a core", More: true}
	splitAllocsMetric = compare.Metric{Key: "allocs", Title: "allocations", Unit: "a message"}
)

const (
	countName        = "bytes.Count"
	validName        = "utf8.Valid"
	encodingJSONName = "encoding/json"
	jsontextName     = "jsontext, tokens"
)

// cutter reads a body and says how many messages it saw; a floor sees none.
type cutter struct {
	name, remark string
	messages     bool
	cut          func(body []byte) (messages int, err error)
}

// playSplit is the cutting of history bodies, beside what only looks at each byte and what one would take.
func playSplit(ctx context.Context, h *harness) (compare.Outcome, error) {
	body, messages, err := chunkBody()
	if err != nil {
		return compare.Outcome{}, err
	}
	const million = 1e6
	m := compare.Match{
		Name: "split", Title: fmt.Sprintf("history of %.2f MB, %d messages, one goroutine", float64(len(body))/million, messages),
		Metrics: []compare.Metric{splitRateMetric, splitAllocsMetric}, Plot: splitRateMetric.Key,
	}
	for _, c := range cutters() {
		m.Contestants = append(m.Contestants, compare.Contestant{Name: c.name, Remark: c.remark, Turn: func(ctx context.Context) (compare.Sample, error) {
			return c.turn(ctx, body, messages, h.o.turn)
		}})
		if c.name != subjectName {
			m.Pairs = append(m.Pairs, compare.Pair{Metric: splitRateMetric.Key, Of: subjectName, To: c.name})
		}
	}
	return h.play(ctx, m)
}

// chunkBody is a body of history of about a megabyte, and how many messages it has.
func chunkBody() ([]byte, int, error) {
	cfg := world.DefaultConfig().Plain()
	cfg.Seed, cfg.Start, cfg.Businesses, cfg.Messages, cfg.Live, cfg.Contacts = 20, time.Unix(1_760_000_000, 0), 1, 40_000, 0, 0
	cfg.ChunkBytesMin, cfg.ChunkBytesMax = 1_600_000, 1_600_000 // the real bodies are smaller
	cfg.Mixed, cfg.Declines, cfg.SecondNumber = 0, 0, 0
	w, err := world.New(cfg)
	if err != nil {
		return nil, 0, err
	}
	for i := range w.Bodies() {
		body, parts := w.Render(nil, i, cfg.Start.Unix(), true)
		const least = 900_000
		if len(parts) == 1 && parts[0].Kind == truth.KindChunk && len(body) > least {
			return body, len(parts[0].Items), nil
		}
	}
	return nil, 0, errors.New("split: the world has no history body of a megabyte")
}

// turn reads the body over and over.
func (c *cutter) turn(ctx context.Context, body []byte, messages int, length time.Duration) (compare.Sample, error) {
	if _, err := c.cut(body); err != nil { // grows to its size
		return compare.Sample{}, fmt.Errorf("%s: %w", c.name, err)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin, rounds := time.Now(), 0
	wrong := 0
	for ; time.Since(begin) < length && ctx.Err() == nil; rounds++ {
		seen, err := c.cut(body)
		if err != nil {
			return compare.Sample{}, fmt.Errorf("%s: %w", c.name, err)
		}
		if c.messages && seen != messages {
			wrong++
		}
	}
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	if ctx.Err() != nil {
		return compare.Sample{}, ctx.Err()
	}
	s := compare.Sample{OK: wrong == 0, Values: map[string]float64{
		splitRateMetric.Key:   float64(len(body)) * float64(rounds) / megabyte / took.Seconds(),
		splitAllocsMetric.Key: float64(after.Mallocs-before.Mallocs) / float64(rounds*messages),
	}}
	// The measurement itself makes some ten allocations in a turn, which do not count per message.
	const own = 0.0005
	if s.Values[splitAllocsMetric.Key] < own {
		s.Values[splitAllocsMetric.Key] = 0
	}
	switch {
	case !s.OK:
		s.Verdict = fmt.Sprintf("FAILED: %d of %d bodies did not have %d messages", wrong, rounds, messages)
	case c.messages:
		s.Verdict = fmt.Sprintf("OK: %d messages in each body", messages)
	default:
		s.Verdict = "OK: a floor, which sees bytes alone"
	}
	return s, nil
}

func cutters() []cutter {
	scanner := split.NewScanner(split.Limits{})
	sink := 0
	return []cutter{
		{name: subjectName, messages: true, cut: func(body []byte) (n int, err error) {
			parts, err := scanner.Scan(body)
			if err != nil {
				return 0, err
			}
			for i := range parts.Changes {
				for j := range parts.Changes[i].History {
					for k := range parts.Changes[i].History[j].Threads {
						n += len(parts.Changes[i].History[j].Threads[k].Messages)
					}
				}
			}
			return n, nil
		}},
		{name: countName, cut: func(body []byte) (int, error) {
			sink += bytes.Count(body, []byte{'{'})
			return 0, nil
		}},
		{name: validName, cut: func(body []byte) (int, error) {
			if !utf8.Valid(body) {
				return 0, errors.New("the body is not valid UTF-8")
			}
			return 0, nil
		}},
		{name: encodingJSONName, messages: true, remark: "into structs of what the pipeline needs", cut: cutWithStructs},
		{name: jsontextName, messages: true, remark: "reads every token, keeps none", cut: cutWithTokens},
	}
}

// cutWithStructs is how a user would read a chunk.
func cutWithStructs(body []byte) (n int, err error) {
	var w struct {
		Entry []struct {
			ID      string
			Changes []struct {
				Field string
				Value struct {
					History []struct {
						Metadata json.RawMessage
						Threads  []struct {
							ID       string
							Messages []struct {
								ID, From, To, Type string
								Timestamp          json.RawMessage
								HistoryContext     struct{ Status string } `json:"history_context"`
							}
						}
					}
				}
			}
		}
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return 0, err
	}
	for _, e := range w.Entry {
		for _, c := range e.Changes {
			for _, h := range c.Value.History {
				for _, t := range h.Threads {
					n += len(t.Messages)
				}
			}
		}
	}
	return n, nil
}

// cutWithTokens counts the messages by their history_context, which each has once.
func cutWithTokens(body []byte) (n int, err error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body))
	for {
		t, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		if t.Kind() == '"' && t.String() == "history_context" {
			n++
		}
	}
}
