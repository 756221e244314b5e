package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/bench/tenant"
)

// outcome has the events in `messages` of the businesses beside those of the simulation, which check does not know.
type outcome struct {
	rotten map[string]int // how often messages came out whose webhooks may have been damaged
	// mad is how many events of the mad tenant there are; overtaken is how many of those came out behind events of other
	// businesses that were received after them, in the same partition.
	mad, overtaken int
	next           map[int32][]arrival
}

// arrival is an event as its partition's log has it.
type arrival struct {
	offset int64 // of its raw record
	mad    bool
}

// outcomeTime is for the last events of businesses that check does not wait for.
const outcomeTime = 2 * time.Minute

// outcome reads `messages` until all events of undamaged webhooks are there.
func (s *stage) outcome(ctx context.Context) (*outcome, error) {
	s.mu.Lock()
	expected := len(s.rotten.acked) - len(s.rotten.damaged)
	s.mu.Unlock()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.Addrs()...), kgo.ConsumeTopics(s.prefix+"messages"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	o := &outcome{rotten: map[string]int{}, next: map[int32][]arrival{}}
	ctx, cancel := context.WithTimeout(ctx, outcomeTime)
	defer cancel()
	for quiet := 0; quiet < 3 || len(o.rotten) < expected; {
		poll, stop := context.WithTimeout(ctx, time.Second)
		fetches := cl.PollFetches(poll)
		stop()
		if ctx.Err() != nil {
			break // the caller reports missing ones
		}
		quiet++
		for _, r := range fetches.Records() {
			quiet = 0
			if err := o.take(r); err != nil {
				return nil, err
			}
		}
	}
	for _, all := range o.next {
		o.count(all)
	}
	return o, nil
}

func (o *outcome) take(r *kgo.Record) error {
	var event struct {
		WABA  string `json:"waba_id"`
		WAMID string `json:"wamid"`
	}
	if err := json.Unmarshal(r.Value, &event); err != nil {
		return fmt.Errorf("%s/%d@%d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	if event.WABA == rottenWABA {
		o.rotten[event.WAMID]++
	}
	for _, h := range r.Headers {
		if h.Key != "coex-origin" {
			continue
		}
		place, _, _ := strings.Cut(string(h.Value), "#")
		rest, ok := strings.CutPrefix(place, "raw.live/"+strconv.Itoa(int(r.Partition))+"/")
		if !ok {
			continue // it was received in another partition
		}
		offset, err := strconv.ParseInt(rest, 10, 64)
		if err != nil {
			return fmt.Errorf("%s/%d@%d: origin %q", r.Topic, r.Partition, r.Offset, h.Value)
		}
		o.next[r.Partition] = append(o.next[r.Partition], arrival{offset, event.WABA == tenant.WABA})
	}
	return nil
}

// count counts the mad tenant's events in the order of their log.
func (o *outcome) count(all []arrival) {
	newest := int64(-1) // of others
	for _, a := range all {
		switch {
		case !a.mad:
			newest = max(newest, a.offset)
		default:
			o.mad++
			if a.offset < newest {
				o.overtaken++
			}
		}
	}
}
