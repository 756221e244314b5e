package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/bench/durable"
	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// transcript is what the truth of a run demands of its history: the wamids of each number, in their order. It judges
// those whose events are not the subject's, of which it wants no more than phone_number_id and wamid.
type transcript map[string][]string

// readTranscript works it out: chunks by phase and order; of a message that came twice the first counts, and a later
// one only when it ranks higher.
func readTranscript(file string) (t transcript, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the truth: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	phone := map[int]string{}
	chunks := map[int][]truth.Part{}
	err = truth.Read(f, func(_ int, l *truth.Line) error {
		switch {
		case l.Number != nil:
			phone[l.Number.Index] = l.Number.PhoneNumberID
		case l.Body != nil:
			for i := range l.Body.Parts {
				p := &l.Body.Parts[i]
				if p.Kind != truth.KindChunk {
					continue
				}
				if p.Phase == nil || p.Order == nil {
					return fmt.Errorf("body %d has a chunk without phase or order", l.Body.Index)
				}
				chunks[p.Number] = append(chunks[p.Number], *p)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the truth: %w", err)
	}
	t = transcript{}
	for number, parts := range chunks {
		slices.SortFunc(parts, func(a, b truth.Part) int {
			return cmp.Or(cmp.Compare(*a.Phase, *b.Phase), cmp.Compare(*a.Order, *b.Order))
		})
		seen := map[string]schemas.Rank{}
		for i := range parts {
			for j := range parts[i].Items {
				it := &parts[i].Items[j]
				if was, ok := seen[it.WAMID]; ok && it.Rank <= was {
					continue
				}
				seen[it.WAMID] = it.Rank
				t[phone[number]] = append(t[phone[number]], it.WAMID)
			}
		}
	}
	return t, nil
}

// count is how many messages there have to be.
func (t transcript) count() (n int) {
	for _, ids := range t {
		n += len(ids)
	}
	return n
}

// transcriptSettle is how long no record may come after the last one, to notice a surplus one.
const transcriptSettle = time.Second

// holds reads a topic and reports whether it has the demanded content. It ignores other numbers' messages.
func (t transcript) holds(ctx context.Context, b *broker, topic string) (ok bool, verdict string, err error) {
	ends, err := durable.End(ctx, b.admin, topic)
	if err != nil {
		return false, "", err
	}
	from := map[string]map[int32]kgo.Offset{topic: {}}
	for p := range ends[topic] {
		from[topic][p] = kgo.NewOffset().AtStart()
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addresses...), kgo.ClientID("bench-transcript"), kgo.ConsumePartitions(from),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return false, "", fmt.Errorf("read %s: %w", topic, err)
	}
	defer cl.Close()
	got := transcript{}
	seen, want := 0, t.count()
	for {
		wait := echoWait
		if seen >= want {
			wait = transcriptSettle
		}
		pollCtx, cancel := context.WithTimeout(ctx, wait)
		fetches := cl.PollFetches(pollCtx)
		quiet := pollCtx.Err() != nil && fetches.NumRecords() == 0
		cancel()
		if ctx.Err() != nil {
			return false, "", ctx.Err()
		}
		if quiet {
			ok, verdict = t.verdict(got)
			return ok, verdict, nil
		}
		if err := fetches.Err(); err != nil {
			return false, "", fmt.Errorf("read %s: %w", topic, err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			var event struct {
				Number string `json:"phone_number_id"`
				WAMID  string `json:"wamid"`
			}
			if err := json.Unmarshal(it.Next().Value, &event); err != nil {
				return false, "", fmt.Errorf("read %s: an event is not JSON: %w", topic, err)
			}
			if _, known := t[event.Number]; known {
				got[event.Number] = append(got[event.Number], event.WAMID)
				seen++
			}
		}
	}
}

// verdict compares number by number.
func (t transcript) verdict(got transcript) (ok bool, verdict string) {
	other := 0
	first := ""
	for number, want := range t {
		if have := got[number]; !slices.Equal(want, have) {
			other++
			first = fmt.Sprintf("; number %s has %d messages of %d, or another order", number, len(have), len(want))
		}
	}
	if other > 0 {
		return false, fmt.Sprintf("FAILED: %d of %d numbers are not as they should be%s", other, len(t), first)
	}
	return true, fmt.Sprintf("OK: %d messages of %d numbers, each once and in order", t.count(), len(t))
}
