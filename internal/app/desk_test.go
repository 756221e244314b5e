package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/desk/office"
	"github.com/coexstream/coexstream/internal/testing/certtest"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/internal/testing/freeport"
	"github.com/coexstream/coexstream/internal/testing/long"
	"github.com/coexstream/coexstream/internal/verify"
	"github.com/coexstream/coexstream/internal/verify/world"
	"github.com/coexstream/coexstream/schemas"
)

const (
	canaryWABA   = "EAAcanary-token-of-a-waba"
	canaryNew    = "EAAnew-canary-token-of-a-waba"
	canaryApp    = "555|canary-secret-of-the-app"
	canaryClient = "canary-token-of-a-client"
)

// deskConfig writes a configuration of an up with a desk that calls the fake, and returns its flags.
func deskConfig(t *testing.T, dir string, fake *fakegraph.Server, waba string) []string {
	t.Helper()
	tokens := filepath.Join(dir, "tokens", "meta")
	if err := os.MkdirAll(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	certtest.Write(t, tokens, waba, []byte(canaryWABA+"\n"))
	app := certtest.Write(t, dir, "app-token", []byte(canaryApp+"\n"))
	access := certtest.Write(t, dir, "access.yaml", []byte("clients:\n  - {name: crm, token: "+canaryClient+", scopes: [read]}\n"))
	addresses, err := freeport.Addresses(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	file := certtest.Write(t, dir, "desk.yaml", fmt.Appendf(nil, `
log: {level: debug, format: json}
reload_interval: 100ms
ingress:
  listen: %s
  sources:
    - {name: meta, path: /hook, verify_token: verify-token-of-the-test, secrets: [{id: one, value: secret-of-the-test-source}]}
desk:
  tokens_dir: %s
  addresses: ["meta=%s"]
  app_id: "555"
  app_token_file: %s
  access_file: %s
  public_url: http://%s/hook
  timeout: 2s
  unknown_after: 6s
`, addresses[0], filepath.Dir(tokens), fake.URL, app, access, addresses[0]))
	return []string{"--config", file, "--listen", addresses[0]}
}

// A whole onboarding: the preflight, both requests, the webhooks of the simulator when they are requested, and the end.
func TestADeskPlaysAnOnboardingFromThePreflightToTheEnd(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	simulated := verify.DefaultSimulateConfig().World
	simulated.Seed, simulated.Businesses, simulated.Messages, simulated.SecondNumber, simulated.Dialog, simulated.YCloud = 7, 1, 300, 0, 0, 0
	simulated.Declines, simulated.Reonboard, simulated.NoLastPhase = 0, 0, 0
	simulated.Start = time.Now()
	number, waba := numberOf(t, simulated)
	fake := fakegraph.New()
	defer fake.Close()
	fake.Add(fakegraph.Number{ID: number, WABA: waba, OnBizApp: true, Display: "+49 1"})
	fake.SetTokens(canaryWABA, canaryNew, canaryApp)
	dir := t.TempDir()
	flags := deskConfig(t, dir, fake, waba)
	p := startUp(t, dir, flags...)
	config := flags[:2]
	seen := map[string]*strings.Builder{} // everything that a person or a program sees, by its source
	saw := func(source, text string) {
		if seen[source] == nil {
			seen[source] = &strings.Builder{}
		}
		seen[source].WriteString(text)
	}
	run := func(want int, args ...string) string {
		t.Helper()
		out, code := p.run(append(args, config...)...)
		saw("commands", out)
		if code != want {
			t.Fatalf("%q ended with %d, want %d:\n%s\n%s", args, code, want, out, p.stderr)
		}
		return out
	}

	plan := run(ExitOK, "sync", "plan", "--waba", waba, "--onboarded-at", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), "--output", "text")
	for _, check := range []string{"requested", "window", "number", "waba", "subscription", "fields", "ingress", "doctor", "spool"} {
		if !strings.Contains(plan, "ok    "+check) {
			t.Errorf("the plan has no ok for %s:\n%s", check, plan)
		}
	}
	if n := len(fake.Posts()); n != 0 {
		t.Fatalf("a plan sent %d requests", n)
	}
	if out := run(ExitOK, "tail", "raw.live", "--from-beginning", "--output", "json", "--no-follow"); strings.TrimSpace(out) != "" {
		t.Errorf("the preflight is in the raw log: %s", out)
	}

	// The first request is refused for its token, with a message that quotes it. The file gets another one, and a person starts again.
	fake.Next(number, "smb_app_state_sync", fakegraph.Failure(401, 190, 0, "Malformed access token "+canaryWABA))
	start := []string{"sync", "start", "--waba", waba, "--onboarded-at", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)}
	run(ExitOK, start...)
	p.until("shows the refused token", func() bool {
		return strings.Contains(run(ExitOK, "sync", "status", "--phone-number-id", number, "--output", "json"), `"outcome":"denied"`)
	})
	certtest.Write(t, filepath.Join(dir, "tokens", "meta"), waba, []byte(canaryNew+"\n"))
	run(ExitOK, start...)
	run(ExitOK, "sync", "watch", "--phone-number-id", number, "--every", "100ms")
	var s office.Status
	if err := json.Unmarshal([]byte(run(ExitOK, "sync", "status", "--phone-number-id", number)), &s); err != nil {
		t.Fatal(err)
	}
	if s.Contacts.RequestID == "" || s.History.RequestID == "" || s.Next != "nothing" || s.DeadlineAt == nil {
		t.Errorf("%+v", s)
	}
	run(ExitFaults, "sync", "start", "--phone-number-id", number) // requested before
	run(ExitUsage, "sync", "start")
	run(ExitOK, "sync", "list", "--output", "text")
	if posts := fake.Posts(); len(posts) != 3 || posts[0].Accepted || posts[0].Credential != canaryWABA || posts[1].Credential != canaryNew || posts[2].Type != "history" {
		t.Fatalf("requests %+v", posts)
	}
	statuses := func() []string {
		return statusesOf(t, run(ExitOK, "tail", "syncs", "--from-beginning", "--output", "json", "--no-follow"))
	}
	p.until("shows the request in syncs", func() bool { return slices.Contains(statuses(), schemas.SyncStatusRequested) })
	truth := filepath.Join(dir, "truth.jsonl")
	run(ExitOK, "simulate", "--seed", "7", "--businesses", "1", "--messages", "300", "--second-number", "0", "--dialog", "0", "--ycloud", "0",
		"--declines", "0", "--reonboard", "0", "--no-last-phase", "0", "--live", "100", "--contacts", "100", "--late-after", "1s", "--truth", truth)
	p.until("shows the end of the sync in the status", func() bool {
		s = office.Status{}
		out := run(ExitOK, "sync", "status", "--phone-number-id", number, "--output", "json")
		return json.Unmarshal([]byte(out), &s) == nil && s.Sync != nil && s.Sync.Status == schemas.SyncStatusDone
	})
	if s.Sync.Messages < 100 || s.Sync.RequestedAt == nil || s.Sync.EndReason != schemas.SyncEndComplete || !strings.Contains(s.Sentence, "nothing is missing; nothing to do") {
		t.Errorf("%s %+v", s.Sentence, s.Sync)
	}
	// From the request to the end, each status comes once, in this order. The topic may lack those before the request.
	order := []string{
		schemas.SyncStatusNotRequested, schemas.SyncStatusIntended, schemas.SyncStatusRequested, schemas.SyncStatusRunning, schemas.SyncStatusDone,
	}
	got := statuses()
	if !slices.Equal(got[slices.Index(got, schemas.SyncStatusRequested):], order[2:]) || !slices.IsSortedFunc(got, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) }) {
		t.Errorf("statuses %q, want the order %q", got, order)
	}
	run(ExitOK, "check", "--truth", truth, "--wait", "90s", "--sqlite", filepath.Join(dir, "data", "read.db"))
	raw := run(ExitOK, "tail", "raw.live", "--from-beginning", "--output", "json", "--no-follow")
	if n := strings.Count(raw, "coexstream_sync_request"); n < 4 {
		t.Errorf("%d records of the desk in the raw log", n)
	}

	// The reader's token reads, and starts nothing.
	admin := p.running().Admin
	for path, want := range map[string]int{"/v1/syncs": 200, "/v1/openapi.json": 200, "/v1/syncs/" + number: 200, "/v1/syncs/1": 404} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, admin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+canaryClient)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	for _, args := range [][]string{{"config", "print"}, {"doctor", "--output", "json"}, {"dlq", "list"}, {"topics", "describe"}, {"sink", "status"}, {"sync", "list"}} {
		out, _ := p.run(append(args, config...)...)
		saw("commands", out)
	}
	for _, path := range []string{
		"/metrics", "/readyz", "/livez", "/debug/pprof/", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/debug/pprof/allocs?debug=1", "/debug/pprof/cmdline",
		"/v1/syncs", "/v1/syncs/" + number, "/v1/openapi.json",
	} {
		_, body := get(t, admin+path)
		saw("pages", body)
		if path == "/metrics" && !strings.Contains(body, `coexstream_desk_requests_total{outcome="accepted",type="history"} 1`) {
			t.Error("the metrics lack the request")
		}
	}
	saw("topics", p.topics())
	p.signal(syscall.SIGQUIT) // it dumps all goroutines
	saw("logs and dumps", p.stderr.String()+p.stdout.String())
	saw("files", filesIn(t, filepath.Join(dir, "data"))) // segments, spool, tables
	for source, text := range map[string]string{
		"commands": number, "pages": "desk_requests_total", "topics": "coexstream_sync_request", "logs and dumps": "SIGQUIT: quit", "files": number,
	} {
		if seen[source] == nil || !strings.Contains(seen[source].String(), text) {
			t.Errorf("%s have nothing of %q: the search proves nothing", source, text)
		}
	}
	if found := givenAway(seen, canaryWABA, canaryNew, canaryApp, canaryClient); len(found) > 0 {
		t.Errorf("secrets are seen: %q", found)
	}
}

