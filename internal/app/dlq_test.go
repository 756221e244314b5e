package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/internal/deadletter"
	"github.com/coexstream/coexstream/schemas"
)

// letters waits until there are so many, and returns them, the oldest first.
func (p *process) letters(n int, filter ...string) []jsonLetter {
	p.t.Helper()
	var list []jsonLetter
	p.until(fmt.Sprintf("had %d letters", n), func() bool {
		out, code := p.run(append([]string{"dlq", "list", "--output", "json"}, filter...)...)
		if code != ExitOK {
			p.t.Fatalf("dlq list: %d\n%s", code, out)
		}
		list = nil
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			p.t.Fatal(err)
		}
		return len(list) == n
	})
	return list
}

func (p *process) want(code int, contains string, args ...string) string {
	p.t.Helper()
	out, got := p.run(args...)
	if got != code || !strings.Contains(out, contains) {
		p.t.Fatalf("%v: exit code %d, want %d and %q in\n%s", args, got, code, contains, out)
	}
	return out
}

// credentials are what a first up prints.
func (p *process) credentials() (url, secret string) {
	p.t.Helper()
	p.until("printed its secret", func() bool { return strings.Contains(p.stdout.String(), "body=") })
	return printed(p.t, p.stdout.String(), `webhook URL +(\S+)`), printed(p.t, p.stdout.String(), `app secret +(\S+)`)
}

func TestPoisonThatComesBackThreeTimesIsParked(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	p := startUp(t, t.TempDir(), eachBodyOnce...)
	defer p.signal(syscall.SIGTERM)
	url, secret := p.credentials()
	const poison = `{"object":"whatsapp_business_account","entry":[{"id":"42",`
	if status := post(t, url, secret, poison); status != http.StatusOK {
		t.Fatal(status)
	}
	letter := p.letters(1)[0]
	if letter.State != deadletter.Open || letter.Attempts != 1 || letter.Key != "42" || letter.Bytes != len(poison) {
		t.Errorf("the letter is %+v", letter)
	}
	if out := p.want(ExitOK, "json_", "dlq", "show", letter.Place); !strings.Contains(out, poison) || !strings.Contains(out, "coex-signature ") {
		t.Errorf("show:\n%s", out)
	}
	if out := p.want(ExitOK, "", "dlq", "show", letter.Place, "--raw"); out != poison {
		t.Errorf("the bytes are %q", out)
	}
	p.want(ExitOK, "1 letter written", "dlq", "export", "--dir", "letters")
	file := filepath.Join(p.dir, "letters", strings.ReplaceAll(letter.Place, "/", "-")+".body")
	if b, err := os.ReadFile(file); err != nil || string(b) != poison {
		t.Errorf("exported %q, %v", b, err)
	}
	p.want(ExitOK, `"text":"{\"object\"`, "dlq", "export", "--waba", "42")
	p.want(ExitUsage, "say which letters", "dlq", "requeue")
	p.want(ExitOK, "1 letter would be requeued", "dlq", "requeue", "--waba", "42", "--dry-run")
	p.letters(1, "--state", "open")
	for attempt := 2; attempt <= 4; attempt++ {
		p.want(ExitOK, fmt.Sprintf("attempt %d", attempt), "dlq", "requeue", "--all")
		// Again at once: the letter is remembered, and nothing is written a second time.
		p.want(ExitOK, "0 letters requeued", "dlq", "requeue", letter.Place)
		all := p.letters(attempt)
		if last := all[len(all)-1]; last.Attempts != attempt || last.Origin != letter.Origin || last.Bytes != len(poison) {
			t.Fatalf("after requeue %d the letter is %+v", attempt-1, last)
		}
		letter = p.letters(1, "--state", map[bool]string{true: "parked", false: "open"}[attempt == 4])[0]
	}
	p.want(ExitOK, "0 letters requeued, 4 left", "dlq", "requeue", "--waba", "42")
	// Three of the four were requeued, and each requeue left a note: the doctor counts none of them.
	p.want(ExitOK, "coex.dlq: 0 open dead letters and 1 parked in the last 1d: json_", "doctor", "--only", "dlq")
	p.want(ExitOK, "it came back 3 times", "dlq", "requeue", letter.Place)
	p.want(ExitOK, "attempt 5", "dlq", "requeue", letter.Place, "--force")
	p.letters(5)
	p.want(ExitFailure, "there is no dead letter at 0/999", "dlq", "show", "0/999")
	p.want(ExitUsage, "PARTITION/OFFSET", "dlq", "show", "first")
	p.want(ExitUsage, "allowed: open, requeued, parked", "dlq", "list", "--state", "lost")
}

