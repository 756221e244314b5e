package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/certtest"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/internal/verify"
	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/internal/verify/world"
	"github.com/coexstream/coexstream/schemas"
)

// The desk requests the syncs of all numbers of a world: of some that share nothing, of some whose history has no end or comes again after another
// onboarding, and of one that sends nothing. Two requests do not succeed. check compares all statuses with the raw log, those of the tables too.
func TestCheckAgreesWithTheStatusesOfManyRequestedSyncs(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	const seed = 23
	simulated := verify.DefaultSimulateConfig().World
	simulated.Seed, simulated.Businesses, simulated.Messages, simulated.Dialog, simulated.YCloud, simulated.Start = seed, 8, 800, 0, 0, time.Now()
	simulated.SecondNumber, simulated.Declines, simulated.Reonboard, simulated.NoLastPhase = 0.3, 0.3, 0.2, 0.3
	w, err := world.New(simulated)
	if err != nil {
		t.Fatal(err)
	}
	numbers := append(w.Numbers(), truth.Number{PhoneNumberID: "777", WABA: "999"}) // nobody plays the last one
	fake := fakegraph.New()
	defer fake.Close()
	dir := t.TempDir()
	flags := deskConfig(t, dir, fake, "999")
	for _, n := range numbers {
		fake.Add(fakegraph.Number{ID: n.PhoneNumberID, WABA: n.WABA, OnBizApp: true})
		certtest.Write(t, filepath.Join(dir, "tokens", "meta"), n.WABA, []byte(canaryWABA))
	}
	fake.Next(numbers[0].PhoneNumberID, "history", fakegraph.Failure(400, 2593108, 0, "Outside of the allowed window"))
	fake.Next(numbers[1].PhoneNumberID, "history", &fakegraph.Reply{Status: 502, Body: "<html>"})
	p := startUp(t, dir, flags...)
	admin := p.running().Admin
	var all sync.WaitGroup
	for _, n := range numbers {
		all.Go(func() {
			body, err := json.Marshal(map[string]any{"phone_number_id": n.PhoneNumberID, "waba_id": n.WABA, "onboarded_at": time.Now().Add(-time.Minute), "despite": []string{"doctor", "ingress"}})
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := http.Post(admin+"/v1/syncs/start", "application/json", bytes.NewReader(body)) //nolint:noctx // its test ends it
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != http.StatusAccepted {
				t.Errorf("start of %s: %s", n.PhoneNumberID, resp.Status)
			}
		})
	}
	all.Wait()
	listed := func() (next map[string]int) {
		next = map[string]int{}
		var list struct {
			Syncs []struct {
				Next string
				Sync *schemas.Sync
			}
		}
		_, body := get(t, admin+"/v1/syncs")
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			return next
		}
		for _, s := range list.Syncs {
			if s.Sync != nil {
				next[s.Next]++
			}
		}
		return next
	}
	p.until("has requested all syncs", func() bool {
		next := listed()
		return next["nothing"] == len(numbers)-2 && next["person"] == 2
	})
	file := filepath.Join(dir, "truth.jsonl")
	args := []string{"simulate", "--seed", fmt.Sprint(seed), "--businesses", "8", "--messages", "800", "--dialog", "0", "--ycloud", "0", "--second-number", "0.3", "--declines", "0.3",
		"--reonboard", "0.2", "--no-last-phase", "0.3", "--live", "100", "--contacts", "100", "--late-after", "1s", "--truth", file, "--config", flags[1]}
	if out, code := p.run(args...); code != ExitOK {
		t.Fatalf("simulate: %d %s", code, out)
	}
	check := []string{"check", "--truth", file, "--wait", "90s", "--sqlite", filepath.Join(dir, "data", readModelName), "--config", flags[1]}
	if out, code := p.run(check...); code != ExitOK {
		t.Errorf("check: %d %s", code, out)
	}
	statuses := map[string]int{}
	newest := map[string]schemas.Sync{}
	for _, r := range committed(t, p.running().Defaults["kafka.brokers"], "coex.syncs") {
		var s schemas.Sync
		if len(r.Value) > 0 && json.Unmarshal(r.Value, &s) == nil {
			newest[s.PhoneNumberID] = s
		}
	}
	for _, s := range newest {
		statuses[s.Status]++
	}
	for _, want := range []string{schemas.SyncStatusDone, schemas.SyncStatusRunning, schemas.SyncStatusDeclined, schemas.SyncStatusRequested} {
		if statuses[want] == 0 {
			t.Errorf("no sync is %s: %v", want, statuses)
		}
	}
	p.signal(syscall.SIGTERM)
}
