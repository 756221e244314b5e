package load

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are taken in microseconds, from 1 to two minutes, to three digits.
const (
	latencyMax    = int64(2 * time.Minute / time.Microsecond)
	latencyDigits = 3
)

// Latency is a distribution of times in microseconds.
type Latency struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_us"`
	P50   int64   `json:"p50_us"`
	P90   int64   `json:"p90_us"`
	P99   int64   `json:"p99_us"`
	P999  int64   `json:"p999_us"`
	Max   int64   `json:"max_us"`
}

// Recorder collects times. Its methods are safe for concurrent use.
type Recorder struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

// NewRecorder is an empty Recorder.
func NewRecorder() *Recorder {
	return &Recorder{h: hdrhistogram.New(1, latencyMax, latencyDigits)}
}

// Record adds a time; one beyond the range counts as the end of the range.
func (r *Recorder) Record(d time.Duration) {
	r.mu.Lock()
	_ = r.h.RecordValue(min(max(d.Microseconds(), 1), latencyMax)) // within the range
	r.mu.Unlock()
}

// Latency returns the recorded latencies so far.
func (r *Recorder) Latency() Latency {
	r.mu.Lock()
	defer r.mu.Unlock()
	return latencyOf(r.h)
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	return Latency{
		Count: h.TotalCount(), Mean: h.Mean(), P50: h.ValueAtQuantile(50), P90: h.ValueAtQuantile(90),
		P99: h.ValueAtQuantile(99), P999: h.ValueAtQuantile(99.9), Max: h.Max(),
	}
}

// shards keep connections from waiting for each other's recording.
const shards = 8

type recorders [shards]*Recorder

func newRecorders() (rs recorders) {
	for i := range rs {
		rs[i] = NewRecorder()
	}
	return rs
}

func (rs *recorders) latency() Latency {
	all := hdrhistogram.New(1, latencyMax, latencyDigits)
	for _, r := range rs {
		all.Merge(r.h)
	}
	return latencyOf(all)
}
