package processors_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/testing/seed"
	"github.com/coexstream/coexstream/processors"
	"github.com/coexstream/coexstream/schemas"
)

// jumpingClock is a clock that the test sets. Unlike with a real one, measured durations jump too.
type jumpingClock struct{ ahead atomic.Int64 }

func (c *jumpingClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// standingClock is a clock that stands. For a processor with it a machine is never slow: live messages stay expected, and no
// budget of time is used up.
func standingClock() func() time.Time {
	now := time.Now()
	return func() time.Time { return now }
}

// TestFaultClockJump: the clocks of ingress and processor jump by hours in both directions, and the processor is
// restarted in between. Every event comes once, and history that is not marked late is in order. A jump forward is a
// gap timeout.
func TestFaultClockJump(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(seed.Of(t), 3))
	c := newCluster(t)
	ingressClock, processorClock := &jumpingClock{}, &jumpingClock{}
	run := func() (stop func()) {
		p, err := processors.New(c.config("a"), processors.Deps{Now: processorClock.Now})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("processor: %v", err)
			}
		}
	}
	put := func(topic schemas.Topic, waba, body string) {
		r := &kgo.Record{
			Topic: topic.Name("coex."), Partition: kafka.Partition([]byte(waba), partitions), Key: []byte(waba), Value: []byte(body),
			Headers: []kgo.RecordHeader{{Key: schemas.HeaderReceivedAt, Value: strconv.AppendInt(nil, ingressClock.Now().UnixMilli(), 10)}},
		}
		if err := c.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}

	const businesses, phases, chunks, perChunk, echoes = 6, 3, 6, 8, 12
	type raw struct {
		topic      schemas.Topic
		waba, body string
	}
	var all []raw
	for b := range businesses {
		waba := strconv.Itoa(100 + b)
		for phase := range phases {
			for order := 1; order <= chunks; order++ {
				var ids []string
				for i := range perChunk {
					ids = append(ids, fmt.Sprintf("w%s.%d.%02d.%02d", waba, phase, order, i))
				}
				all = append(all, raw{schemas.TopicRawBulk, waba, chunk(waba, phase, order, 100*order/chunks, ids...)})
			}
		}
		for i := range echoes {
			all = append(all, raw{schemas.TopicRawLive, waba, echo(waba, fmt.Sprintf("e%s.%d", waba, i))})
		}
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })

	// An emitted echo shows that the processor has processed all earlier records.
	seenEchoes := 0
	drained := func() { c.read(schemas.TopicEchoes, atLeast(seenEchoes)) }
	jumps := []time.Duration{7 * time.Hour, -10 * time.Hour, 40 * time.Minute, -5 * time.Minute, 26 * time.Hour, -24 * time.Hour}
	stop := run()
	for i, r := range all {
		put(r.topic, r.waba, r.body)
		if r.topic == schemas.TopicRawLive {
			seenEchoes++
		}
		if every := len(all) / (len(jumps) + 1); i%every == every-1 && len(jumps) > 0 {
			drained()
			switch rng.IntN(3) {
			case 0:
				ingressClock.ahead.Add(int64(jumps[0]))
			case 1:
				processorClock.ahead.Add(int64(jumps[0]))
			default:
				ingressClock.ahead.Add(int64(jumps[0]))
				processorClock.ahead.Add(int64(jumps[0]))
			}
			if rng.IntN(2) == 0 {
				stop()
				stop = run()
			}
			jumps = jumps[1:]
		}
	}
	t.Cleanup(func() { stop() })
	// The wait for a chunk that a former jump has made late ends at last. Time passes only where all is read.
	processorClock.ahead.Add(int64(7 * 24 * time.Hour))

	count := map[string]int{}
	inOrder := map[string][]string{}
	for _, r := range c.read(schemas.TopicHistory, atLeast(businesses*phases*chunks*perChunk)) {
		var m schemas.Message
		if err := json.Unmarshal(r.Value, &m); err != nil {
			t.Fatal(err)
		}
		count[m.WAMID]++
		if !m.Sync.Late {
			inOrder[m.WABAID] = append(inOrder[m.WABAID], m.WAMID)
		}
	}
	for _, r := range c.read(schemas.TopicEchoes, atLeast(businesses*echoes)) {
		count[wamid(r)]++
	}
	if want := businesses * (phases*chunks*perChunk + echoes); len(count) != want {
		t.Errorf("%d different events, want %d", len(count), want)
	}
	for id, n := range count {
		if n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
	for waba, ids := range inOrder {
		if !slices.IsSorted(ids) {
			t.Errorf("history of %s is out of order, and not all of it is marked late", waba)
		}
	}
}
