package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/coexstream/coexstream/internal/config"
)

// openToOthers lists what in a folder others may read or write.
func openToOthers(t *testing.T, dir string) (open []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode()&0o077 != 0 {
			open = append(open, info.Mode().String()+" "+path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return open
}

// allMessages shows all messages.
var allMessages = []string{"tail", "messages", "--no-follow", "--output", "json"}

func TestDataFolderIsForTheUserAlone(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	p := startUp(t, dir)
	url, secret := p.credentials()
	if status := post(t, url, secret, exampleBody); status != http.StatusOK {
		t.Fatal(status)
	}
	p.messages(1)
	p.want(ExitOK, "", "replay", "--same-topics", "--waba", "1")
	p.want(ExitOK, "", "simulate", "--businesses", "1", "--messages", "10", "--live", "5", "--seed", "1", "--truth", "truth.jsonl")
	if open := openToOthers(t, data); len(open) > 0 {
		t.Errorf("open to others while it runs:\n%s", strings.Join(open, "\n"))
	}
	if info, err := os.Stat(filepath.Join(dir, "truth.jsonl")); err != nil || info.Mode()&0o077 != 0 {
		t.Errorf("truth: %v, %v", info, err)
	}
	p.signal(syscall.SIGTERM)
	if open := openToOthers(t, data); len(open) > 0 {
		t.Errorf("open to others after a stop:\n%s", strings.Join(open, "\n"))
	}

	// As an earlier version left it.
	if err := filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	}); err != nil {
		t.Fatal(err)
	}
	p = startUp(t, dir)
	for _, want := range []string{"a folder was open to others and is closed to them now", "files were open to others and are closed to them now"} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, p.stderr)
		}
	}
	p.want(ExitOK, "wamid.EXAMPLE1", allMessages...)
	p.signal(syscall.SIGTERM)
	var open []string
	for _, line := range openToOthers(t, data) {
		if !strings.Contains(line, "/replays") && !strings.Contains(line, "/spool") { // closed when they are used
			open = append(open, line)
		}
	}
	if len(open) > 0 {
		t.Errorf("open to others after a start that found them open:\n%s", strings.Join(open, "\n"))
	}
}

// failing runs an `up` that is to end by itself.
func failing(t *testing.T, dir string, args ...string) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"up", "--listen", "127.0.0.1:0", "--admin-listen", "", "--broker-listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir = dir
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != ExitFailure {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	return string(out)
}

func TestUpOpensNoFileThroughALink(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	for _, name := range []string{"lock", secretsName, runningName + ".tmp", brokerPasswordName, "broker/commit.journal", "broker/groups.log"} {
		dir := t.TempDir()
		victim := filepath.Join(dir, "victim")
		if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(dir, "data", name)
		if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(victim, link); err != nil {
			t.Fatal(err)
		}
		if out := failing(t, dir, "--set", "embedded.authentication=always"); !strings.Contains(out, name) || !strings.Contains(out, "link") && !strings.Contains(out, "neither a file nor a folder (L") {
			t.Errorf("%s: %s", name, out)
		}
		if b, err := os.ReadFile(victim); err != nil || string(b) != "precious" {
			t.Errorf("%s: what the link leads to holds %q, %v", name, b, err)
		}
	}
}

func TestDataFolderOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a folder of somebody else")
	}
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(data, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if out := failing(t, dir); !strings.Contains(out, "belongs to user 65534") || !strings.Contains(out, "chown") {
		t.Error(out)
	}
	if entries, err := os.ReadDir(data); err != nil || len(entries) > 0 {
		t.Errorf("made in it: %v, %v", entries, err)
	}
}

// topicsSeen asks a broker as a client that knows no password would.
func topicsSeen(t *testing.T, address string) error {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RequestRetries(0), kgo.RetryTimeout(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = kmsg.NewPtrMetadataRequest().RequestWith(ctx, cl)
	return err
}

func TestBrokerOnLoopbackAsksForNoPasswordAndSaysSo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	p := startUp(t, t.TempDir())
	defer p.signal(syscall.SIGTERM)
	p.until("says who can read", func() bool { return strings.Contains(p.stdout.String(), "embedded.authentication=always") })
	out, address := p.stdout.String(), p.running().Defaults["kafka.brokers"]
	for _, want := range []string{"Every user and program of this machine can read and write the topics", "kcat -b " + address + " -C -t coex.messages"} {
		if !strings.Contains(out, want) {
			t.Errorf("the first start does not say %q:\n%s", want, out)
		}
	}
	if err := topicsSeen(t, address); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "data", brokerPasswordName)); err == nil {
		t.Error("a password was generated")
	}
}

