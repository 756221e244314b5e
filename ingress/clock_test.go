package ingress

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/ingress/handover"
	"github.com/coexstream/coexstream/ingress/publish"
	"github.com/coexstream/coexstream/ingress/rawtest"
	"github.com/coexstream/coexstream/ingress/spool/faultfs"
)

// jumpingClock is a clock that can be set. Unlike with a real one, measured times jump, too.
type jumpingClock struct{ ahead atomic.Int64 }

func (c *jumpingClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// handClock is a clock that moves only by hand.
type handClock struct{ nanos atomic.Int64 }

func newHandClock() *handClock {
	c := &handClock{}
	c.nanos.Store(time.Now().UnixNano())
	return c
}

func (c *handClock) Now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *handClock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

// TestFaultClockJump: the clock jumps by hours, forward and back, with and without Kafka. Bodies with a 200 are in the log,
// and those of each sender are in order.
func TestFaultClockJump(t *testing.T) {
	const senders = 4
	clock := &jumpingClock{}
	c := rawtest.Cluster(t, 1, 3)
	p := publisher(t, c.ListenAddrs(), func(_ *publish.Config, deps *publish.Deps) { deps.Now = clock.Now })
	kafka := &rawtest.Switch{Ordered: p}
	cfg := handover.DefaultConfig()
	cfg.Dir, cfg.SegmentBytes = "spool", 64<<10
	reg := prometheus.NewRegistry()
	kept, err := handover.New(cfg, kafka, handover.Deps{
		FS: faultfs.New(), Registerer: reg, Logger: slog.New(slog.DiscardHandler), Now: clock.Now, Salt: rand.Uint64,
	})
	if err != nil {
		t.Fatal(err)
	}
	rawtest.Run(t, kept.Run)
	s := startAt(t, testConfig(), kept, slog.New(slog.DiscardHandler), clock.Now)

	var acked [senders]atomic.Int64
	var over atomic.Bool
	var sending sync.WaitGroup
	for w := range senders {
		sending.Go(func() {
			for i := 0; !over.Load(); i++ {
				body := fmt.Appendf(nil, `{"entry":[{"id":"%d","changes":[{"field":"messages","value":{"n":"%d-%06d"}}]}]}`, 1000+w, w, i)
				for !over.Load() {
					a := do(t, "POST", s.url+"/meta", bytes.NewReader(body), "X-Hub-Signature-256", "sha256="+sign(testSecret, body))
					if a.code == 200 {
						acked[w].Add(1)
						break
					}
					// 408: the clock jumped while the request was read. It is sent again.
					if a.code != 503 && a.code != 408 {
						t.Errorf("%d %s", a.code, a.body)
						return
					}
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	goOn := func(why string) {
		t.Helper()
		var before [senders]int64
		for w := range senders {
			before[w] = acked[w].Load()
		}
		rawtest.WaitFor(t, why, func() bool {
			for w := range senders {
				if acked[w].Load() < before[w]+20 {
					return false
				}
			}
			return true
		})
	}
	goOn("the beginning")
	for _, jump := range []time.Duration{7 * time.Hour, -20 * time.Hour, 90 * time.Second, -90 * time.Second, 13 * time.Hour} {
		clock.ahead.Add(int64(jump))
		goOn(fmt.Sprintf("after a jump by %s", jump))
		// The same without Kafka. Records that seem too old for the spool get a 503 until Kafka is back.
		kafka.Off.Store(true)
		clock.ahead.Add(-int64(jump) / 2)
		if jump > 0 {
			goOn(fmt.Sprintf("Kafka away, after a jump by %s", -jump/2))
		}
		kafka.Off.Store(false)
		goOn(fmt.Sprintf("Kafka is back, after a jump by %s", -jump/2))
	}
	over.Store(true)
	sending.Wait()
	rawtest.WaitFor(t, "the spool to be empty", func() bool {
		return rawtest.Counter(t, reg, "coexstream_spool_records", "topic", "raw.live")+rawtest.Counter(t, reg, "coexstream_spool_records", "topic", "raw.bulk") == 0
	})

	var got [senders][]string
	seen := map[string]bool{}
	for _, log := range rawtest.Contents(t, c.ListenAddrs()) {
		for _, records := range log {
			for _, r := range records {
				_, rest, _ := strings.Cut(string(r.Value), `"n":"`)
				n, _, _ := strings.Cut(rest, `"`)
				if seen[n] {
					continue // written twice: the processor knows it again
				}
				seen[n] = true
				got[n[0]-'0'] = append(got[n[0]-'0'], n)
			}
		}
	}
	for w := range senders {
		if !slices.IsSorted(got[w]) {
			t.Errorf("sender %d: its bodies are out of order", w)
		}
		for i := range acked[w].Load() {
			if n := fmt.Sprintf("%d-%06d", w, i); !seen[n] {
				t.Errorf("%s got a 200 and is not in the log", n)
			}
		}
	}
}