// A filter that can match nothing, or chooses by chance, is a mistake on the command line, and nothing is asked of Kafka.
func TestFiltersThatCannotBeMeantAreRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct{ args, says string }{
		{"dlq requeue --reason nosuch", `--reason: "nosuch" is not allowed; allowed: json_invalid, `},
		{"dlq list --reason JSON_INVALID", "allowed: json_invalid, "},
		{"dlq export --reason json_invalid --reason nosuch", `--reason: "nosuch"`},
		{"dlq requeue --topic raw", `--topic: "raw" is not allowed; allowed: raw.live, raw.bulk`},
		{"dlq requeue --topic messages", "allowed: raw.live, raw.bulk"},
		{"dlq requeue --waba=", `--waba: "" is not allowed`},
		{"dlq list --limit -1", "--limit: -1 is not allowed"},
		{"dlq list --since 1h --until 2h", "allowed: a time behind --since"},
		{"dlq requeue --since 2026-03-02T00:00:00Z --until 2026-03-02T00:00:00Z", "allowed: a time behind --since"},
		{"dlq export --state nosuch", "allowed: open, requeued, parked"},
		{"replay --dry-run --since 1h --until 2h", "allowed: a time behind --since"},
		{"replay --dry-run --waba=", `--waba: "" is not allowed`},
		{"replay --dry-run --wamid=", `--wamid: "" is not allowed`},
		{"replay --dry-run --rate NaN", "--rate: NaN is not allowed"},
		{"replay --dry-run --bytes-rate -1", `--bytes-rate: "-1" is not allowed`},
		{"tail nosuch", `topic: "nosuch" is not allowed; allowed: raw.live, `},
		{"tail messages --limit -1", "--limit: -1 is not allowed"},
	} {
		var out bytes.Buffer
		args := append(strings.Fields(tt.args), "--brokers", "127.0.0.1:1") // nobody answers there
		if code := Main(t.Context(), args, IO{Out: &out, Err: &out}); code != ExitUsage || !strings.Contains(out.String(), tt.says) {
			t.Errorf("%s: exit code %d, want %d and %q in\n%s", tt.args, code, ExitUsage, tt.says, &out)
		}
	}
}

// Events that left the first time do not leave again; the others leave after the correction.
func TestRequeueAfterACorrectionYieldsWhatWasMissing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	dir := t.TempDir()
	p := startUp(t, dir, append(eachBodyOnce, "--set", "processor.event_bytes_max=16KiB")...)
	url, secret := p.credentials()
	message := func(id, text string) string {
		return `{"from":"16505551234","id":"` + id + `","timestamp":"1772366400","type":"text","text":{"body":"` + text + `"}}`
	}
	body := `{"object":"whatsapp_business_account","entry":[{"id":"42","changes":[{"field":"messages","value":{"messaging_product":"whatsapp",` +
		`"metadata":{"display_phone_number":"15550100","phone_number_id":"942"},"messages":[` +
		message("wamid.SMALL", "x") + "," + message("wamid.LARGE", strings.Repeat("long ", 5000)) + `]}}]}]}`
	if status := post(t, url, secret, body); status != http.StatusOK {
		t.Fatal(status)
	}
	if letter := p.letters(1)[0]; letter.Reason != "event_too_long" {
		t.Fatalf("the letter is %+v", letter)
	}
	if m := p.messages(1); m["wamid"] != "wamid.SMALL" {
		t.Errorf("what left is %v", m["wamid"])
	}
	p.signal(syscall.SIGTERM)
	p = startUp(t, dir, eachBodyOnce...)
	defer p.signal(syscall.SIGTERM)
	p.want(ExitOK, "1 letter requeued", "dlq", "requeue", "--reason", "event_too_long")
	if m := p.messages(2); m["wamid"] != "wamid.LARGE" {
		t.Errorf("what left after the requeue is %v", m["wamid"])
	}
	p.letters(0, "--state", "open")
}

