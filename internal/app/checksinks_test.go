package app

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/freeport"
	"github.com/coexstream/coexstream/internal/testing/long"
	"github.com/coexstream/coexstream/internal/verify/archived"
	"github.com/coexstream/coexstream/internal/verify/receiver"
	"github.com/coexstream/coexstream/schemas"
)

// twoSinks writes a configuration with webhooks and an archive, two lines of it, and returns the arguments of check and the receiver's address.
func twoSinks(t *testing.T, dir string) (judges []string, address string) {
	t.Helper()
	addrs, err := freeport.Addresses(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "archive")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	const common = "insecure_http: true, allow: [127.0.0.0/8], start: beginning"
	for name, text := range map[string]string{
		"endpoints.yaml": "endpoints:\n  - {name: crm, url: 'http://" + addrs[0] + "/crm', " + common + ", secrets: [{id: a, value: " + webhookSecret + "}]}\n" +
			"  - {name: inbox, format: meta, url: 'http://" + addrs[0] + "/inbox', historical: true, verify_token: tok, " + common + ", secrets: [{id: a, value: 0123456789abcdef}]}\n",
		"coexstream.yaml": "sink:\n  webhook: {endpoints_file: endpoints.yaml}\n  archive: {enabled: true, url: \"file://" + folder + "\", rotation: 1s, parquet: [events]}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"--receiver", "receiver", "--archive", "file://" + folder}, addrs[0]
}

// TestSinksAreJudgedBesideTheTopics plays onboardings into an up with webhooks and an archive, whose receiver fails at times. The up is killed, and
// later Kafka's data is deleted.
func TestSinksAreJudgedBesideTheTopics(t *testing.T) {
	long.Test(t)
	t.Parallel()
	dir := t.TempDir()
	judges, address := twoSinks(t, dir)
	up := append(slices.Clone(eachBodyOnce), "--set", "topics.max_message_bytes=128KiB") // longer bodies are in segments
	p := startUp(t, dir, up...)
	stop := p.beside("simulate", "receiver", "--listen", address, "--fail-rate", "0.01", "--cut-rate", "0.005", "--silent-rate", "0.001")
	p.until("sees the receiver", func() bool {
		resp, err := http.Get("http://" + address + "/readyz") //nolint:noctx // on loopback
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
	p.want(ExitOK, "status 200", "sink", "webhook", "ping", "crm")
	p.want(ExitOK, "status 200", "sink", "webhook", "ping", "inbox")
	if out, code := p.run("simulate", "--businesses", "4", "--messages", "600", "--live", "200", "--contacts", "100", "--chunk-bytes-max", "400000", "--seed", "5", "--ycloud", "0.3"); code != ExitOK {
		t.Fatalf("simulate: %d\n%s", code, out)
	}
	p.signal(syscall.SIGKILL)
	p = startUp(t, dir, up...)
	check := append([]string{"check", "--validate-every", "0", "--receiver-restarts", "1"}, judges...)
	out := p.want(ExitOK, "\nreceiver crm: OK, 0 lost, ", check...)
	for _, want := range []string{"\nreceiver inbox: OK, 0 lost, ", "\narchive file://", "\narchive: "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	p.judgesSeeFaults(check)

	// Kafka's data is deleted. Replayed events do not leave, and all bodies are in the archive.
	p = p.wiped(up...)
	p.want(ExitOK, "signatures", "replay", "--from-archive", "--to", "coex.", "--verify-signatures")
	p.want(ExitOK, "\nreceiver crm: OK, 0 lost, 0 repeated", check...)
	stop()
	p.signal(syscall.SIGTERM)
}

// judgesSeeFaults removes a request and an object.
func (p *process) judgesSeeFaults(check []string) {
	p.t.Helper()
	file := filepath.Join(p.dir, "receiver", "crm.jsonl")
	content, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	lines := bytes.SplitAfter(content, []byte("\n"))
	i := slices.IndexFunc(lines, func(l []byte) bool { return arrivedOnce(content, l) })
	if i < 0 {
		p.t.Fatal("no message arrived once")
	}
	if err := os.WriteFile(file, slices.Concat(bytes.Join(lines[:i], nil), bytes.Join(lines[i+1:], nil)), 0o600); err != nil {
		p.t.Fatal(err)
	}
	objects, err := filepath.Glob(filepath.Join(p.dir, "archive", "coex.messages", "*", "*", "*.parquet"))
	if err != nil || len(objects) == 0 {
		p.t.Fatalf("%d objects, %v", len(objects), err)
	}
	if err := os.Rename(objects[0], objects[0]+".away"); err != nil {
		p.t.Fatal(err)
	}
	out, code := p.run(append(check, "--wait", "1s", "--output", "json")...)
	_, text, _ := strings.Cut(out, "\n{")
	var v checked
	if err := json.Unmarshal([]byte("{"+text), &v); code != ExitFaults || err != nil {
		p.t.Fatalf("check: %d, %v\n%s", code, err, out)
	}
	i = slices.IndexFunc(v.Archive.Topics, func(t archived.TopicVerdict) bool { return t.Topic == "messages" })
	if v.Receivers[0].Lost != 1 || v.Receivers[0].Faults != 1 || !v.Receivers[1].OK() || v.Archive.Topics[i].Lost == 0 {
		p.t.Errorf("a request and an object are missing: %+v %+v", v.Receivers[0], v.Archive)
	}
	if err := os.Rename(objects[0]+".away", objects[0]); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// arrivedOnce reports whether a line of a receiver's file is a message that was not repeated.
func arrivedOnce(file, line []byte) bool {
	var l receiver.Line
	return json.Unmarshal(line, &l) == nil && l.Request != nil && bytes.Contains(l.Request.Bytes(), []byte(schemas.TypeMessage)) &&
		bytes.Count(file, []byte(`"webhook_id":"`+l.Request.WebhookID+`"`)) == 1
}

func TestTheJudgesOfSinksSayWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	for want, args := range map[string][]string{
		"no endpoints are given": {"check", "--receiver", dir},
		"0 or more":              {"check", "--receiver-restarts", "-1"},
		"both or neither":        {"simulate", "receiver", "--tls-cert-file", "x"},
		"fail-rate: 2":           {"simulate", "receiver", "--fail-rate", "2"},
	} {
		if args[0] == "check" {
			args = append(args, "--truth", writeEmpty(t, dir))
		}
		var out bytes.Buffer
		code := Main(t.Context(), append(args, "--data-dir", dir), IO{In: strings.NewReader(""), Out: &out, Err: &out})
		if code != ExitUsage || !strings.Contains(out.String(), want) {
			t.Errorf("%v: %d %s", args, code, &out)
		}
	}
}

func writeEmpty(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "truth.jsonl")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