// statusesOf returns the statuses in the output of tail, without repetitions.
func statusesOf(t *testing.T, out string) (statuses []string) {
	t.Helper()
	for line := range strings.Lines(out) {
		var e struct{ Value schemas.Sync }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		statuses = append(statuses, e.Value.Status)
	}
	return slices.Compact(statuses)
}

// kill -9 when a request has arrived, when its answer has left, and at other moments: the state is right afterwards, and no
// request is repeated.
func TestADeskThatIsKilledAroundARequestRepeatsNone(t *testing.T) {
	long.Test(t)
	t.Parallel()
	const waba, number = "9", "77"
	for name, c := range map[string]struct {
		kill  string // the type of the request
		after bool   // after its answer; else before it
		// states of the type after the restart: the outcome may or may not have been written
		want []string
	}{
		"contacts arrived":  {"smb_app_state_sync", false, []string{"unknown"}},
		"contacts answered": {"smb_app_state_sync", true, []string{"accepted", "unknown"}},
		"history arrived":   {"history", false, []string{"unknown"}},
		"history answered":  {"history", true, []string{"accepted", "unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			fake := fakegraph.New()
			defer fake.Close()
			fake.Add(fakegraph.Number{ID: number, WABA: waba, OnBizApp: true})
			dir := t.TempDir()
			flags := deskConfig(t, dir, fake, waba)
			p := startUp(t, dir, flags...)
			if c.after {
				fake.OnPost(func(post fakegraph.Post) {
					if post.Type == c.kill {
						_ = p.cmd.Process.Kill()
					}
				})
			} else {
				fake.Next(number, c.kill, &fakegraph.Reply{Status: 200, Accepts: true, Delay: time.Hour})
			}
			if out, code := p.run("sync", "start", "--waba", waba, "--phone-number-id", number, "--config", flags[1]); code != ExitOK && !c.after {
				t.Fatalf("%d %s\n%s", code, out, p.stderr)
			}
			if !c.after {
				p.until("requests", func() bool {
					posts := fake.Posts()
					return len(posts) > 0 && posts[len(posts)-1].Type == c.kill
				})
				_ = p.cmd.Process.Kill()
			}
			select {
			case <-p.ended:
			case <-time.After(4 * time.Minute):
				t.Fatal("the process was not killed")
			}
			before := len(fake.Posts())
			p = startUp(t, dir, flags...)
			var s office.Status
			p.until("knows the state", func() bool {
				out, _ := p.run("sync", "status", "--phone-number-id", number, "--config", flags[1])
				s = office.Status{}
				return json.Unmarshal([]byte(out), &s) == nil && s.PhoneNumberID == number && (s.Next == "person" || s.Next == "nothing")
			})
			got := s.Contacts.State
			if c.kill == "history" {
				got = s.History.State
			}
			if !strings.Contains(strings.Join(c.want, " "), got) {
				t.Errorf("the state is %s, want %v: %s", got, c.want, s.Sentence)
			}
			counts := map[string]int{}
			for _, post := range fake.Posts() {
				counts[post.Type]++
			}
			if counts["history"] > 1 || counts["smb_app_state_sync"] > 1 || counts[c.kill] != 1 || len(fake.Posts()) > before+1 {
				t.Errorf("requests: %v", counts)
			}
		})
	}
}

// numberOf returns the only number of a world.
func numberOf(t *testing.T, c world.Config) (number, waba string) {
	t.Helper()
	w, err := world.New(c)
	if err != nil {
		t.Fatal(err)
	}
	numbers := w.Numbers()
	if len(numbers) != 1 {
		t.Fatalf("%d numbers", len(numbers))
	}
	return numbers[0].PhoneNumberID, numbers[0].WABA
}
