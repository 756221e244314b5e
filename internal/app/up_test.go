package app

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/seed"
)

// binaryFolder is the folder of the binary, and empty while no test has asked for it.
var binaryFolder string

// binary builds the real binary once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "coexstream-test")
	if err != nil {
		return "", err
	}
	binaryFolder = dir
	path := filepath.Join(dir, "coexstream")
	if out, err := exec.Command("go", "build", "-o", path, "../..").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	_ = os.Unsetenv("GOGC") // the binary runs with its own rule for collections
	code := m.Run()
	if binaryFolder != "" {
		_ = os.RemoveAll(binaryFolder)
	}
	os.Exit(code)
}

// process is an `up` in a folder of its own, on free ports.
type process struct {
	t      *testing.T
	dir    string
	cmd    *exec.Cmd
	stdout *syncBuffer
	stderr *syncBuffer
	ended  chan struct{}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func startUp(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, dir: dir, stdout: &syncBuffer{}, stderr: &syncBuffer{}, ended: make(chan struct{})}
	p.cmd = exec.Command(path, append([]string{"up", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() { p.signal(syscall.SIGKILL) })
	p.until("is ready", func() bool { return strings.Contains(p.stderr.String(), `"msg":"ready"`) })
	return p
}

// eachBodyOnce are arguments of an up whose test counts records. With a spool, a body is in the raw log twice where the broker
// acknowledges it later than `ingress.spool.after`, as on a busy machine.
var eachBodyOnce = []string{"--set", "ingress.spool.enabled=false", "--set", "ingress.ack_timeout=1m"}

// until waits for a condition, and fails when the process ends or four minutes are over. It waits as long as the last look at
// the condition took: most of them run a command.
func (p *process) until(what string, ok func() bool) {
	p.t.Helper()
	limit := time.NewTimer(4 * time.Minute)
	defer limit.Stop()
	for {
		began := time.Now()
		if ok() {
			return
		}
		select {
		case <-p.ended:
			p.t.Fatalf("up ended before it %s:\n%s", what, p.stderr)
		case <-limit.C:
			p.t.Fatalf("up never %s:\n%s", what, p.stderr)
		case <-time.After(max(time.Since(began), 10*time.Millisecond)):
		}
	}
}

func (p *process) signal(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.ended:
	case <-time.After(4 * time.Minute):
		p.t.Errorf("up did not end after %s:\n%s", s, p.stderr)
		_ = p.cmd.Process.Kill()
	}
}

func (p *process) running() *running {
	p.t.Helper()
	r, err := readRunning(filepath.Join(p.dir, "data"))
	if err != nil || r == nil {
		p.t.Fatalf("up.json: %v, %v", r, err)
	}
	return r
}

// run runs another command in the same folder.
func (p *process) run(args ...string) (string, int) {
	p.t.Helper()
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 3*time.Minute)
	defer cancel()
	if args[0] == "simulate" && !slices.Contains(args, "--seed") {
		args = append(slices.Clone(args), "--seed", strconv.FormatUint(seed.Of(p.t), 10))
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = p.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run()
	return out.String(), cmd.ProcessState.ExitCode()
}

// signature is what Meta's header says of a body.
func signature(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// post sends a signed body and returns the status.
func post(t *testing.T, url, secret, body string) int {
	t.Helper()
	return postAs(t, url, secret, "application/json", body)
}

// postAs sends a signed body of a content type and returns the status.
func postAs(t *testing.T, url, secret, contentType, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Hub-Signature-256", signature(secret, body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func printed(t *testing.T, output, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(output)
	if m == nil {
		t.Fatalf("%s is not in what up printed:\n%s", pattern, output)
	}
	return m[1]
}

// In an empty folder, with no configuration: it starts, prints how to send a webhook, takes it, and what it
// took is there after an orderly stop and after a kill.
func TestUpKeepsWhatItTook(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startUp(t, dir)
	p.until("prints how to begin", func() bool { return strings.Contains(p.stdout.String(), " check") })
	out := p.stdout.String()
	url := printed(t, out, `webhook URL +(\S+)`)
	token := printed(t, out, `verify token +(\S+)`)
	secret := printed(t, out, `app secret +(\S+)`)
	body := printed(t, out, `body='(.+)'`)
	if status := post(t, url, secret, body); status != http.StatusOK {
		t.Fatalf("the printed webhook was answered with %d", status)
	}
	if status := post(t, url, "wrong", body); status != http.StatusUnauthorized {
		t.Errorf("a wrong signature was answered with %d", status)
	}
	if status, answer := get(t, url+"?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="+token); status != http.StatusOK || answer != "1158201444" {
		t.Errorf("verification: %d %q", status, answer)
	}
	if status, _ := get(t, p.running().Admin+"/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d", status)
	}
	event := p.messages(1)
	if event["wamid"] != "wamid.EXAMPLE1" {
		t.Errorf("event: %v", event)
	}

	p.signal(syscall.SIGTERM)
	if code := p.cmd.ProcessState.ExitCode(); code != ExitOK {
		t.Errorf("exit code after SIGTERM: %d\n%s", code, p.stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", runningName)); err == nil {
		t.Error("up.json is there after an orderly stop")
	}

	p = startUp(t, dir)
	if s := p.stdout.String(); s != "" {
		t.Errorf("a second start prints %q", s)
	}
	p.messages(1)
	url = p.running().Ingress + p.running().Sources[0].Path
	second := strings.Replace(body, "wamid.EXAMPLE1", "wamid.EXAMPLE2", 1)
	if status := post(t, url, secret, second); status != http.StatusOK {
		t.Fatalf("with the secret of the first start: %d", status)
	}
	p.signal(syscall.SIGKILL)

	p = startUp(t, dir)
	if event := p.messages(2); event["wamid"] != "wamid.EXAMPLE2" {
		t.Errorf("event: %v", event)
	}
	// A body is in the raw log twice where the broker acknowledged it late, and the spool kept it as well.
	out, code := p.run("tail", "raw.live", "--no-follow", "--output", "json")
	if first, second := strings.Count(out, "wamid.EXAMPLE1"), strings.Count(out, "wamid.EXAMPLE2"); code != ExitOK || first < 1 || second < 1 || strings.Count(out, "\n") != first+second {
		t.Errorf("raw log: exit code %d\n%s", code, out)
	}
	if out, code := p.run("tail", "raw.live", "--no-follow", "--limit", "1"); code != ExitOK || strings.Count(out, "\n") != 1 {
		t.Errorf("raw log up to a limit: exit code %d\n%s", code, out)
	}
	if out, code := p.run("topics", "verify"); code != ExitOK || !strings.Contains(out, "0 differences") {
		t.Errorf("topics verify: exit code %d\n%s", code, out)
	}
	if out, code := p.run("topics", "verify", "--set", "topics.raw.retention=3d"); code != ExitFaults || !strings.Contains(out, "coex.raw.live: retention.ms is 1209600000, want 259200000") {
		t.Errorf("topics verify with another retention: exit code %d\n%s", code, out)
	}
	if out, code := p.run("up", "--listen", "127.0.0.1:0", "--admin-listen", ""); code != ExitFailure || !strings.Contains(out, "in use by another process") {
		t.Errorf("a second up on the folder: exit code %d\n%s", code, out)
	}
}

// messages waits until so many events are on `messages` and returns the last value.
func (p *process) messages(n int) map[string]any {
	p.t.Helper()
	out, code := p.run("tail", "messages", "--from-beginning", "--limit", fmt.Sprint(n), "--output", "json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != ExitOK || len(lines) != n {
		p.t.Fatalf("tail: exit code %d\n%s\n%s", code, out, p.stderr)
	}
	if out, _ := p.run("tail", "messages", "--no-follow", "--output", "json"); strings.Count(out, "\n") != n {
		p.t.Errorf("%d events were sent, there are:\n%s", n, out)
	}
	var record struct {
		Value map[string]any `json:"value"`
	}
	if err := json.Unmarshal([]byte(lines[n-1]), &record); err != nil {
		p.t.Fatal(err)
	}
	return record.Value
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

func TestGeneratedSecretsAreForTheUserAlone(t *testing.T) {
	dir := t.TempDir()
	sources := generateSecrets()
	if err := keepSecrets(dir, sources); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, secretsName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, err %v", info.Mode(), err)
	}
	again, err := readSecrets(dir)
	if err != nil || len(again) != len(sources) {
		t.Fatalf("%v, err %v", again, err)
	}
	for i := range again {
		if again[i].VerifyToken != sources[i].VerifyToken || again[i].Secrets[0] != sources[i].Secrets[0] || !again[i].SignatureRequired {
			t.Errorf("read %+v, want %+v", again[i], sources[i])
		}
	}
	if other := generateSecrets(); other[0].Secrets[0].Value == sources[0].Secrets[0].Value || len(other[0].Secrets[0].Value) < 32 {
		t.Error("two secrets are the same, or short")
	}
}

func TestUpRefusesAnotherBroker(t *testing.T) {
	var stderr bytes.Buffer
	t.Chdir(t.TempDir())
	code := Main(t.Context(), []string{"up", "--brokers", "kafka:9092"}, IO{Out: io.Discard, Err: &stderr})
	if code != ExitUsage || !strings.Contains(stderr.String(), "kafka.brokers is set by a flag") {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
	if _, err := os.Stat("data"); err == nil {
		t.Error("a data folder was made")
	}
}
