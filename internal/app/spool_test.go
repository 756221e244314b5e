package app

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/embedded"
	"github.com/coexstream/coexstream/internal/testing/freeport"
)

func freeAddress(t *testing.T) string {
	t.Helper()
	addrs, err := freeport.Addresses(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return addrs[0]
}

// startIngressProcess starts the real binary as an ingress.
func startIngressProcess(t *testing.T, dir, listen, admin, brokers string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, dir: dir, stdout: &syncBuffer{}, stderr: &syncBuffer{}, ended: make(chan struct{})}
	p.cmd = exec.Command(path, "ingress", "--listen", listen, "--admin-listen", admin, "--brokers", brokers)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() { p.signal(syscall.SIGKILL) })
	p.until("is ready", func() bool {
		resp, err := http.Get("http://" + admin + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// tryPost is post for a server that may go away.
func tryPost(url, secret, body string) (int, error) {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, nil
}

// Without Kafka, an ingress takes webhooks, is killed in the middle, twice, and hands everything over when
// Kafka is there: each business in its order.
func TestKilledIngressKeepsItsSpool(t *testing.T) {
	const businesses, secret = 6, "s3cret"
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
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	next := [businesses]int{}
	for range 2 {
		p := startIngressProcess(t, dir, listen, admin, brokers)
		var senders sync.WaitGroup
		var taken atomic.Int64
		for b := range businesses {
			senders.Go(func() {
				for {
					next[b]++ // an unanswered webhook before the kill is not sent again: it may be there, or not
					id := fmt.Sprintf("b%d-%06d", b, next[b])
					body := strings.Replace(exampleBody, `"id":"100000000000001"`, fmt.Sprintf(`"id":"10000000000000%d"`, b), 1)
					code, err := tryPost("http://"+listen+"/meta", secret, strings.Replace(body, "wamid.EXAMPLE1", id, 1))
					if err != nil {
						return // killed
					}
					if code != http.StatusOK {
						t.Errorf("%s: %d while Kafka is away", id, code)
						return
					}
					mu.Lock()
					acknowledged[id] = true
					mu.Unlock()
					taken.Add(1)
				}
			})
		}
		p.until("took webhooks", func() bool { return taken.Load() >= 100 })
		p.signal(syscall.SIGKILL)
		senders.Wait()
		http.DefaultClient.CloseIdleConnections() // those to the process that is no more
	}

	killed := &process{t: t, dir: dir}
	out, code := killed.run("spool", "export")
	if code != ExitOK || !strings.Contains(out, `"waiting":true`) {
		t.Errorf("spool export: exit code %d\n%.500s", code, out)
	}
	for id := range acknowledged {
		if !strings.Contains(out, id) {
			t.Errorf("%s is not in spool export", id)
		}
	}
	if out, code := killed.run("spool", "list"); code != ExitOK || !strings.Contains(out, "records wait for Kafka") || !strings.Contains(out, "raw.live") {
		t.Errorf("spool list: exit code %d\n%s", code, out)
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
	p := startIngressProcess(t, dir, listen, admin, brokers)
	p.until("handed the spool over", func() bool {
		_, metrics := get(t, "http://"+admin+"/metrics")
		return strings.Contains(metrics, `coexstream_spool_records{topic="raw.live"} 0`) &&
			!strings.Contains(metrics, `coexstream_spool_drained_records_total{topic="raw.live"} 0`)
	})
	out, code = p.run("tail", "raw.live", "--no-follow", "--output", "json", "--brokers", brokers)
	if code != ExitOK {
		t.Fatalf("tail: exit code %d\n%s", code, out)
	}
	if out, code := p.run("spool", "list"); code != ExitOK || !strings.Contains(out, " 0 records wait for Kafka") {
		t.Errorf("spool list: exit code %d\n%s", code, out)
	}
	latest := map[string]string{} // by business
	for line := range bytes.Lines([]byte(out)) {
		var r struct {
			Key   string          `json:"key"`
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		_, rest, _ := strings.Cut(string(r.Value), `"messages":[{"from":"15550005678","id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		if acknowledged[id] && id < latest[r.Key] {
			t.Errorf("%s came after %s", id, latest[r.Key])
		}
		latest[r.Key] = max(latest[r.Key], id)
		delete(acknowledged, id)
	}
	if len(acknowledged) > 0 {
		t.Errorf("%d acknowledged webhooks are lost", len(acknowledged))
	}
	p.signal(syscall.SIGTERM)
	if code := p.cmd.ProcessState.ExitCode(); code != ExitOK {
		t.Errorf("exit code after SIGTERM: %d\n%s", code, p.stderr)
	}
}
