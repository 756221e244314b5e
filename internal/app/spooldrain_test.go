package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/embedded"
)

// The ingress of a spool is gone. The command hands its webhooks over. With exit code 0 the folder can be deleted.
func TestSpoolDrainHandsOverWhatAnIngressLeft(t *testing.T) {
	const webhooks, secret = 50, "s3cret"
	dir := t.TempDir()
	listen, admin, brokers := freeAddress(t), freeAddress(t), freeAddress(t)
	yaml := `
ingress:
  sources:
    - {name: meta, path: /meta, secrets: [{id: a, value: ` + secret + `}]}
`
	if err := os.WriteFile(filepath.Join(dir, config.DefaultFile), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := &process{t: t, dir: dir}
	drain := func(want int, flags ...string) (result drainedJSON, out string) {
		t.Helper()
		out, code := shell.run(append([]string{"spool", "drain", "--brokers", brokers, "--output", "json"}, flags...)...)
		if code != want {
			t.Fatalf("spool drain %v: exit code %d, want %d\n%s", flags, code, want, out)
		}
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, `{"dir"`) {
				if err := json.Unmarshal([]byte(line), &result); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
			}
		}
		return result, out
	}
	if r, out := drain(ExitOK); r.Dir == "" || r.HandedOver != 0 {
		t.Errorf("a folder that was never used: %+v\n%s", r, out)
	}

	p := startIngressProcess(t, dir, listen, admin, brokers)
	for i := range webhooks {
		code, err := tryPost("http://"+listen+"/meta", secret, strings.Replace(exampleBody, "wamid.EXAMPLE1", fmt.Sprintf("left-%03d", i), 1))
		if err != nil || code != http.StatusOK {
			t.Fatalf("webhook %d without Kafka: %d, %v", i, code, err)
		}
	}
	if _, out := drain(ExitFailure); !strings.Contains(out, "in use") {
		t.Errorf("the folder of a running ingress:\n%s", out)
	}
	if r, out := drain(ExitOK, "--if-unused"); !r.InUse || r.HandedOver != 0 {
		t.Errorf("the folder of a running ingress is left to it: %+v\n%s", r, out)
	}
	p.signal(syscall.SIGTERM)

	if r, out := drain(ExitFailure, "--timeout", "1s"); r.Waiting != webhooks || r.HandedOver != 0 || !strings.Contains(out, "still wait for Kafka") {
		t.Errorf("without Kafka: %+v\n%s", r, out)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "*", "spool", "raw.live", "*.spool"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no file of the spool: %v", err)
	}
	segment, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}

	c := embedded.DefaultConfig(filepath.Join(dir, "broker"))
	c.Listen = brokers
	broker, err := embedded.Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	cfg, err := config.Load(config.Input{Defaults: config.UpDefaults()})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Kafka.Brokers = []string{brokers}
	conn, err := connectionOf(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := createTopics(t.Context(), conn, layoutOf(cfg), cfg.Kafka.RequestTimeout); err != nil {
		t.Fatal(err)
	}
	if r, out := drain(ExitOK); r.Waiting != 0 || r.HandedOver != webhooks {
		t.Errorf("with Kafka: %+v\n%s", r, out)
	}
	out, code := shell.run("tail", "raw.live", "--no-follow", "--output", "json", "--brokers", brokers)
	for i := range webhooks {
		if id := fmt.Sprintf("left-%03d", i); strings.Count(out, id) != 1 {
			t.Errorf("%s is %d times in raw.live (tail: exit code %d)", id, strings.Count(out, id), code)
		}
	}
	if r, out := drain(ExitOK); r.HandedOver != 0 {
		t.Errorf("an empty folder: %+v\n%s", r, out)
	}

	// A file in quarantine is not empty for the one who deletes the volume.
	if err := os.WriteFile(filepath.Join(filepath.Dir(segments[0]), "quarantine", filepath.Base(segments[0])), segment, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, out := drain(ExitFaults); r.Faults != 1 || r.Waiting != 0 {
		t.Errorf("a file in quarantine: %+v\n%s", r, out)
	}
}
