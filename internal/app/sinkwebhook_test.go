package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/long"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	webhookSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
	newWebhookSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrsc"
	oneEndpoint      = "endpoints:\n  - {name: crm, url: 'https://crm.example.com/', secrets: [{id: a, value: " + webhookSecret + "}]}\n"
)

// crm takes the webhooks of an endpoint, and verifies them.
type crm struct {
	mu      sync.Mutex
	secret  string
	status  int
	times   map[string]int    // by ce_id
	wabas   map[string]int    // events
	id      map[string]string // an event's id by its WABA
	faults  []string
	invalid int
}

func (c *crm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	v, err2 := standardwebhooks.NewWebhook(c.secret)
	if err != nil || err2 != nil || v.Verify(body, r.Header) != nil {
		c.invalid++
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if c.status != 0 {
		w.WriteHeader(c.status)
		return
	}
	var e struct {
		ID   string
		Data struct {
			WABA string `json:"waba_id"`
		}
	}
	if err := json.Unmarshal(body, &e); err != nil || e.ID != r.Header.Get("webhook-id") || r.Header.Get("content-type") != "application/cloudevents+json; charset=utf-8" {
		c.faults = append(c.faults, fmt.Sprintf("%v: %v %s", err, r.Header, body))
	}
	c.times[e.ID]++
	c.wabas[e.Data.WABA]++
	c.id[e.Data.WABA] = e.ID
}

func (c *crm) distinct() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.times)
}

// has reports whether each event arrived at least as often as the topics hold it.
func (c *crm) has(want map[string]int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, n := range want {
		if c.times[id] < n {
			return false
		}
	}
	return true
}

func (c *crm) with(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// TestWebhooksOfUpArriveOnceAndInSpiteOfKills runs up with an endpoint, which is killed, restarted and given another secret.
func TestWebhooksOfUpArriveOnceAndInSpiteOfKills(t *testing.T) {
	long.Test(t)
	t.Parallel()
	to := &crm{secret: webhookSecret, times: map[string]int{}, wabas: map[string]int{}, id: map[string]string{}}
	server := httptest.NewServer(to)
	defer server.Close()
	dir := t.TempDir()
	endpoints := filepath.Join(dir, "endpoints.yaml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "secret"), webhookSecret+"\n")
	endpoint := "endpoints:\n  - {name: crm, url: '" + server.URL + "', insecure_http: true, allow: [127.0.0.0/8], attempts_max: 1, start: beginning, historical: true, secrets: [{id: a, value_file: " + filepath.Join(dir, "secret") + "}]}\n"
	write(endpoints, endpoint)
	write(filepath.Join(dir, "coexstream.yaml"), "reload_interval: 100ms\nsink:\n  sqlite: {enabled: false}\n  webhook: {endpoints_file: "+endpoints+"}\n")

	p := startUp(t, dir)
	_, secret := p.credentials()
	p.want(ExitOK, "status 200", "sink", "webhook", "ping", "crm")
	if out, code := p.run("simulate", "--businesses", "3", "--messages", "600"); code != 0 {
		t.Fatalf("simulate: %d\n%s", code, out)
	}
	p.signal(syscall.SIGKILL)
	p = startUp(t, dir)
	if out, code := p.run("check"); code != 0 {
		t.Fatalf("check: %d\n%s", code, out)
	}
	want := p.eventIDs()
	p.until("all events arrived", func() bool { return to.distinct() == len(want)+1 && to.has(want) }) // and the ping
	repeated := 0
	to.with(func() {
		for id := range want {
			repeated += to.times[id] - want[id]
		}
		if len(to.faults) > 0 || to.invalid > 0 || repeated < 0 || repeated > 32 {
			t.Errorf("%d faults, %d invalid, %d repetitions: %v", len(to.faults), to.invalid, repeated, to.faults)
		}
	})

	// Another secret takes effect without a restart.
	write(filepath.Join(dir, "secret"), newWebhookSecret+"\n")
	p.until("the secret was loaded", func() bool {
		_, metrics := get(t, p.running().Admin+"/metrics")
		return strings.Contains(metrics, `coexstream_reloads_total{set="sink.webhook.endpoints"} 1`)
	})
	to.with(func() { to.secret = newWebhookSecret })
	url := p.running().Ingress + p.running().Sources[0].Path
	if status := post(t, url, secret, exampleBody); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	const waba = "100000000000001"
	p.until("the message arrived", func() bool {
		to.mu.Lock()
		defer to.mu.Unlock()
		return to.wabas[waba] == 1 && to.invalid == 0
	})
	p.want(ExitOK, "1 event sent", "sink", "webhook", "resend", "crm", "--waba", waba)
	p.want(ExitOK, "1 event sent", "sink", "webhook", "resend", "crm", "--wamid", "wamid.EXAMPLE1", "--since", "1h")
	to.with(func() {
		if to.times[to.id[waba]] != 3 {
			t.Errorf("the event arrived %d times", to.times[to.id[waba]])
		}
	})

	// A refused event is a letter, which dlq does not see, and can be sent again.
	to.with(func() { to.status = http.StatusUnprocessableEntity })
	if status := post(t, url, secret, strings.Replace(exampleBody, "EXAMPLE1", "EXAMPLE2", 1)); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	p.until("there is a letter", func() bool {
		out, code := p.run("sink", "webhook", "letters", "crm", "--output", "json")
		var letters []jsonWebhookLetter
		return code == 0 && json.Unmarshal([]byte(out), &letters) == nil && len(letters) == 1 && letters[0].Reason == "webhook_refused" && letters[0].Business == waba && letters[0].Answer == "status 422"
	})
	p.want(ExitFailure, "was not taken: status 422", "sink", "webhook", "resend", "crm", "--letters")
	to.with(func() { to.status = http.StatusServiceUnavailable })
	p.want(ExitFailure, "the endpoint does not work: ", "sink", "webhook", "resend", "crm", "--since", "1h")
	to.with(func() { to.status = 0 })
	p.want(ExitOK, "1 event would be sent", "sink", "webhook", "resend", "crm", "--letters", "--dry-run")
	p.want(ExitOK, "1 event sent", "sink", "webhook", "resend", "crm", "--letters")
	p.want(ExitOK, "0 events sent", "sink", "webhook", "resend", "crm", "--letters")
	if out := p.want(ExitOK, "", "dlq", "list"); strings.Contains(out, "webhook_refused") {
		t.Errorf("dlq list shows the letter of a webhook:\n%s", out)
	}
	to.with(func() {
		if to.wabas[waba] != 4 {
			t.Errorf("%d events of the business", to.wabas[waba])
		}
	})
	p.want(ExitUsage, "allowed: crm", "sink", "webhook", "ping", "other")
	p.want(ExitOK, "webhook/crm", "doctor", "--only", "sinks")
	p.signal(syscall.SIGTERM)
}

// eventIDs are the ids of all events, with how often the topics hold each: a re-onboarding repeats those of the history.
func (p *process) eventIDs() map[string]int {
	p.t.Helper()
	out, code := p.run("tail", "messages", "echoes", "contacts", "account", "other", "syncs", "history", "media", "--no-follow", "--output", "json")
	if code != 0 {
		p.t.Fatalf("tail: %d", code)
	}
	ids := map[string]int{}
	for line := range strings.Lines(out) {
		var r struct{ Headers map[string]string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			p.t.Fatal(err)
		}
		ids[r.Headers["ce_id"]]++
	}
	return ids
}
