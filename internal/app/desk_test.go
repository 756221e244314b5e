package app

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
)

const (
	canaryWABA   = "EAAcanary-token-of-a-waba"
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
	simulated.Start = time.Now()
	number, waba := numberOf(t, simulated)
	fake := fakegraph.New()
	defer fake.Close()
	fake.Add(fakegraph.Number{ID: number, WABA: waba, OnBizApp: true, Display: "+49 1"})
	fake.SetTokens(canaryWABA, canaryApp)
	dir := t.TempDir()
	flags := deskConfig(t, dir, fake, waba)
	p := startUp(t, dir, flags...)
	config := flags[:2]
	var seen strings.Builder // everything that a person or a program sees
	run := func(want int, args ...string) string {
		t.Helper()
		out, code := p.run(append(args, config...)...)
		seen.WriteString(out)
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

	var simulation sync.WaitGroup
	fake.OnPost(func(post fakegraph.Post) {
		if post.Type != "history" {
			return
		}
		simulation.Go(func() {
			out, code := p.run("simulate", "--seed", "7", "--businesses", "1", "--messages", "300", "--second-number", "0", "--dialog", "0", "--ycloud", "0", "--late-after", "1s", "--config", flags[1])
			if code != ExitOK {
				t.Errorf("simulate: %d %s", code, out)
			}
		})
	})
	run(ExitOK, "sync", "start", "--waba", waba, "--onboarded-at", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339))
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
	if n := len(fake.Posts()); n != 2 {
		t.Fatalf("%d requests", n)
	}
	p.until("has the history", func() bool {
		out, _ := p.run("tail", "history", "--from-beginning", "--no-follow", "--output", "json")
		return strings.Count(out, "\n") > 100
	})
	simulation.Wait()
	p.until("shows the sync in the status", func() bool {
		out, _ := p.run("sync", "status", "--phone-number-id", number, "--config", config[1], "--output", "json")
		s = office.Status{}
		return json.Unmarshal([]byte(out), &s) == nil && s.Sync != nil && s.Sync.Messages > 0 && s.Sync.RequestedAt != nil && strings.Contains(s.Sentence, "Webhooks: ")
	})
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
	for _, args := range [][]string{{"config", "print"}, {"doctor", "--output", "json"}, {"dlq", "list"}} {
		out, _ := p.run(append(args, config...)...)
		seen.WriteString(out)
	}
	for _, path := range []string{"/metrics", "/readyz", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline", "/v1/syncs"} {
		_, body := get(t, admin+path)
		seen.WriteString(body)
		if path == "/metrics" && !strings.Contains(body, `coexstream_desk_requests_total{outcome="accepted",type="history"} 1`) {
			t.Error("the metrics lack the request")
		}
	}
	p.signal(syscall.SIGTERM)
	seen.WriteString(p.stderr.String() + p.stdout.String())
	// Everything that is kept: all topics, the spool, the tables.
	kept := 0
	err := filepath.WalkDir(filepath.Join(dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		kept++
		b, err := os.ReadFile(path)
		seen.Write(b)
		return err
	})
	if err != nil || kept < 10 {
		t.Fatalf("%d files: %v", kept, err)
	}
	for _, secret := range []string{canaryWABA, canaryApp, canaryClient} {
		if strings.Contains(seen.String(), secret[4:]) {
			t.Errorf("%s is seen", secret)
		}
	}
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
