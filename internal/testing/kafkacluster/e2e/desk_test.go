package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/internal/verify"
	simulated "github.com/coexstream/coexstream/internal/verify/world"
	"github.com/coexstream/coexstream/schemas"
)

// onlyNumber returns the number of a world of one business with one number.
func onlyNumber(t *testing.T, seed uint64) (number, waba string) {
	t.Helper()
	c := verify.DefaultSimulateConfig().World
	c.Seed, c.Businesses, c.SecondNumber, c.Dialog, c.YCloud, c.Start = seed, 1, 0, 0, 0, time.Now()
	w, err := simulated.New(c)
	if err != nil {
		t.Fatal(err)
	}
	numbers := w.Numbers()
	if len(numbers) != 1 {
		t.Fatalf("%d numbers", len(numbers))
	}
	return numbers[0].PhoneNumberID, numbers[0].WABA
}

// statuses returns the statuses of the syncs in their order, without repetitions.
func (s *stage) statuses() (statuses []string) {
	s.t.Helper()
	for line := range strings.Lines(s.must("tail", "syncs", "--from-beginning", "--no-follow", "--output", "json")) {
		var e struct{ Value schemas.Sync }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatalf("%v: %s", err, line)
		}
		statuses = append(statuses, e.Value.Status)
	}
	return slices.Compact(statuses)
}

// TestTwoDesksPlayOneOnboarding onboards a business with two desks on three brokers. A broker is killed before the requests, so the log of the
// desk gets another leader. Each type is requested once, the webhooks of the simulator follow, and the sync is done.
func TestTwoDesksPlayOneOnboarding(t *testing.T) {
	c := cluster(t)
	const token = "EAAtoken-of-the-e2e-waba"
	const seed = 16
	number, waba := onlyNumber(t, seed)
	fake := fakegraph.New()
	defer fake.Close()
	fake.Add(fakegraph.Number{ID: number, WABA: waba, OnBizApp: true})
	fake.SetTokens(token)
	tokens := t.TempDir()
	if err := os.MkdirAll(filepath.Join(tokens, "meta"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tokens, "meta", waba), []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStage(t, c.Addrs(), 3, 2, fmt.Sprintf("desk: {tokens_dir: %q, addresses: [%q], app_id: \"555\", timeout: 5s}", tokens, "meta="+fake.URL))
	s.up()
	public := "desk.public_url=http://" + s.listen + "/webhooks/meta"
	desks := []*program{s.start("desk-0", "desk", "--set", public), s.start("desk-1", "desk", "--set", public)}
	for _, d := range desks {
		d.awaitReady()
	}
	at := []string{"--desk", "http://" + desks[0].admin}
	start := append([]string{"sync", "start", "--waba", waba, "--onboarded-at", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)}, at...)
	plan := s.must(append([]string{"sync", "plan", "--waba", waba, "--output", "text"}, at...)...)
	for _, check := range []string{"requested", "number", "waba", "subscription", "ingress", "doctor"} {
		if !strings.Contains(plan, "ok    "+check) {
			t.Errorf("the plan has no ok for %s:\n%s", check, plan)
		}
	}
	if n := len(fake.Posts()); n != 0 {
		t.Fatalf("a plan sent %d requests", n)
	}
	victim := c.Broker(0)
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	until(t, "the desk takes the wish without a broker", func() bool {
		_, _, code := s.run(append(start, "--despite", "doctor")...)
		return code == 0 || len(fake.Posts()) > 0
	})
	until(t, "the request is in syncs", func() bool { return slices.Contains(s.statuses(), schemas.SyncStatusRequested) })
	if err := victim.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	truth, r := s.simulate(world{seed: seed, businesses: 1, messages: 3000, live: 200, contact: 100, more: []string{
		"--second-number", "0", "--dialog", "0", "--ycloud", "0", "--declines", "0", "--reonboard", "0", "--no-last-phase", "0", "--late-after", "1s",
	}})
	until(t, "the sync is done", func() bool {
		all := s.statuses()
		return len(all) > 0 && all[len(all)-1] == schemas.SyncStatusDone
	})
	order := []string{schemas.SyncStatusNotRequested, schemas.SyncStatusIntended, schemas.SyncStatusRequested, schemas.SyncStatusRunning, schemas.SyncStatusDone}
	got := s.statuses()
	if !slices.IsSortedFunc(got, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) }) || !slices.Contains(got, schemas.SyncStatusRunning) {
		t.Errorf("statuses %q, want the order %q", got, order)
	}
	s.check(truth)
	s.bounded(r)
	for _, d := range desks { // both say the same
		out := s.must("sync", "status", "--phone-number-id", number, "--output", "text", "--desk", "http://"+d.admin)
		if !strings.Contains(out, "nothing is missing") {
			t.Errorf("%s: %s", d.name, out)
		}
		d.stop()
	}
	s.down()
	counts := map[string]int{}
	for _, p := range fake.Posts() {
		counts[p.Type]++
	}
	if counts["smb_app_state_sync"] != 1 || counts["history"] != 1 {
		t.Errorf("requests %v", counts)
	}
}
