package main

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestFaultClockJump: clocks that are wrong, forward and back, at the same time and while a process is started again.
// Nothing is lost, repeated or out of order.
func TestFaultClockJump(t *testing.T) {
	s := scene(t)
	clock := s.watchClock(t, processorName(1))
	s.outlives(t,
		fault{at: aSecond, length: 4 * aSecond, kind: kindClock, target: ingressName, jump: jumpMax},
		fault{at: 2 * aSecond, length: 5 * aSecond, kind: kindClock, target: processorName(1), jump: -jumpMax},
		fault{at: 3 * aSecond, length: 300 * time.Millisecond, kind: kindKill, target: processorName(2)},
		fault{at: 6 * aSecond, length: 4 * aSecond, kind: kindClock, target: ingressName, jump: -jumpMax},
		fault{at: 8 * aSecond, length: 4 * aSecond, kind: kindClock, target: processorName(1), jump: jumpMax})
	s.clockFellBack(t)
	if back, forward := clock(); back > -jumpMax/2 || forward < jumpMax/2 {
		t.Errorf("the clock of %s was wrong by %v to %v, wanted %v to %v", processorName(1), back, forward, -jumpMax, jumpMax)
	}
}

var lastCommit = regexp.MustCompile(`(?m)^coexstream_processor_last_commit_timestamp_seconds (\S+)$`)

// watchClock watches by how much a processor's clock is wrong, as its metrics tell it: the extremes, once they are asked
// for. A processor that commits nothing for a while looks late by as long; that is little beside a jump.
func (s *stage) watchClock(t *testing.T, name string) (extremes func() (back, forward time.Duration)) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	var back, forward time.Duration
	go func() {
		defer close(done)
		for rest(ctx, clockNoticed) == nil {
			wrong, ok := s.byName(name).wrong(ctx)
			if ok {
				back, forward = min(back, wrong), max(forward, wrong)
			}
		}
	}()
	t.Cleanup(stop)
	return func() (time.Duration, time.Duration) {
		stop()
		<-done
		return back, forward
	}
}

// wrong is how far the last commit lies in the future, by the process's own clock.
func (p *process) wrong(ctx context.Context) (d time.Duration, ok bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+"/metrics", http.NoBody)
	if err != nil {
		return 0, false
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, false // it is being started
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, false
	}
	m := lastCommit.FindSubmatch(text)
	if m == nil {
		return 0, false
	}
	at, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil || at == 0 {
		return 0, false
	}
	return time.Until(time.UnixMilli(int64(at * 1000))), true
}

// clockFellBack expects that the ingress has stamped a webhook much earlier than one before it: that its clock was wrong.
func (s *stage) clockFellBack(t *testing.T) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.Addrs()...), kgo.ConsumeTopics(s.prefix+ledTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	newest, fell := map[int32]int64{}, false
	err = until(t.Context(), 20*aSecond, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), aSecond)
		defer cancel()
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			for _, h := range r.Headers {
				if h.Key != "coex-received-at" {
					continue
				}
				at, err := strconv.ParseInt(string(h.Value), 10, 64)
				if err != nil {
					t.Error(err)
				}
				fell = fell || newest[r.Partition]-at > (jumpMax/2).Milliseconds()
				newest[r.Partition] = max(newest[r.Partition], at)
			}
		})
		return fell
	})
	if err != nil {
		t.Errorf("no clock of the ingress was wrong: %v", err)
	}
}

func TestPlannedClocksAreWrongWithinTheirBounds(t *testing.T) {
	back, forward := 0, 0
	for seed := range uint64(100) {
		for _, f := range plan(seed, 3*time.Minute, wholeWorld) {
			switch {
			case (f.kind == kindClock) != (f.jump != 0) || f.jump.Abs() > jumpMax:
				t.Errorf("seed %d: %s", seed, f)
			case f.jump < 0:
				back++
			case f.jump > 0:
				forward++
			}
		}
	}
	if back == 0 || forward == 0 {
		t.Errorf("%d jumps back, %d forward", back, forward)
	}
}
