package ingress

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coexstream/coexstream/ingress/rawtest"
)

func TestRateTakesASecondsWorthAtOnceAndThenAsMuchAsTimeGives(t *testing.T) {
	r := &rate{perSecond: 10}
	now := time.Unix(1_700_000_000, 0)
	for i := range 10 {
		if !r.take(now, 1) {
			t.Fatalf("take %d of 10 is refused", i+1)
		}
	}
	if r.take(now, 1) {
		t.Error("an eleventh is taken")
	}
	taken := 0
	for ms := range 3000 {
		if r.take(now.Add(time.Duration(ms)*time.Millisecond), 1) {
			taken++
		}
	}
	if taken < 29 || taken > 30 {
		t.Errorf("%d taken in 3 s at 10 a second", taken)
	}
	if later := now.Add(time.Hour); !r.take(later, 10) || r.take(later, 1) {
		t.Error("an hour of quiet gives another amount than a second of it")
	}
}

func TestCostBeyondASecondsWorthPassesAndIsPaidAfterwards(t *testing.T) {
	r := &rate{perSecond: 1000}
	now := time.Unix(1_700_000_000, 0)
	if r.take(now, 1); r.take(now, 5000) {
		t.Error("a large cost is taken although something was taken just now")
	}
	now = now.Add(time.Second)
	if r.exhausted(now) || !r.take(now, 5000) {
		t.Fatal("a large cost can never be taken")
	}
	for after, want := range map[time.Duration]bool{0: true, 3 * time.Second: true, 3999 * time.Millisecond: true, 4001 * time.Millisecond: false} {
		if got := r.exhausted(now.Add(after)); got != want {
			t.Errorf("exhausted %s after it: %t", after, got)
		}
	}
}

func TestRateTakesNoMoreWhenManyTakeAtOnce(t *testing.T) {
	r := &rate{perSecond: 500}
	now := time.Unix(1_700_000_000, 0)
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if r.take(now, 1) {
					taken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() != 500 {
		t.Errorf("%d taken of 500", taken.Load())
	}
	if n := testing.AllocsPerRun(100, func() { r.take(now, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSourceOverItsRateIs429AndOthersAreNot(t *testing.T) {
	for limit, set := range map[string]func(*Source){
		"requests": func(s *Source) { s.RequestsPerSecond = 3 },
		"bytes":    func(s *Source) { s.BytesPerSecond = int64(3 * len(message)) },
	} {
		cfg := testConfig()
		set(&cfg.Sources[2])
		m := &rawtest.Memory{}
		clock := newHandClock()
		s := startAt(t, cfg, m, slog.New(slog.DiscardHandler), clock.Now)
		for i := range 3 {
			if a := do(t, "POST", s.url+"/number", bytes.NewReader(message)); a.code != 200 {
				t.Fatalf("%s: request %d: %d", limit, i+1, a.code)
			}
		}
		a := do(t, "POST", s.url+"/number", bytes.NewReader(message))
		if a.code != 429 || a.header.Get("Retry-After") != "5" {
			t.Errorf("%s: over the rate: %d, Retry-After %q", limit, a.code, a.header.Get("Retry-After"))
		}
		checkRefusal(t, a, "source_rate")
		if n := rawtest.Counter(t, s.reg, "coexstream_ingress_rate_limited_total", "source", "number", "limit", limit); n != 1 {
			t.Errorf("%s: counted %v times", limit, n)
		}
		if a := do(t, "POST", s.url+"/open", bytes.NewReader(message)); a.code != 200 {
			t.Errorf("%s: another source: %d", limit, a.code)
		}
		clock.advance(time.Second)
		if a := do(t, "POST", s.url+"/number", bytes.NewReader(message)); a.code != 200 {
			t.Errorf("%s: a second later: %d", limit, a.code)
		}
		if n := len(m.Records()); n != 5 {
			t.Errorf("%s: %d records", limit, n)
		}
	}
}

// Forged requests must not use up the rate of a source.
func TestForgedRequestsUseUpNoRate(t *testing.T) {
	cfg := testConfig()
	cfg.Sources[0].RequestsPerSecond, cfg.Sources[0].BytesPerSecond = 1, 1
	s := start(t, cfg, &rawtest.Memory{})
	for range 20 {
		if a := do(t, "POST", s.url+"/meta", bytes.NewReader(message), "X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64)); a.code != 401 {
			t.Fatalf("forged: %d", a.code)
		}
	}
	if a := do(t, "POST", s.url+"/meta", bytes.NewReader(message), "X-Hub-Signature-256", "sha256="+sign(testSecret, message)); a.code != 200 {
		t.Errorf("signed, after the forged ones: %d", a.code)
	}
}