func TestCommandsBesideABrokerWithAPasswordBringIt(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	dir := t.TempDir()
	always := append([]string{"--set", "embedded.authentication=always"}, eachBodyOnce...)
	p := startUp(t, dir, always...)
	url, secret := p.credentials()
	address := p.running().Defaults["kafka.brokers"]
	if err := topicsSeen(t, address); err == nil {
		t.Error("without the password the topics can be seen")
	}
	b, err := os.ReadFile(filepath.Join(dir, "data", brokerPasswordName))
	if err != nil {
		t.Fatal(err)
	}
	password := strings.TrimSpace(string(b))
	if len(password) < 32 {
		t.Errorf("a password of %d characters", len(password))
	}
	p.until("prints how to read", func() bool { return strings.Contains(p.stdout.String(), "kcat") })
	if !strings.Contains(p.stdout.String(), "kcat -F data/broker.properties -b "+address+" -C -t coex.messages") {
		t.Errorf("no line for kcat:\n%s", p.stdout)
	}
	properties, err := os.ReadFile(filepath.Join(dir, "data", brokerPropertiesName))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"bootstrap.servers=" + address, "security.protocol=SASL_PLAINTEXT", "sasl.mechanisms=SCRAM-SHA-256", "sasl.username=coexstream", "sasl.password=" + password} {
		if !strings.Contains(string(properties), want+"\n") {
			t.Errorf("for kcat there is no %s in\n%s", strings.Replace(want, password, "…", 1), strings.ReplaceAll(string(properties), password, "…"))
		}
	}
	if status := post(t, url, secret, exampleBody); status != http.StatusOK {
		t.Fatal(status)
	}
	if status := post(t, url, secret, `{"broken":`); status != http.StatusOK {
		t.Fatal(status)
	}
	p.messages(1)
	p.letters(1)
	p.want(ExitOK, "requeued", "dlq", "requeue", "--all")
	p.want(ExitOK, "0 differences", "topics", "verify")
	p.want(ExitOK, "raw.live", "topics", "describe")
	p.want(ExitOK, "", "replay", "--dry-run")
	p.want(ExitOK, "", "replay", "--same-topics", "--waba", "1")
	p.want(ExitOK, "acknowledged", "simulate", "--businesses", "1", "--messages", "10", "--live", "5", "--unknown", "0", "--broken", "0", "--seed", "1", "--truth", "t.jsonl")
	if out, code := p.run("doctor", "--output", "json"); code != ExitOK && code != ExitFaults {
		t.Errorf("doctor: %d\n%s", code, out)
	} else {
		var report struct {
			Findings []struct{ Check, Status, Found string } `json:"findings"`
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, f := range report.Findings {
			if (f.Check == "brokers" || f.Check == "topics" || f.Check == "secrets") && f.Status != "ok" {
				t.Errorf("doctor: %+v", f)
			}
		}
	}
	for name, told := range map[string]string{"output": p.stdout.String(), "log": p.stderr.String()} {
		if strings.Contains(told, password) {
			t.Errorf("the password is in the %s", name)
		}
	}
	p.signal(syscall.SIGTERM)

	// The password stays, and a start without the key asks for none.
	p = startUp(t, dir, always...)
	p.want(ExitOK, "coex.messages", allMessages...)
	if again, err := os.ReadFile(filepath.Join(dir, "data", brokerPasswordName)); err != nil || !bytes.Equal(again, b) {
		t.Errorf("another password, %v", err)
	}
	if s := p.stdout.String(); s != "" {
		t.Errorf("a second start prints %q", s)
	}
	p.signal(syscall.SIGKILL)
	p = startUp(t, dir)
	defer p.signal(syscall.SIGTERM)
	p.want(ExitOK, "coex.messages", allMessages...)
	if err := topicsSeen(t, p.running().Defaults["kafka.brokers"]); err != nil {
		t.Errorf("without the key: %v", err)
	}
}

