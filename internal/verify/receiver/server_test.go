package receiver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	newSecret  = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrsc"
	oldSecret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
	metaSecret = "0123456789abcdef"
)

// running is a receiver on loopback, with an endpoint of each format.
type running struct {
	url, dir string
	stop     func() error
}

func start(t *testing.T, dir string, f Failures) *running {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(oldSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "endpoints.yaml")
	text := "endpoints:\n  - {name: crm, url: 'http://h/crm', secrets: [{id: b, value: " + newSecret + "}, {id: a, value_file: " + filepath.Join(dir, "secret") + "}]}\n" +
		"  - {name: inbox, url: 'http://h/inbox', format: meta, verify_token: tok, in_flight: 7, start: beginning, secrets: [{id: a, value: '" + metaSecret + "'}]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	endpoints, err := Endpoints(file)
	if err != nil {
		t.Fatal(err)
	}
	if e := endpoints[0]; e.InFlight != 32 || !e.FromEnd || e.Format != FormatCloudEvents || endpoints[1].InFlight != 7 || endpoints[1].FromEnd {
		t.Errorf("%+v", endpoints)
	}
	s, err := New(Config{Endpoints: endpoints, Dir: dir, Failures: f, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, "", "") }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = stop() })
	return &running{"http://" + l.Addr().String(), dir, stop}
}

