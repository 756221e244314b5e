package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func quietDeps(health *Health) Deps {
	return Deps{Metrics: NewRegistry(), Health: health, Log: slog.New(slog.DiscardHandler)}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestReadinessNamesThePartThatIsNotReady(t *testing.T) {
	health := &Health{}
	if r := health.Report(); r.Ready || r.Reason != "starting" {
		t.Errorf("before the parts are there: %+v", r)
	}
	var broken error
	health.Add("broker", func() error { return nil })
	health.Add("processor", func() error { return broken })
	s := httptest.NewServer(timely(handler(Access{}, NewRegistry(), health)))
	defer s.Close()
	if status, body := get(t, s.URL+"/readyz"); status != http.StatusOK {
		t.Errorf("all ready: %d %s", status, body)
	}
	broken = errors.New("no partitions")
	status, body := get(t, s.URL+"/readyz")
	var r Report
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatal(err)
	}
	if status != http.StatusServiceUnavailable || r.Ready || r.Reason != "processor: no partitions" || !r.Parts[0].Ready || r.Parts[1].Error != "no partitions" {
		t.Errorf("one not ready: %d %+v", status, r)
	}
	if status, _ := get(t, s.URL+"/livez"); status != http.StatusOK {
		t.Errorf("alive, but /livez says %d", status)
	}
}

func TestReadinessFailsInADrainWhileAllPartsAreReady(t *testing.T) {
	health := &Health{}
	health.Add("ingress", func() error { return nil })
	health.Drain()
	if r := health.Report(); r.Ready || r.Reason != "draining" || !r.Parts[0].Ready {
		t.Errorf("%+v", r)
	}
}

func TestOptionalPartIsToldAndLeavesTheProcessReady(t *testing.T) {
	health := &Health{}
	health.AddOptional("publisher", func() error { return errors.New("Kafka is away") })
	health.Add("ingress", func() error { return nil })
	if r := health.Report(); !r.Ready || r.Reason != "" || r.Parts[0].Ready || r.Parts[0].Error != "Kafka is away" || !r.Parts[0].Optional {
		t.Errorf("%+v", r)
	}
}

func TestMetricsAndProfilesAreServed(t *testing.T) {
	s := httptest.NewServer(timely(handler(Access{}, NewRegistry(), &Health{})))
	defer s.Close()
	for path, want := range map[string]string{
		"/metrics": "go_goroutines", "/debug/pprof/": "goroutine", "/debug/pprof/cmdline": "",
	} {
		if status, body := get(t, s.URL+path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _ := get(t, s.URL+"/"); status != http.StatusNotFound {
		t.Errorf("/: %d", status)
	}
}

func TestListenerStopsWithItsContext(t *testing.T) {
	s, err := Listen(t.Context(), "127.0.0.1:0", 16, Access{}, quietDeps(&Health{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), s.Addr(), 16, Access{}, quietDeps(&Health{})); err == nil || !strings.Contains(err.Error(), s.Addr()) {
		t.Errorf("a port that is taken: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if status, _ := get(t, "http://"+s.Addr()+"/livez"); status != http.StatusOK {
		t.Errorf("/livez: %d", status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestHeldProcessIsNotReadyThoughAllPartsAre(t *testing.T) {
	health := &Health{}
	health.Add("ingress", func() error { return nil })
	release := health.Hold()
	if r := health.Report(); r.Ready || r.Reason != "starting" || !r.Parts[0].Ready {
		t.Errorf("held: %+v", r)
	}
	release()
	if r := health.Report(); !r.Ready || r.Reason != "" {
		t.Errorf("released: %+v", r)
	}
}