// A script that waits for /readyz finds what simulate needs.
func TestUpIsReadyOnlyWhenItsFilesAreThere(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir, stderr := t.TempDir(), &syncBuffer{}
	data := filepath.Join(dir, "data")
	cmd := exec.Command(path, "up", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0")
	cmd.Dir, cmd.Stderr = dir, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	p := &process{t: t, dir: dir, cmd: cmd, stderr: stderr, ended: ended}
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { p.signal(syscall.SIGKILL) })

	address := ""
	p.until("answers operators", func() bool {
		_, after, found := strings.Cut(stderr.String(), `"msg":"answering operators","address":"`)
		address, _, _ = strings.Cut(after, `"`)
		return found && address != ""
	})
	// While it starts, the commands beside it know what it runs with.
	p.until("wrote up.json", func() bool { r, err := readRunning(data); return err == nil && r != nil })
	if r := p.running(); r.Defaults["kafka.partitions"] != "4" {
		t.Errorf("up.json: %+v", r)
	}
	p.until("is ready", func() bool {
		status, _ := get(t, "http://"+address+"/readyz")
		return status == http.StatusOK
	})
	for _, name := range []string{secretsName, runningName} {
		if _, err := os.Stat(filepath.Join(data, name)); err != nil {
			t.Errorf("ready without %s", name)
		}
	}
	if p.running().Ingress == "" {
		t.Error("ready, but where webhooks go is not told")
	}
	p.signal(syscall.SIGTERM)
}

// An up that is still starting has told what it runs with: nothing is compared with the defaults of a cluster.
func TestCommandsBesideAnUpThatStartsUseItsDefaults(t *testing.T) {
	t.Chdir(t.TempDir())
	cfg, err := config.Load(config.Input{Defaults: config.UpDefaults(), Flags: map[string]string{"embedded.listen": "127.0.0.1:1", "topics.raw.retention": "3d"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("data", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := newRunning(cfg, "").write("data"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := Main(t.Context(), []string{"doctor", "--only", "config,brokers,topics"}, IO{Out: &out, Err: &out}); code != ExitFaults || !strings.Contains(out.String(), "127.0.0.1:1") {
		t.Errorf("doctor: %d\n%s", code, &out)
	}
	if strings.Contains(out.String(), "copies") || strings.Count(out.String(), "\n") > 20 {
		t.Errorf("doctor speaks of a cluster:\n%s", &out)
	}
	out.Reset()
	if code := Main(t.Context(), []string{"simulate"}, IO{Out: &out, Err: &out}); code != ExitFailure || !strings.Contains(out.String(), "still starting") {
		t.Errorf("simulate: %d\n%s", code, &out)
	}
}

func TestMisspeltVariableStopsACommandAndAStrangeOneIsTold(t *testing.T) {
	t.Chdir(t.TempDir())
	var out, stderr bytes.Buffer
	run := func(environ ...string) int {
		out.Reset()
		stderr.Reset()
		return Main(t.Context(), []string{"config", "validate"}, IO{Out: &out, Err: &stderr, Environ: environ})
	}
	if code := run("COEXSTREAM_INGRES_LISTEN=:1"); code != ExitUsage || !strings.Contains(stderr.String(), "did you mean COEXSTREAM_INGRESS_LISTEN?") {
		t.Errorf("misspelt: %d %s", code, &stderr)
	}
	if code := run("COEXSTREAM_IMAGE_TAG=v1"); code != ExitOK || strings.Count(stderr.String(), "COEXSTREAM_IMAGE_TAG sets no key") != 1 {
		t.Errorf("strange: %d %s", code, &stderr)
	}
	if code := run("COEXSTREAM_SERVICE_HOST=10.0.0.1", "COEXSTREAM_PORT=tcp://10.0.0.1:8080"); code != ExitOK || stderr.Len() > 0 {
		t.Errorf("of a service: %d %s", code, &stderr)
	}
}