// signed is a CloudEvent that a reference library signed.
func signed(t *testing.T, url, id, body, secret string, at time.Time) *http.Request {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := w.Sign(id, at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/crm", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	req.Header.Set("webhook-signature", "v1,AAAA "+signature)
	return req
}

func metaSigned(t *testing.T, url, body, secret string) *http.Request {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/inbox", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	return req
}

// do returns the status, 0 where there was no answer.
func do(t *testing.T, req *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	b, _ := io.ReadAll(resp.Body) // a cut body is another one
	return resp.StatusCode, string(b)
}

func (r *running) requests(t *testing.T, endpoint string) (all []Request, starts int) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(r.dir, endpoint+Extension))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(bytes.NewReader(content), func(l *Line) error {
		if l.Start != nil {
			starts++
			return nil
		}
		all = append(all, *l.Request)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all, starts
}

func TestOnlySignedWebhooksAreTaken(t *testing.T) {
	r := start(t, t.TempDir(), Failures{})
	now := time.Now()
	const event, webhook = `{"id":"e1","data":{"waba_id":"w1"}}`, `{"object":"o","entry":[{"id":"w2","changes":[]}]}`
	forged := signed(t, r.url, "e1", event, newSecret, now)
	forged.Header.Set("webhook-id", "e2")
	for name, c := range map[string]struct {
		req  *http.Request
		want int
	}{
		"new secret":   {signed(t, r.url, "e1", event, newSecret, now), 200},
		"old secret":   {signed(t, r.url, "e1", event, oldSecret, now), 200},
		"other secret": {signed(t, r.url, "e1", event, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", now), 401},
		"other id":     {forged, 401},
		"too old":      {signed(t, r.url, "e1", event, newSecret, now.Add(-6*time.Minute)), 401},
		"too new":      {signed(t, r.url, "e1", event, newSecret, now.Add(6*time.Minute)), 401},
		"no JSON":      {signed(t, r.url, "e1", "hello", newSecret, now), 400},
		"an array":     {signed(t, r.url, "e1", "[]", newSecret, now), 400},
		"meta":         {metaSigned(t, r.url, webhook, metaSecret), 200},
		"meta, other":  {metaSigned(t, r.url, webhook, "x"), 401},
	} {
		if got, _ := do(t, c.req); got != c.want {
			t.Errorf("%s: %d, not %d", name, got, c.want)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	taken := map[string]int{}
	for _, endpoint := range []string{"crm", "inbox"} {
		all, starts := r.requests(t, endpoint)
		if starts != 1 {
			t.Errorf("%s: %d starts", endpoint, starts)
		}
		for _, q := range all {
			taken[fmt.Sprintf("%s %d %s %s %s", endpoint, q.Status, q.WABA, q.WebhookID, q.Bytes())]++
		}
	}
	if taken["crm 200 w1 e1 "+event] != 2 || taken["inbox 200 w2  "+webhook] != 1 || taken["crm 401 w1 e1 "] != 3 || taken["inbox 401 w2  "] != 1 {
		t.Errorf("%v", taken)
	}
}

func TestTheVerificationOfMetaIsAnswered(t *testing.T) {
	r := start(t, t.TempDir(), Failures{})
	for query, want := range map[string]string{
		"/inbox?hub.mode=subscribe&hub.verify_token=tok&hub.challenge=77": "200 77", "/inbox?hub.mode=subscribe&hub.verify_token=no&hub.challenge=77": "403 ",
		"/crm?hub.mode=subscribe&hub.verify_token=tok": "405 ", "/other": "404 404 page not found\n",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if status, body := do(t, req); fmt.Sprint(status, " ", body) != want {
			t.Errorf("%s: %d %q", query, status, body)
		}
	}
}

// TestAFileIsContinuedBehindItsLastWholeLine has a receiver that was killed while it wrote.
func TestAFileIsContinuedBehindItsLastWholeLine(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, Failures{})
	if status, _ := do(t, signed(t, r.url, "e1", `{"id":"e1"}`, newSecret, time.Now())); status != 200 {
		t.Fatal(status)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "crm"+Extension)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(content, `{"request":{"at_ms":1,"sta`...), 0o600); err != nil {
		t.Fatal(err)
	}
	r = start(t, dir, Failures{})
	if status, _ := do(t, signed(t, r.url, "e2", `{"id":"e2"}`, newSecret, time.Now())); status != 200 {
		t.Fatal(status)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if all, starts := r.requests(t, "crm"); starts != 2 || len(all) != 2 || all[0].WebhookID != "e1" || all[1].WebhookID != "e2" {
		t.Errorf("%d starts, %+v", starts, all)
	}
	if err := os.WriteFile(path, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Endpoints: []Endpoint{{Name: "crm"}}, Dir: dir, Now: time.Now}); err == nil {
		t.Error("a foreign file was continued")
	}
}

// TestFailuresAreAFunctionOfTheSeed draws many fates, and plays some.
func TestFailuresAreAFunctionOfTheSeed(t *testing.T) {
	f := Failures{Seed: 9, Errors: 0.3, Cut: 0.2, Silent: 0.1}
	one, two, other := newDice(f), newDice(f), newDice(Failures{Seed: 10, Errors: 0.3, Cut: 0.2, Silent: 0.1})
	counts := map[string]int{}
	same := true
	for range 10_000 {
		x := one.next()
		if x != two.next() {
			t.Fatal("one seed gave two fates")
		}
		same = x == other.next() && same
		counts[fmt.Sprint(x.status/100, x.silent)]++
	}
	failed := counts["5 false"] + counts["4 false"]
	if same || failed < 2800 || failed > 3200 || counts["0 false"] < 1800 || counts["0 false"] > 2200 || counts["0 true"] < 850 || counts["0 true"] > 1150 {
		t.Errorf("%v", counts)
	}
	for _, bad := range []Failures{{Errors: 1.1}, {Cut: -1}, {Errors: 0.6, Silent: 0.6}, {Delay: -1}} {
		if bad.Validate() == nil {
			t.Errorf("%+v is allowed", bad)
		}
	}
	r := start(t, t.TempDir(), Failures{Cut: 1})
	if status, _ := do(t, signed(t, r.url, "e1", `{"id":"e1"}`, newSecret, time.Now())); status != 0 {
		t.Errorf("a cut connection answered %d", status)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	// The client may have tried again on another connection.
	if all, _ := r.requests(t, "crm"); len(all) == 0 || all[0].Status != 0 || len(all[0].Bytes()) != 0 {
		t.Errorf("%+v", all)
	}
	r = start(t, t.TempDir(), Failures{Silent: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if status, _ := do(t, signed(t, r.url, "e1", `{"id":"e1"}`, newSecret, time.Now()).WithContext(ctx)); status != 0 {
		t.Errorf("a silent receiver answered %d", status)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
}
