package app

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/kafka"
	"github.com/coexstream/coexstream/internal/replay"
	"github.com/coexstream/coexstream/internal/replay/replaytest"
	"github.com/coexstream/coexstream/internal/testing/long"
	"github.com/coexstream/coexstream/schemas"
)

// beside runs a long-lived command in the folder of an up until the test stops it.
func (p *process) beside(args ...string) (stop func()) {
	p.t.Helper()
	return p.besideUntil(syscall.SIGTERM, args...)
}

// besideUntil is beside with the signal that stops the command.
func (p *process) besideUntil(sig syscall.Signal, args ...string) (stop func()) {
	p.t.Helper()
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = p.dir
	var out syncBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop = func() {
		_ = cmd.Process.Signal(sig)
		select {
		case <-ended:
		case <-time.After(4 * time.Minute):
			_ = cmd.Process.Kill()
		}
		if p.t.Failed() {
			p.t.Logf("%v:\n%s", args, out.String())
		}
	}
	p.t.Cleanup(stop)
	return stop
}

// committed reads the present committed records of a topic.
func committed(t *testing.T, brokers, topic string) []*kgo.Record {
	t.Helper()
	conn := kafka.Connection{Brokers: []string{brokers}, ClientID: "test", DialTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second}
	reader, err := kafka.NewReader(conn, []string{topic})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	ranges, err := reader.Ranges(ctx, kafka.FromStart())
	if err != nil {
		t.Fatal(err)
	}
	var all []*kgo.Record
	if err := reader.ReadRanges(ctx, ranges, func(r *kgo.Record) error { all = append(all, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// compare returns the differences between the events of two prefixes. Those that were rerouted in the first one are
// compared without their place if apart is set.
func compare(t *testing.T, brokers, a, b string, apart bool) (differences []string) {
	t.Helper()
	for _, topic := range replaytest.Topics() {
		differences = append(differences, replaytest.Compare(topic, committed(t, brokers, topic.Name(a)), committed(t, brokers, topic.Name(b)), apart)...)
	}
	return differences
}

// compareWithin returns the differences between the events of a replay into the same topics and the former ones.
func compareWithin(t *testing.T, brokers, prefix string) (differences []string) {
	t.Helper()
	for _, topic := range []schemas.Topic{
		schemas.TopicHistory, schemas.TopicMedia, schemas.TopicEchoes, schemas.TopicMessages, schemas.TopicAccount, schemas.TopicOther,
	} {
		var first, second []*kgo.Record
		for _, r := range committed(t, brokers, topic.Name(prefix)) {
			if slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == schemas.HeaderReplay }) {
				second = append(second, r)
			} else {
				first = append(first, r)
			}
		}
		differences = append(differences, replaytest.Compare(topic, first, second, true)...)
	}
	return differences
}

// agree waits until two prefixes have the same events, and fails with the differences when they do not come to.
func agree(t *testing.T, brokers, a, b string, apart bool) {
	t.Helper()
	settles(t, a+" and "+b, func() []string { return compare(t, brokers, a, b, apart) })
}

func settles(t *testing.T, what string, compare func() []string) {
	t.Helper()
	limit := time.Now().Add(4 * time.Minute)
	for {
		left := compare()
		if len(left) == 0 {
			return
		}
		if time.Now().After(limit) {
			for _, d := range left {
				t.Errorf("%s: %s", what, d)
			}
			return
		}
		select {
		case <-t.Context().Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// replayWithAKill replays everything, and is killed in between.
func (p *process) replayWithAKill(prefix string) {
	p.t.Helper()
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(path, "replay", "--to", prefix, "--verify-signatures", "--rate", "500")
	cmd.Dir = p.dir
	var out syncBuffer
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	var id string
	p.until("came to half of the replay", func() bool {
		_, rest, _ := strings.Cut(out.String(), "replay ")
		if id, _, _ = strings.Cut(rest, " "); id == "" {
			return false
		}
		b, err := os.ReadFile(filepath.Join(p.dir, "data", "replays", id+".json"))
		if err != nil {
			return false
		}
		progress, err := replay.Parse(b)
		if err != nil {
			p.t.Fatal(err)
		}
		done, total := progress.Offsets()
		return done > total/3
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if out, code := p.run("replay", "--resume", id); code != ExitOK {
		p.t.Fatalf("replay --resume: %d\n%s", code, out)
	}
	if out, code := p.run("replay", "--resume", id); code != ExitUsage || !strings.Contains(out, "done") {
		p.t.Errorf("a replay that is done was resumed: %d\n%s", code, out)
	}
}

func TestReplayIntoAnotherPrefixGivesTheSameEvents(t *testing.T) {
	long.Test(t)
	t.Parallel()
	// Holes are open for longer than they are waited for, so that gaps are given up and chunks come late.
	waits := []string{"--set", "processor.history.phase_hold=1s", "--set", "processor.history.gap_timeout=2s"}
	dir := t.TempDir()
	up := startUp(t, dir, append(waits, eachBodyOnce...)...)
	defer up.signal(syscall.SIGTERM)
	// Without bodies that carry echoes beside history: which of an echo and its edit is read first would depend on
	// the lanes. Without account events and messages that come again within a sync: on a slow machine, the waits above end
	// the sync before.
	if out, code := up.run("simulate", "--businesses", "6", "--messages", "6000", "--live", "800", "--contacts", "600",
		"--chunk-bytes-max", "200000", "--late-after", "4s", "--late-holes", "0.1", "--mixed", "0", "--aliases", "0", "--overlap-rate", "0", "--seed", "7"); code != ExitOK {
		t.Fatalf("simulate: %d\n%s", code, out)
	}
	if out, code := up.run(append([]string{"check", "--validate-every", "0"}, waits...)...); code != ExitOK {
		t.Fatalf("check: %d\n%s", code, out)
	}
	brokers := up.running().Defaults["kafka.brokers"]
	for _, target := range []struct {
		prefix, partitions string
	}{{"again.", "4"}, {"wide.", "7"}} {
		if out, code := up.run("topics", "create", "--prefix", target.prefix, "--partitions", target.partitions); code != ExitOK {
			t.Fatalf("topics create: %d\n%s", code, out)
		}
		stop := up.beside(append([]string{"process", "--prefix", target.prefix, "--set", "processor.group_id=" + target.prefix, "--set", "admin.listen="}, waits...)...)
		up.replayWithAKill(target.prefix)
		agree(t, brokers, "coex.", target.prefix, true)
		stop()
	}
	// Two replays of one log agree in everything, for any numbers of partitions.
	agree(t, brokers, "again.", "wide.", false)
	var late int
	for _, r := range committed(t, brokers, schemas.TopicHistory.Name("wide.")) {
		if bytes.Contains(r.Value, []byte(`"late":true`)) {
			late++
		}
	}
	before := map[schemas.Topic]int{}
	for _, topic := range []schemas.Topic{schemas.TopicContacts, schemas.TopicSyncs} {
		before[topic] = len(committed(t, brokers, topic.Name("coex.")))
	}
	if out, code := up.run("replay", "--same-topics"); code != ExitOK {
		t.Fatalf("replay into the same topics: %d\n%s", code, out)
	}
	settles(t, "same topics", func() []string { return compareWithin(t, brokers, "coex.") })
	for topic, want := range before {
		if got := len(committed(t, brokers, topic.Name("coex."))); got != want {
			t.Errorf("%s has %d records after a replay into the same topics, %d before it", topic, got, want)
		}
	}
	if out, code := up.run("replay", "--dry-run"); code != ExitOK || !strings.Contains(out, "copies") {
		t.Errorf("what replays wrote is not told as left out: %d\n%s", code, out)
	}
	if late == 0 {
		t.Error("no event is late: the run did not test what time does")
	}
}

func TestReplayLeavesOutWhatDoesNotVerify(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	p := startUp(t, t.TempDir(), eachBodyOnce...)
	defer p.signal(syscall.SIGTERM)
	url, secret := p.credentials()
	for _, body := range []string{`{"entry":[{"id":"1","changes":[]}]}`, `{"entry":[{"id":"2","changes":[]}]}`} {
		if status := post(t, url, secret, body); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	p.want(ExitOK, "2 verified, 0 bodies are not signed", "replay", "--dry-run", "--verify-signatures")
	other := "kafka:\n  brokers: [\"" + p.running().Defaults["kafka.brokers"] + "\"]\ningress:\n  sources:\n    - name: meta\n      provider: meta\n      secrets:\n        - {id: generated, value: another}\n"
	if err := os.WriteFile(filepath.Join(p.dir, "other.yaml"), []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	out := p.want(ExitFaults, "2: signature of source meta does not verify", "replay", "--dry-run", "--verify-signatures", "--config", "other.yaml")
	if !strings.Contains(out, "would go    0 bodies") || strings.Contains(out, "another") {
		t.Errorf("with another secret:\n%s", out)
	}
	p.want(ExitOK, "would go  1 bodies", "replay", "--dry-run", "--waba", "2")
	p.want(ExitOK, "would go  0 bodies", "replay", "--dry-run", "--until", "1h")
	p.want(ExitUsage, "exclude each other", "replay", "--to", "x.", "--same-topics")
	p.want(ExitUsage, "is the prefix that is read", "replay", "--to", "coex.")
	p.want(ExitUsage, "--waba cannot be given", "replay", "--resume", "x", "--waba", "1")
	p.want(ExitUsage, "known: none", "replay", "--resume", "x")
	p.want(ExitFailure, "there are raw.live/0 to raw.bulk/3", "replay", "--dry-run", "--offsets", "raw.live/9:0-1")
}
