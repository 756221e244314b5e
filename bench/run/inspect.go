package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// get asks the admin listener.
func (r *role) get(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	url := "http://" + r.admin + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("get %s: %d", url, resp.StatusCode)
	}
	return string(body), err
}

// metric returns the sum of a metric's series whose labels have the given text.
func (r *role) metric(ctx context.Context, name, label string) (sum float64, err error) {
	text, err := r.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != ' ' && rest[0] != '{' || !strings.Contains(rest, label) {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", strings.TrimSpace(line), err)
		}
		sum += v
	}
	return sum, nil
}

// liveHeap returns the size of the heap after a collection, in bytes.
func (r *role) liveHeap(ctx context.Context) (float64, error) {
	// The second collection frees the objects that the first one left in sync.Pools.
	if _, err := r.get(ctx, "/debug/pprof/heap?gc=1"); err != nil {
		return 0, err
	}
	text, err := r.get(ctx, "/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "# HeapAlloc = "); ok {
			return strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return 0, fmt.Errorf("the heap profile of %s tells no HeapAlloc", r.admin)
}

// reaches waits until a metric reaches a value, and returns the last value that it saw.
func (r *role) reaches(ctx context.Context, name string, want float64) (v float64, err error) {
	for until := time.Now().Add(gaugeWait); ; {
		if v, err = r.metric(ctx, name, ""); err != nil || v >= want || time.Now().After(until) {
			return v, err
		}
		select {
		case <-ctx.Done():
			return v, ctx.Err()
		case <-time.After(gaugePoll):
		}
	}
}

// Gauges of the processor are updated about once a second.
const (
	gaugeWait = 20 * time.Second
	gaugePoll = 200 * time.Millisecond
)