// One odd part goes to dlq alone, and its requeue after a correction yields it alone.
func TestRequeueOfAnOddPartYieldsThatPart(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	dir := t.TempDir()
	p := startUp(t, dir, append(eachBodyOnce, "--set", "processor.depth_max=16")...)
	url, secret := p.credentials()
	message := func(id, more string) string {
		return `{"from":"16505551234","id":"` + id + `","timestamp":"1772366400","type":"text"` + more + `}`
	}
	body := `{"object":"whatsapp_business_account","entry":[{"id":"42","changes":[{"field":"messages","value":{"messaging_product":"whatsapp",` +
		`"metadata":{"display_phone_number":"15550100","phone_number_id":"942"},"messages":[` +
		message("wamid.FLAT", "") + "," + message("wamid.DEEP", `,"x":`+strings.Repeat("[", 20)+strings.Repeat("]", 20)) + `]}}]}]}`
	if status := post(t, url, secret, body); status != http.StatusOK {
		t.Fatal(status)
	}
	letter := p.letters(1)[0]
	if letter.Reason != "json_too_deep" || letter.Bytes != len(body) {
		t.Fatalf("the letter is %+v", letter)
	}
	p.want(ExitOK, "0.0.messages.1", "dlq", "show", letter.Place)
	if m := p.messages(1); m["wamid"] != "wamid.FLAT" {
		t.Errorf("what left is %v", m["wamid"])
	}
	p.signal(syscall.SIGTERM)
	p = startUp(t, dir, eachBodyOnce...)
	defer p.signal(syscall.SIGTERM)
	p.want(ExitOK, "1 letter requeued", "dlq", "requeue", "--reason", "json_too_deep")
	if m := p.messages(2); m["wamid"] != "wamid.DEEP" {
		t.Errorf("what left after the requeue is %v", m["wamid"])
	}
	p.letters(0, "--state", "open")
}

// A letter about a body that ended the processor has no copy of it. A requeue takes it from the raw log.
func TestRequeueOfALetterWithoutItsBodyTakesItFromTheRawLog(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	p := startUp(t, t.TempDir(), eachBodyOnce...)
	defer p.signal(syscall.SIGTERM)
	url, secret := p.credentials()
	const body = `{"object":"whatsapp_business_account","entry":[{"id":"42",`
	if status := post(t, url, secret, body); status != http.StatusOK {
		t.Fatal(status)
	}
	letter := p.letters(1)[0]
	topic, rest, _ := strings.Cut(letter.Origin, "/")
	partition, offset, _ := strings.Cut(rest, "/")
	brokers := p.running().Defaults["kafka.brokers"]
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	number, err := strconv.ParseInt(partition, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	put := func(offset string) {
		t.Helper()
		r := &kgo.Record{Topic: "coex.dlq", Partition: int32(number)}
		for k, v := range map[string]string{
			schemas.HeaderDLQReason: string(schemas.ReasonBodyFailed), schemas.HeaderDLQTopic: topic, schemas.HeaderDLQPartition: partition,
			schemas.HeaderDLQOffset: offset, schemas.HeaderSource: "meta",
		} {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: k, Value: []byte(v)})
		}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	put(offset)
	p.want(ExitOK, "1 letter requeued", "dlq", "requeue", "--reason", "body_failed")
	again := p.letters(2, "--reason", "json_invalid")
	if again[1].Bytes != len(body) {
		t.Errorf("the body that was read again has %d bytes, want %d", again[1].Bytes, len(body))
	}
	put("4711")
	p.want(ExitFailure, "", "dlq", "requeue", "--reason", "body_failed")
}
